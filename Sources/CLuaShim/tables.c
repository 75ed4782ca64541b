/// The table library, with counts capped and the watch polled in every loop.
#include "machine.h"

/// `#t` with its metamethod, refused when no honest table has it.
static lua_Integer length_of(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_Integer length = luaL_len(L, index);
  if (length < 0 || length > COUNT_LIMIT) luaL_error(L, "table is too long (at most %d)", COUNT_LIMIT);
  return length;
}

static int table_insert(lua_State *L) {
  lua_Integer end = length_of(L, 1) + 1, position = end;
  tide_machine *machine = machine_of(L);
  switch (lua_gettop(L)) {
    case 2: break;
    case 3:
      position = luaL_checkinteger(L, 2);
      luaL_argcheck(L, (lua_Unsigned)position - 1u < (lua_Unsigned)end, 2, "position out of bounds");
      for (lua_Integer i = end; i > position; i--) {
        tide_step(L, machine);
        lua_geti(L, 1, i - 1);
        lua_seti(L, 1, i);
      }
      break;
    default: return luaL_error(L, "wrong number of arguments to 'insert'");
  }
  lua_seti(L, 1, position);
  return 0;
}

static int table_remove(lua_State *L) {
  lua_Integer size = length_of(L, 1), position = luaL_optinteger(L, 2, size);
  tide_machine *machine = machine_of(L);
  if (lua_gettop(L) > 1)
    luaL_argcheck(L, (lua_Unsigned)position - 1u <= (lua_Unsigned)size, 2, "position out of bounds");
  lua_geti(L, 1, position);
  for (; position < size; position++) {
    tide_step(L, machine);
    lua_geti(L, 1, position + 1);
    lua_seti(L, 1, position);
  }
  lua_pushnil(L);
  lua_seti(L, 1, position);
  return 1;
}

static int table_concat(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t separator_length;
  const char *separator = luaL_optlstring(L, 2, "", &separator_length);
  lua_Integer from = luaL_optinteger(L, 3, 1);
  lua_Integer to = lua_isnoneornil(L, 4) ? length_of(L, 1) : luaL_checkinteger(L, 4);
  if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= COUNT_LIMIT)
    return luaL_error(L, "range is too long (at most %d)", COUNT_LIMIT);
  tide_machine *machine = machine_of(L);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (lua_Integer i = from; i <= to; i++) {
    tide_step(L, machine);
    lua_geti(L, 1, i);
    if (!lua_isstring(L, -1))
      return luaL_error(L, "invalid value (at index %I) in table for 'concat'", (LUAI_UACINT)i);
    size_t size;
    lua_tolstring(L, -1, &size);
    if (luaL_bufflen(&out) + size + separator_length > RESULT_LIMIT) return luaL_error(L, "resulting string too large");
    luaL_addvalue(&out);
    if (i == to) break;
    luaL_addlstring(&out, separator, separator_length);
  }
  luaL_pushresult(&out);
  return 1;
}

static int table_move(lua_State *L) {
  lua_Integer from = luaL_checkinteger(L, 2), to = luaL_checkinteger(L, 3), at = luaL_checkinteger(L, 4);
  int target = lua_isnoneornil(L, 5) ? 1 : 5;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checktype(L, target, LUA_TTABLE);
  tide_machine *machine = machine_of(L);
  if (to >= from) {
    lua_Unsigned count = (lua_Unsigned)to - (lua_Unsigned)from + 1;
    if (count > COUNT_LIMIT || count == 0) return luaL_error(L, "range is too long (at most %d)", COUNT_LIMIT);
    luaL_argcheck(L, at <= LUA_MAXINTEGER - (lua_Integer)count + 1, 4, "destination wrap around");
    bool upwards = at > to || at <= from || (target != 1 && !lua_compare(L, 1, target, LUA_OPEQ));
    for (lua_Unsigned i = 0; i < count; i++) {
      lua_Integer offset = (lua_Integer)(upwards ? i : count - 1 - i);
      tide_step(L, machine);
      lua_geti(L, 1, from + offset);
      lua_seti(L, target, at + offset);
    }
  }
  lua_pushvalue(L, target);
  return 1;
}

static int table_unpack(lua_State *L) {
  lua_Integer from = luaL_optinteger(L, 2, 1);
  lua_Integer to = lua_isnoneornil(L, 3) ? luaL_len(L, 1) : luaL_checkinteger(L, 3);
  if (from > to) return 0;
  if ((lua_Unsigned)to - (lua_Unsigned)from >= SPREAD_LIMIT)
    return luaL_error(L, "too many results to unpack (at most %d)", SPREAD_LIMIT);
  int count = (int)(to - from) + 1;
  luaL_checkstack(L, count, "too many results to unpack");
  for (int i = 0; i < count; i++) lua_geti(L, 1, from + i);
  return count;
}

// MARK: sort

/// Whether the value at stack index `a` stands before the one at `b`.
static bool before(lua_State *L, int a, int b) {
  tide_step(L, machine_of(L));
  if (lua_isnil(L, 2)) return lua_compare(L, a, b, LUA_OPLT);
  lua_pushvalue(L, 2);
  lua_pushvalue(L, a < 0 ? a - 1 : a);
  lua_pushvalue(L, b < 0 ? b - 2 : b);
  lua_call(L, 2, 1);
  bool result = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return result;
}

/// Lets the value on the top of the stack sink from `hole` in the heap of `size` values.
static void sink(lua_State *L, lua_Integer hole, lua_Integer size) {
  int value = lua_gettop(L);
  for (;;) {
    lua_Integer child = hole * 2;
    if (child > size) break;
    lua_geti(L, 1, child);
    if (child < size) {
      lua_geti(L, 1, child + 1);
      if (before(L, value + 1, value + 2)) {
        lua_replace(L, value + 1);
        child++;
      }
      lua_settop(L, value + 1);
    }
    if (!before(L, value, value + 1)) break;
    lua_seti(L, 1, hole);
    hole = child;
  }
  lua_settop(L, value);
  lua_seti(L, 1, hole);
}

/// A heap sort: its work is n log n whatever the comparison says, so that a lying one cannot make it quadratic.
static int table_sort(lua_State *L) {
  lua_Integer size = length_of(L, 1);
  if (!lua_isnoneornil(L, 2)) luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_settop(L, 2);
  luaL_checkstack(L, 12, NULL);
  for (lua_Integer i = size / 2; i >= 1; i--) {
    lua_geti(L, 1, i);
    sink(L, i, size);
  }
  for (lua_Integer end = size; end > 1; end--) {
    lua_geti(L, 1, end);
    lua_geti(L, 1, 1);
    lua_seti(L, 1, end);
    sink(L, 1, end - 1);
  }
  return 0;
}

void tide_open_tables(lua_State *L) {
  static const char *const allowed[] = {"pack", NULL};
  static const luaL_Reg own[] = {
    {"insert", table_insert}, {"remove", table_remove}, {"concat", table_concat}, {"move", table_move},
    {"unpack", table_unpack}, {"sort", table_sort}, {NULL, NULL}};
  luaL_requiref(L, "table", luaopen_table, 0);
  tide_publish(L, "table", allowed, own);
}
