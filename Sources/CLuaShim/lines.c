/// Which lines of policies' files have run, and which can.
#include "machine.h"

/// The lines of one file that have run, a bit each.
typedef struct file_lines {
  char *name;
  uint8_t *bits;
  size_t bytes;
} file_lines;

struct tide_lines {
  file_lines *files;
  size_t count;
  /// Where the last line was noted: most come from the same file.
  size_t last;
};

tide_lines *tide_lines_new(void) { return calloc(1, sizeof(tide_lines)); }

void tide_lines_free(tide_lines *lines) {
  if (!lines) return;
  for (size_t i = 0; i < lines->count; i++) {
    free(lines->files[i].name);
    free(lines->files[i].bits);
  }
  free(lines->files);
  free(lines);
}

static file_lines *find(const tide_lines *lines, const char *name) {
  for (size_t i = 0; i < lines->count; i++)
    if (strcmp(lines->files[i].name, name) == 0) return &lines->files[i];
  return NULL;
}

static file_lines *find_or_add(tide_lines *lines, const char *name) {
  if (lines->last < lines->count && strcmp(lines->files[lines->last].name, name) == 0) return &lines->files[lines->last];
  file_lines *file = find(lines, name);
  if (!file) {
    file_lines *moved = realloc(lines->files, (lines->count + 1) * sizeof *moved);
    if (!moved) return NULL;
    lines->files = moved;
    char *copy = strdup(name);
    if (!copy) return NULL;
    file = &moved[lines->count++];
    *file = (file_lines){.name = copy};
  }
  lines->last = (size_t)(file - lines->files);
  return file;
}

/// Inside a hook: does not touch the Lua state beyond asking it. A line that finds no memory counts as one that did not run.
void tide_lines_note(tide_lines *lines, lua_State *L, lua_Debug *record) {
  if (record->currentline <= 0 || !lua_getinfo(L, "S", record) || record->source[0] != '@') return;
  file_lines *file = find_or_add(lines, record->source + 1);
  if (!file) return;
  size_t place = (size_t)record->currentline / 8;
  if (place >= file->bytes) {
    size_t bytes = place * 2 + 64;
    uint8_t *moved = realloc(file->bits, bytes);
    if (!moved) return;
    memset(moved + file->bytes, 0, bytes - file->bytes);
    file->bits = moved;
    file->bytes = bytes;
  }
  file->bits[place] |= (uint8_t)(1 << (record->currentline % 8));
}

bool tide_lines_has(const tide_lines *lines, const char *file, int32_t line) {
  const file_lines *found = find(lines, file);
  size_t place = (size_t)line / 8;
  return found && line > 0 && place < found->bytes && (found->bits[place] >> (line % 8) & 1);
}

// MARK: lines that can run

typedef struct marking {
  const void *source;
  size_t length;
  bool is_function;
  uint8_t *marks;
  size_t count;
} marking;

static int mark(lua_State *L) {
  marking *m = lua_touserdata(L, 1);
  if (luaL_loadbufferx(L, m->source, m->length, "=lines", "t") != LUA_OK) return lua_error(L);
  if (m->is_function) lua_call(L, 0, 1);
  lua_Debug record;
  if (!lua_isfunction(L, -1) || !lua_getinfo(L, ">L", &record) || !lua_istable(L, -1)) return luaL_error(L, "no function");
  lua_pushnil(L);
  while (lua_next(L, -2)) {
    lua_Integer line = lua_tointegerx(L, -2, NULL);
    if (line > 0 && (size_t)line < m->count) m->marks[line] = 1;
    lua_pop(L, 1);
  }
  return 0;
}

bool tide_mark_active_lines(const void *source, size_t length, bool is_function, uint8_t *marks, size_t count) {
  lua_State *L = luaL_newstate();
  if (!L) return false;
  marking m = {source, length, is_function, marks, count};
  lua_pushcfunction(L, mark);
  lua_pushlightuserdata(L, &m);
  bool is_marked = lua_pcall(L, 1, 0, 0) == LUA_OK;
  lua_close(L);
  return is_marked;
}
