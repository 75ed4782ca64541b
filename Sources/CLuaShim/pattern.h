/// Lua patterns over bytes, one step counted at a time.
#ifndef TIDE_PATTERN_H
#define TIDE_PATTERN_H

#include "machine.h"

enum { CAPTURES = 32, CAPTURE_OPEN = -1, CAPTURE_POSITION = -2 };

typedef struct {
  lua_State *L;
  tide_machine *machine;
  const char *subject, *subject_end, *pattern_end;
  int depth;
  int level;
  struct {
    const char *start;
    ptrdiff_t length;
  } captures[CAPTURES];
} matcher;

void tide_matcher_begin(matcher *m, lua_State *L, const char *subject, size_t length, const char *pattern, size_t size);
/// The end of the match of `pattern` that starts at `at`, or NULL.
const char *tide_match(matcher *m, const char *at, const char *pattern);
/// Pushes the captures, or the whole match when there are none and `at` is given.
int tide_push_captures(matcher *m, const char *at, const char *end);
void tide_push_capture(matcher *m, int index, const char *at, const char *end);
bool tide_has_specials(const char *pattern, size_t length);

#endif
