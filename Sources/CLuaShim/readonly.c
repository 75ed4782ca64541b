/// Tables that cannot be written: an empty table in front of the real one.
#include "machine.h"

/// The key, in a view's metatable, of the table behind it. Copies share a metatable, which has true there, and keep their table under
/// this key themselves: a copy lives for a moment, and a metatable of its own would cost more than all else of it.
static const char behind_key = 0;
/// Registry: number -> the metatable of its copies.
static const char copies_key = 0;

bool tide_unfreeze(lua_State *L, int index) {
  index = lua_absindex(L, index);
  if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index)) return false;
  switch (lua_rawgetp(L, -1, &behind_key)) {
    case LUA_TTABLE: lua_remove(L, -2); return true;
    case LUA_TBOOLEAN:
      lua_pop(L, 2);
      lua_rawgetp(L, index, &behind_key);
      return true;
  }
  lua_pop(L, 2);
  return false;
}

static int refuse_write(lua_State *L) {
  return luaL_error(L, "%s is read-only", lua_tostring(L, lua_upvalueindex(1)));
}

static int view_length(lua_State *L) {
  if (!tide_unfreeze(L, 1)) return luaL_error(L, "not a read-only table");
  lua_pushinteger(L, (lua_Integer)lua_rawlen(L, -1));
  return 1;
}

static int view_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (tide_unfreeze(L, 1)) lua_replace(L, 1);
  if (lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

static int view_pairs(lua_State *L) {
  lua_pushcfunction(L, view_next);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

/// What views and copies have in common, for the metatable at the top: `refuse` raises with `text` at a write.
static void close_table(lua_State *L, lua_CFunction refuse, const char *text) {
  lua_pushstring(L, text);
  lua_pushcclosure(L, refuse, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pushcfunction(L, view_length);
  lua_setfield(L, -2, "__len");
  lua_pushcfunction(L, view_pairs);
  lua_setfield(L, -2, "__pairs");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
}

/// [table] -> [view]
static void push_view(lua_State *L, const char *name) {
  lua_newtable(L);
  lua_createtable(L, 0, 6);
  lua_pushvalue(L, -3);
  lua_setfield(L, -2, "__index");
  lua_pushvalue(L, -3);
  lua_rawsetp(L, -2, &behind_key);
  close_table(L, refuse_write, name);
  lua_setmetatable(L, -2);
  lua_remove(L, -2);
}

/// [table] -> [view]; `seen` is the stack index of a table from tables to their views.
static void freeze(lua_State *L, const char *name, int seen, int depth) {
  if (depth > 64) luaL_error(L, "table is nested too deeply");
  luaL_checkstack(L, 8, "table is nested too deeply");
  lua_pushvalue(L, -1);
  if (lua_rawget(L, seen) != LUA_TNIL) {
    lua_remove(L, -2);
    return;
  }
  lua_pop(L, 1);
  if (tide_unfreeze(L, -1)) {
    lua_pop(L, 1);
    return;
  }
  int table = lua_gettop(L);
  lua_pushvalue(L, table);
  push_view(L, name);
  lua_pushvalue(L, table);
  lua_pushvalue(L, -2);
  lua_rawset(L, seen);
  lua_pushnil(L);
  while (lua_next(L, table)) {
    if (lua_type(L, -1) == LUA_TTABLE) {
      lua_pushvalue(L, -2);
      lua_insert(L, -2);
      freeze(L, name, seen, depth + 1);
      lua_rawset(L, table);
    } else {
      lua_pop(L, 1);
    }
  }
  lua_remove(L, table);
}

void tide_freeze(lua_State *L, const char *name) {
  lua_newtable(L);
  lua_insert(L, -2);
  freeze(L, name, lua_gettop(L) - 1, 0);
  lua_remove(L, -2);
}

static int refuse_copy(lua_State *L) { return luaL_error(L, "%s", lua_tostring(L, lua_upvalueindex(1))); }

static int copy_index(lua_State *L) {
  lua_settop(L, 2);
  if (!tide_unfreeze(L, 1)) return luaL_error(L, "not a read-only table");
  lua_insert(L, 2);
  lua_rawget(L, 2);
  return 1;
}

void tide_declare_copy(lua_State *L, int32_t id, const char *refusal) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &copies_key) != LUA_TTABLE) {
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &copies_key);
  }
  lua_createtable(L, 0, 6);
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &behind_key);
  lua_pushcfunction(L, copy_index);
  lua_setfield(L, -2, "__index");
  close_table(L, refuse_copy, refusal);
  lua_rawseti(L, -2, id);
  lua_pop(L, 1);
}

void tide_push_copy(lua_State *L, int32_t id) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &copies_key) == LUA_TTABLE) lua_rawgeti(L, -1, id);
  else lua_pushnil(L);
  lua_remove(L, -2);
}

void tide_seal(lua_State *L, int copy) {
  lua_createtable(L, 0, 1);
  lua_insert(L, -2);
  lua_rawsetp(L, -2, &behind_key);
  lua_pushvalue(L, copy);
  lua_setmetatable(L, -2);
}

static int unknown_name(lua_State *L) {
  const char *library = lua_tostring(L, lua_upvalueindex(1));
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
  if (*library) return luaL_error(L, "unknown name '%s.%s'", library, name);
  return luaL_error(L, "unknown name '%s': globals are not available, use local", name);
}

static int refuse_global(lua_State *L) {
  const char *library = lua_tostring(L, lua_upvalueindex(1));
  if (*library) return luaL_error(L, "%s is read-only", library);
  const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : luaL_typename(L, 2);
  return luaL_error(L, "cannot write global '%s': use local, or tide.shared for what must last", name);
}

void tide_strict_view(lua_State *L, const char *name) {
  int table = lua_gettop(L);
  if (!lua_getmetatable(L, table)) {
    lua_newtable(L);
    lua_pushstring(L, name);
    lua_pushcclosure(L, unknown_name, 1);
    lua_setfield(L, -2, "__index");
    lua_pushvalue(L, -1);
    lua_setmetatable(L, table);
  }
  lua_pop(L, 1);
  push_view(L, name);
  lua_getmetatable(L, -1);
  lua_pushstring(L, name);
  lua_pushcclosure(L, refuse_global, 1);
  lua_setfield(L, -2, "__newindex");
  lua_pop(L, 1);
}
