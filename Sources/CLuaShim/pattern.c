/// The matcher: same language as stock Lua's, but each step is counted and the watch is polled, so that no text from a
/// client and no pattern can hold a worker.
#include "pattern.h"

#include <ctype.h>

enum { DEPTH = 200 };

void tide_matcher_begin(matcher *m, lua_State *L, const char *subject, size_t length, const char *pattern, size_t size) {
  m->L = L;
  m->machine = machine_of(L);
  m->subject = subject;
  m->subject_end = subject + length;
  m->pattern_end = pattern + size;
  m->depth = 0;
  m->level = 0;
}

bool tide_has_specials(const char *pattern, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (pattern[i] && strchr("^$*+?.([%-", pattern[i])) return true;
  return false;
}

static const char *class_end(matcher *m, const char *p) {
  if (p == m->pattern_end) luaL_error(m->L, "malformed pattern (ends too early)");
  if (*p == '%') {
    if (p + 1 == m->pattern_end) luaL_error(m->L, "malformed pattern (ends with '%%')");
    return p + 2;
  }
  if (*p++ != '[') return p;
  if (p < m->pattern_end && *p == '^') p++;
  do {
    if (p >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
    char c = *p++;
    if (c == '%') {
      if (p >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing ']')");
      p++;
    }
  } while (p >= m->pattern_end || *p != ']');
  return p + 1;
}

static bool in_named_class(int c, int name) {
  bool found;
  switch (tolower(name)) {
    case 'a': found = isalpha(c); break;
    case 'c': found = iscntrl(c); break;
    case 'd': found = isdigit(c); break;
    case 'g': found = isgraph(c); break;
    case 'l': found = islower(c); break;
    case 'p': found = ispunct(c); break;
    case 's': found = isspace(c); break;
    case 'u': found = isupper(c); break;
    case 'w': found = isalnum(c); break;
    case 'x': found = isxdigit(c); break;
    case 'z': found = c == 0; break;
    default: return name == c;
  }
  return isupper(name) ? !found : found;
}

/// `p` at '[', `last` at its ']'.
static bool in_set(int c, const char *p, const char *last) {
  bool wanted = true;
  p++;
  if (*p == '^') {
    wanted = false;
    p++;
  }
  while (p < last) {
    if (*p == '%') {
      if (in_named_class(c, (unsigned char)p[1])) return wanted;
      p += 2;
    } else if (p + 2 < last && p[1] == '-') {
      if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2]) return wanted;
      p += 3;
    } else {
      if ((unsigned char)*p == c) return wanted;
      p++;
    }
  }
  return !wanted;
}

static bool matches_one(matcher *m, const char *s, const char *p, const char *end) {
  tide_step(m->L, m->machine);
  if (s >= m->subject_end) return false;
  int c = (unsigned char)*s;
  switch (*p) {
    case '.': return true;
    case '%': return in_named_class(c, (unsigned char)p[1]);
    case '[':
      // A long set is long work.
      m->machine->steps += (uint64_t)(end - p) >> 4;
      return in_set(c, p, end - 1);
    default: return (unsigned char)*p == c;
  }
}

static const char *match_balance(matcher *m, const char *s, const char *p) {
  if (p + 1 >= m->pattern_end) luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
  if (s >= m->subject_end || *s != *p) return NULL;
  int open = *p, close = p[1], depth = 1;
  while (++s < m->subject_end) {
    tide_step(m->L, m->machine);
    if (*s == close) {
      if (--depth == 0) return s + 1;
    } else if (*s == open) {
      depth++;
    }
  }
  return NULL;
}

static const char *max_expand(matcher *m, const char *s, const char *p, const char *end) {
  ptrdiff_t count = 0;
  while (matches_one(m, s + count, p, end)) count++;
  for (; count >= 0; count--) {
    const char *found = tide_match(m, s + count, end + 1);
    if (found) return found;
  }
  return NULL;
}

static const char *min_expand(matcher *m, const char *s, const char *p, const char *end) {
  for (;; s++) {
    const char *found = tide_match(m, s, end + 1);
    if (found) return found;
    if (!matches_one(m, s, p, end)) return NULL;
  }
}

static const char *start_capture(matcher *m, const char *s, const char *p, ptrdiff_t what) {
  if (m->level >= CAPTURES) luaL_error(m->L, "too many captures");
  m->captures[m->level].start = s;
  m->captures[m->level].length = what;
  m->level++;
  const char *found = tide_match(m, s, p);
  if (!found) m->level--;
  return found;
}

static const char *end_capture(matcher *m, const char *s, const char *p) {
  int level = m->level - 1;
  while (level >= 0 && m->captures[level].length != CAPTURE_OPEN) level--;
  if (level < 0) luaL_error(m->L, "invalid pattern capture");
  m->captures[level].length = s - m->captures[level].start;
  const char *found = tide_match(m, s, p);
  if (!found) m->captures[level].length = CAPTURE_OPEN;
  return found;
}

static const char *match_capture(matcher *m, const char *s, int name) {
  int level = name - '1';
  if (level < 0 || level >= m->level || m->captures[level].length == CAPTURE_OPEN)
    luaL_error(m->L, "invalid capture index %%%d", level + 1);
  ptrdiff_t length = m->captures[level].length;
  if (length < 0) length = 0;
  m->machine->steps += (uint64_t)length >> 4;
  if (m->subject_end - s < length || memcmp(m->captures[level].start, s, (size_t)length) != 0) return NULL;
  return s + length;
}

const char *tide_match(matcher *m, const char *s, const char *p) {
  if (++m->depth > DEPTH) luaL_error(m->L, "pattern too complex");
  const char *found = NULL;
  for (;;) {
    tide_step(m->L, m->machine);
    if (p == m->pattern_end) {
      found = s;
      break;
    }
    if (*p == '(') {
      bool position = p + 1 < m->pattern_end && p[1] == ')';
      found = position ? start_capture(m, s, p + 2, CAPTURE_POSITION) : start_capture(m, s, p + 1, CAPTURE_OPEN);
      break;
    }
    if (*p == ')') {
      found = end_capture(m, s, p + 1);
      break;
    }
    if (*p == '$' && p + 1 == m->pattern_end) {
      found = s == m->subject_end ? s : NULL;
      break;
    }
    if (*p == '%' && p + 1 < m->pattern_end) {
      if (p[1] == 'b') {
        s = match_balance(m, s, p + 2);
        if (!s) break;
        p += 4;
        continue;
      }
      if (p[1] == 'f') {
        p += 2;
        if (p >= m->pattern_end || *p != '[') luaL_error(m->L, "missing '[' after '%%f' in pattern");
        const char *end = class_end(m, p);
        int before = s == m->subject ? 0 : (unsigned char)s[-1];
        int here = s < m->subject_end ? (unsigned char)*s : 0;
        if (in_set(before, p, end - 1) || !in_set(here, p, end - 1)) break;
        p = end;
        continue;
      }
      if (isdigit((unsigned char)p[1])) {
        s = match_capture(m, s, (unsigned char)p[1]);
        if (!s) break;
        p += 2;
        continue;
      }
    }
    const char *end = class_end(m, p);
    char suffix = end < m->pattern_end ? *end : 0;
    if (suffix == '*' && end < m->pattern_end) {
      found = max_expand(m, s, p, end);
      break;
    }
    if (suffix == '-') {
      found = min_expand(m, s, p, end);
      break;
    }
    bool one = matches_one(m, s, p, end);
    if (suffix == '+') {
      found = one ? max_expand(m, s + 1, p, end) : NULL;
      break;
    }
    if (suffix == '?') {
      if (one && (found = tide_match(m, s + 1, end + 1))) break;
      p = end + 1;
      continue;
    }
    if (!one) break;
    s++;
    p = end;
  }
  m->depth--;
  return found;
}

void tide_push_capture(matcher *m, int index, const char *at, const char *end) {
  if (index >= m->level) {
    if (index != 0) luaL_error(m->L, "invalid capture index %%%d", index + 1);
    lua_pushlstring(m->L, at, (size_t)(end - at));
    return;
  }
  ptrdiff_t length = m->captures[index].length;
  if (length == CAPTURE_OPEN) luaL_error(m->L, "unfinished capture");
  if (length == CAPTURE_POSITION)
    lua_pushinteger(m->L, m->captures[index].start - m->subject + 1);
  else
    lua_pushlstring(m->L, m->captures[index].start, (size_t)length);
}

int tide_push_captures(matcher *m, const char *at, const char *end) {
  int count = m->level == 0 && at ? 1 : m->level;
  luaL_checkstack(m->L, count + 2, "too many captures");
  for (int i = 0; i < count; i++) tide_push_capture(m, i, at, end);
  return count;
}
