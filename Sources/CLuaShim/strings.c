/// The string library: stock where that is linear and bounded, ours where it is not.
#include "pattern.h"

static size_t start_of(lua_Integer position, size_t length) {
  if (position > 0) return (size_t)position - 1;
  if (position == 0 || position < -(lua_Integer)length) return 0;
  return length - (size_t)-position;
}

static void check_subject(lua_State *L, size_t length) {
  if (length > SUBJECT_LIMIT)
    luaL_error(L, "subject of a pattern is longer than %d bytes: search plain, or in pieces", SUBJECT_LIMIT);
}

static int find_or_match(lua_State *L, bool find) {
  size_t length, size;
  const char *subject = luaL_checklstring(L, 1, &length), *pattern = luaL_checklstring(L, 2, &size);
  size_t from = start_of(luaL_optinteger(L, 3, 1), length);
  if (from > length) {
    lua_pushnil(L);
    return 1;
  }
  if (find && (lua_toboolean(L, 4) || !tide_has_specials(pattern, size))) {
    const char *place = size ? memmem(subject + from, length - from, pattern, size) : subject + from;
    if (!place) {
      lua_pushnil(L);
      return 1;
    }
    lua_pushinteger(L, place - subject + 1);
    lua_pushinteger(L, place - subject + (lua_Integer)size);
    return 2;
  }
  check_subject(L, length - from);
  bool anchored = size > 0 && *pattern == '^';
  if (anchored) pattern++, size--;
  matcher m;
  tide_matcher_begin(&m, L, subject, length, pattern, size);
  const char *at = subject + from;
  do {
    m.level = m.depth = 0;
    const char *end = tide_match(&m, at, pattern);
    if (end) {
      if (!find) return tide_push_captures(&m, at, end);
      lua_pushinteger(L, at - subject + 1);
      lua_pushinteger(L, end - subject);
      return tide_push_captures(&m, NULL, NULL) + 2;
    }
  } while (at++ < m.subject_end && !anchored);
  lua_pushnil(L);
  return 1;
}

static int string_find(lua_State *L) { return find_or_match(L, true); }
static int string_match(lua_State *L) { return find_or_match(L, false); }

/// Upvalues: subject, pattern, next start, end of the last match or -1.
static int gmatch_next(lua_State *L) {
  size_t length, size;
  const char *subject = lua_tolstring(L, lua_upvalueindex(1), &length);
  const char *pattern = lua_tolstring(L, lua_upvalueindex(2), &size);
  lua_Integer from = lua_tointegerx(L, lua_upvalueindex(3), NULL), last = lua_tointegerx(L, lua_upvalueindex(4), NULL);
  matcher m;
  tide_matcher_begin(&m, L, subject, length, pattern, size);
  for (; from <= (lua_Integer)length; from++) {
    m.level = m.depth = 0;
    const char *end = tide_match(&m, subject + from, pattern);
    if (end && end - subject != last) {
      lua_pushinteger(L, end - subject);
      lua_copy(L, -1, lua_upvalueindex(3));
      lua_copy(L, -1, lua_upvalueindex(4));
      return tide_push_captures(&m, subject + from, end);
    }
  }
  lua_pushinteger(L, from);
  lua_copy(L, -1, lua_upvalueindex(3));
  return 0;
}

static int string_gmatch(lua_State *L) {
  size_t length;
  luaL_checklstring(L, 1, &length);
  luaL_checkstring(L, 2);
  size_t from = start_of(luaL_optinteger(L, 3, 1), length);
  if (from > length) from = length + 1;
  if (from <= length) check_subject(L, length - from);
  lua_settop(L, 2);
  lua_pushinteger(L, (lua_Integer)from);
  lua_pushinteger(L, -1);
  lua_pushcclosure(L, gmatch_next, 4);
  return 1;
}

static void add_text(lua_State *L, luaL_Buffer *out, const char *text, size_t length) {
  if (luaL_bufflen(out) + length > RESULT_LIMIT) luaL_error(L, "resulting string too large");
  luaL_addlstring(out, text, length);
}

/// Adds the replacement of one match. True if it differs from the original.
static bool add_replacement(matcher *m, luaL_Buffer *out, const char *at, const char *end, int type) {
  lua_State *L = m->L;
  switch (type) {
    case LUA_TFUNCTION: {
      lua_pushvalue(L, 3);
      int count = tide_push_captures(m, at, end);
      lua_call(L, count, 1);
      break;
    }
    case LUA_TTABLE:
      tide_push_capture(m, 0, at, end);
      lua_gettable(L, 3);
      break;
    default: {
      size_t length;
      const char *text = lua_tolstring(L, 3, &length), *stop = text + length;
      while (text < stop) {
        const char *percent = memchr(text, '%', (size_t)(stop - text));
        add_text(L, out, text, (size_t)((percent ? percent : stop) - text));
        if (!percent) break;
        tide_step(L, m->machine);
        text = percent + 2;
        char name = percent + 1 < stop ? percent[1] : 0;
        if (name == '%') {
          add_text(L, out, "%", 1);
        } else if (name == '0') {
          add_text(L, out, at, (size_t)(end - at));
        } else if (name >= '1' && name <= '9') {
          tide_push_capture(m, name - '1', at, end);
          size_t size;
          lua_tolstring(L, -1, &size);
          if (luaL_bufflen(out) + size > RESULT_LIMIT) luaL_error(L, "resulting string too large");
          luaL_addvalue(out);
        } else {
          luaL_error(L, "invalid use of '%%' in replacement string");
        }
      }
      return true;
    }
  }
  if (!lua_toboolean(L, -1)) {
    lua_pop(L, 1);
    add_text(L, out, at, (size_t)(end - at));
    return false;
  }
  if (!lua_isstring(L, -1)) luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
  size_t size;
  lua_tolstring(L, -1, &size);
  if (luaL_bufflen(out) + size > RESULT_LIMIT) luaL_error(L, "resulting string too large");
  luaL_addvalue(out);
  return true;
}

static int string_gsub(lua_State *L) {
  size_t length, size;
  const char *subject = luaL_checklstring(L, 1, &length), *pattern = luaL_checklstring(L, 2, &size);
  int type = lua_type(L, 3);
  luaL_argexpected(
      L, type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION || type == LUA_TTABLE, 3,
      "string/function/table");
  lua_Integer limit = luaL_optinteger(L, 4, (lua_Integer)length + 1), count = 0;
  if (type == LUA_TNUMBER) lua_tolstring(L, 3, NULL);
  check_subject(L, length);
  bool anchored = size > 0 && *pattern == '^', changed = false;
  if (anchored) pattern++, size--;
  matcher m;
  tide_matcher_begin(&m, L, subject, length, pattern, size);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  const char *at = subject, *last = NULL;
  while (count < limit) {
    m.level = m.depth = 0;
    const char *end = tide_match(&m, at, pattern);
    if (end && end != last) {
      count++;
      changed |= add_replacement(&m, &out, at, end, type);
      at = last = end;
    } else if (at < m.subject_end) {
      add_text(L, &out, at++, 1);
    } else {
      break;
    }
    if (anchored) break;
  }
  if (!changed) {
    lua_pushvalue(L, 1);
  } else {
    add_text(L, &out, at, (size_t)(m.subject_end - at));
    luaL_pushresult(&out);
  }
  lua_pushinteger(L, count);
  return 2;
}

static int string_rep(lua_State *L) {
  size_t length, separator_length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_Integer count = luaL_checkinteger(L, 2);
  const char *separator = luaL_optlstring(L, 3, "", &separator_length);
  if (count <= 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  size_t piece = length + separator_length;
  if (piece > RESULT_LIMIT || (piece > 0 && (lua_Unsigned)count > RESULT_LIMIT / piece))
    return luaL_error(L, "resulting string too large");
  if (piece == 0) {
    lua_pushliteral(L, "");
    return 1;
  }
  size_t total = (size_t)count * length + (size_t)(count - 1) * separator_length;
  luaL_Buffer out;
  char *place = luaL_buffinitsize(L, &out, total);
  for (lua_Integer i = 0; i < count; i++) {
    memcpy(place, text, length);
    place += length;
    if (i + 1 < count && separator_length) {
      memcpy(place, separator, separator_length);
      place += separator_length;
    }
  }
  luaL_pushresultsize(&out, total);
  return 1;
}

static int string_byte(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_Integer position = luaL_optinteger(L, 2, 1);
  size_t from = start_of(position, length);
  lua_Integer last = luaL_optinteger(L, 3, position);
  if (last < 0) last = last < -(lua_Integer)length ? 0 : last + (lua_Integer)length + 1;
  size_t to = last > (lua_Integer)length ? length : (size_t)last;
  if (from >= to) return 0;
  if (to - from > SPREAD_LIMIT) return luaL_error(L, "too many results (at most %d)", SPREAD_LIMIT);
  luaL_checkstack(L, (int)(to - from), "string slice too long");
  for (size_t i = from; i < to; i++) lua_pushinteger(L, (unsigned char)text[i]);
  return (int)(to - from);
}

/// Upvalue: the stock function. Values that would show an address are turned into text first.
static int string_format(lua_State *L) {
  size_t length, total;
  const char *format = luaL_checklstring(L, 1, &length);
  int argument = 1, top = lua_gettop(L);
  total = length;
  for (size_t i = 0; i < length; i++) {
    if (format[i] != '%') continue;
    if (++i < length && format[i] == '%') continue;
    while (i < length && format[i] && strchr("-+ #0123456789.", format[i])) i++;
    if (i >= length) break;
    argument++;
    total += 128;
    if (format[i] == 'p') return luaL_error(L, "'%%p' is not available");
    if (format[i] == 'f' || format[i] == 'F') total += 400;
    if ((format[i] == 's' || format[i] == 'q') && argument <= top) {
      size_t size = 0;
      if (format[i] == 's') {
        tide_tostring(L, argument, &size);
        lua_replace(L, argument);
        lua_settop(L, top);
      } else if (lua_type(L, argument) == LUA_TSTRING) {
        lua_tolstring(L, argument, &size);
        size *= 4;
      }
      total += size;
    }
    if (total > RESULT_LIMIT) return luaL_error(L, "resulting string too large");
  }
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

void tide_open_strings(lua_State *L) {
  static const char *const allowed[] = {"char", "len", "lower", "reverse", "sub", "upper", "format", NULL};
  static const luaL_Reg own[] = {
    {"find", string_find}, {"match", string_match}, {"gmatch", string_gmatch}, {"gsub", string_gsub},
    {"rep", string_rep}, {"byte", string_byte}, {NULL, NULL}};
  luaL_requiref(L, "string", luaopen_string, 0);
  lua_getfield(L, -1, "format");
  lua_pushcclosure(L, string_format, 1);
  lua_setfield(L, -2, "format");
  tide_publish(L, "string", allowed, own);
  // ("x"):upper() looks in a table of its own that no script can reach.
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_newtable(L);
  for (const char *const *name = allowed; *name; name++) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tide_libraries_key);
    lua_getfield(L, -1, "string");
    lua_getfield(L, -1, *name);
    lua_setfield(L, -4, *name);
    lua_pop(L, 2);
  }
  luaL_setfuncs(L, own, 0);
  lua_setfield(L, -2, "__index");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pop(L, 2);
}
