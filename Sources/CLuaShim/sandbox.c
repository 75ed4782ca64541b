/// What a policy may use: an allow-list, with the parts that can hang, leak or poison replaced.
#include <math.h>

#include "machine.h"

const char tide_globals_key = 0, tide_libraries_key = 0;

// MARK: base

static int finish_protected(lua_State *L, int status, lua_KContext buffers) {
  tide_machine *machine = machine_of(L);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L);
  machine->buffer_depth = (int)buffers;
  if (status == LUA_ERRMEM) tide_arm(machine, REASON_MEMORY);
  // An abort is not the script's to catch; neither is the end of memory.
  if (status == LUA_ERRMEM || atomic_load(&machine->abort) != REASON_NONE) {
    tide_poll(L, machine);
    if (status == LUA_ERRMEM) return lua_error(L);
  }
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

static int base_pcall(lua_State *L) {
  luaL_checkany(L, 1);
  tide_machine *machine = machine_of(L);
  lua_KContext buffers = machine->buffer_depth;
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  return finish_protected(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, buffers, finish_protected), buffers);
}

/// After unwinding, so that the handler runs under the same watch as any other code.
static int finish_handled(lua_State *L, int status, lua_KContext buffers) {
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - 1;
  finish_protected(L, status, buffers);
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_call(L, 1, 1);
  lua_pushboolean(L, 0);
  lua_insert(L, -2);
  return 2;
}

static int base_xpcall(lua_State *L) {
  luaL_checktype(L, 2, LUA_TFUNCTION);
  tide_machine *machine = machine_of(L);
  lua_KContext buffers = machine->buffer_depth;
  // [f, handler, ...] -> [handler, true, f, ...]
  lua_pushvalue(L, 2);
  lua_remove(L, 2);
  lua_insert(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 2);
  return finish_handled(L, lua_pcallk(L, lua_gettop(L) - 3, LUA_MULTRET, 0, buffers, finish_handled), buffers);
}

static int base_setmetatable(lua_State *L) {
  static const char *const refused[] = {"__gc", "__mode", "__close"};
  luaL_checktype(L, 1, LUA_TTABLE);
  int type = lua_type(L, 2);
  luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
  if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) return luaL_error(L, "cannot change a protected metatable");
  for (size_t i = 0; type == LUA_TTABLE && i < sizeof refused / sizeof *refused; i++) {
    lua_pushstring(L, refused[i]);
    if (lua_rawget(L, 2) != LUA_TNIL) return luaL_error(L, "'%s' is not available in a metatable", refused[i]);
    lua_pop(L, 1);
  }
  lua_settop(L, 2);
  lua_setmetatable(L, 1);
  return 1;
}

static int base_rawset(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  luaL_checkany(L, 3);
  lua_settop(L, 3);
  if (tide_unfreeze(L, 1)) return luaL_error(L, "table is read-only");
  lua_rawset(L, 1);
  return 1;
}

static int base_rawget(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_checkany(L, 2);
  lua_settop(L, 2);
  if (tide_unfreeze(L, 1)) lua_replace(L, 1);
  lua_rawget(L, 1);
  return 1;
}

static int base_next(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 2);
  if (tide_unfreeze(L, 1)) lua_replace(L, 1);
  if (lua_next(L, 1)) return 2;
  lua_pushnil(L);
  return 1;
}

const char *tide_tostring(lua_State *L, int index, size_t *length) {
  index = lua_absindex(L, index);
  int type = lua_type(L, index);
  if (type == LUA_TTABLE || type == LUA_TUSERDATA) {
    if (luaL_callmeta(L, index, "__tostring")) {
      if (!lua_isstring(L, -1)) luaL_error(L, "'__tostring' must return a string");
      return lua_tolstring(L, -1, length);
    }
    int top = lua_gettop(L);
    if (luaL_getmetafield(L, index, "__name") == LUA_TSTRING) return lua_tolstring(L, -1, length);
    lua_settop(L, top);
    lua_pushstring(L, lua_typename(L, type));
    return lua_tolstring(L, -1, length);
  }
  if (type == LUA_TFUNCTION || type == LUA_TTHREAD || type == LUA_TLIGHTUSERDATA) {
    lua_pushstring(L, lua_typename(L, type));
    return lua_tolstring(L, -1, length);
  }
  return luaL_tolstring(L, index, length);
}

static int base_tostring(lua_State *L) {
  luaL_checkany(L, 1);
  tide_tostring(L, 1, NULL);
  return 1;
}

static int base_print(lua_State *L) {
  int count = lua_gettop(L);
  luaL_Buffer text;
  luaL_buffinit(L, &text);
  for (int i = 1; i <= count; i++) {
    if (i > 1) luaL_addchar(&text, '\t');
    tide_tostring(L, i, NULL);
    luaL_addvalue(&text);
    if (luaL_bufflen(&text) > RESULT_LIMIT) return luaL_error(L, "print: text is too long");
  }
  luaL_pushresult(&text);
  lua_replace(L, 1);
  lua_settop(L, 1);
  if (count == 0) {
    lua_pushliteral(L, "");
    lua_replace(L, 1);
  }
  tide_ask(L, TIDE_OP_PRINT, 0, 1, 0);
  return 0;
}

// MARK: math

static uint64_t rotate(uint64_t x, int n) { return (x << n) | (x >> (64 - n)); }

static uint64_t next_random(tide_machine *machine) {
  uint64_t *s = machine->random;
  uint64_t result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = rotate(s[3], 45);
  return result;
}

static int math_random(lua_State *L) {
  tide_machine *machine = machine_of(L);
  uint64_t value = next_random(machine);
  lua_Integer low = 1, high;
  switch (lua_gettop(L)) {
    case 0: lua_pushnumber(L, (lua_Number)(value >> 11) * 0x1.0p-53); return 1;
    case 1:
      high = luaL_checkinteger(L, 1);
      if (high == 0) {
        lua_pushinteger(L, (lua_Integer)value);
        return 1;
      }
      break;
    case 2:
      low = luaL_checkinteger(L, 1);
      high = luaL_checkinteger(L, 2);
      break;
    default: return luaL_error(L, "wrong number of arguments");
  }
  luaL_argcheck(L, low <= high, lua_gettop(L), "interval is empty");
  uint64_t span = (uint64_t)high - (uint64_t)low + 1;
  if (span != 0) {
    uint64_t limit = UINT64_MAX - UINT64_MAX % span;
    while (value >= limit) value = next_random(machine);
    value %= span;
  }
  lua_pushinteger(L, (lua_Integer)((uint64_t)low + value));
  return 1;
}

// MARK: utf8

/// The stock function, after a look at how many results it would spread.
static int utf8_codepoint(lua_State *L) {
  size_t length;
  luaL_checklstring(L, 1, &length);
  lua_Integer from = luaL_optinteger(L, 2, 1), to = luaL_optinteger(L, 3, from);
  if (from < 0) from += (lua_Integer)length + 1;
  if (to < 0) to += (lua_Integer)length + 1;
  if (to >= from && (lua_Unsigned)to - (lua_Unsigned)from >= SPREAD_LIMIT)
    return luaL_error(L, "too many results (at most %d)", SPREAD_LIMIT);
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

// MARK: require

/// Upvalues: environment id, environment, what is loaded.
static int require_module(lua_State *L) {
  luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_pushvalue(L, 1);
  if (lua_rawget(L, lua_upvalueindex(3)) != LUA_TNIL) {
    if (lua_islightuserdata(L, -1)) return luaL_error(L, "module '%s' requires itself, or failed before", lua_tostring(L, 1));
    return 1;
  }
  lua_settop(L, 1);
  tide_ask(L, TIDE_OP_MODULE, (int)lua_tointegerx(L, lua_upvalueindex(1), NULL), 1, 0);
  size_t length;
  const char *source = luaL_checklstring(L, 2, &length);
  lua_pushfstring(L, "@%s", luaL_checkstring(L, 3));
  if (length >= 3 && memcmp(source, "\xEF\xBB\xBF", 3) == 0) source += 3, length -= 3;
  if (length > 0 && source[0] == 0x1B) return luaL_error(L, "byte code is refused");
  if (luaL_loadbufferx(L, source, length, lua_tostring(L, -1), "t") != LUA_OK) return lua_error(L);
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_setupvalue(L, -2, 1);
  lua_pushvalue(L, 1);
  lua_pushlightuserdata(L, (void *)&tide_globals_key);
  lua_rawset(L, lua_upvalueindex(3));
  // Not protected: the failure is noted where it arose, and the mark stays for whoever asks again.
  lua_call(L, 0, 1);
  if (lua_isnil(L, -1)) {
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
  }
  lua_pushvalue(L, 1);
  lua_pushvalue(L, -2);
  lua_rawset(L, lua_upvalueindex(3));
  return 1;
}

typedef struct {
  int32_t id, reference;
} environment;

static int environment_new(lua_State *L) {
  environment *made = lua_touserdata(L, 1);
  lua_newtable(L);
  lua_createtable(L, 0, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tide_globals_key);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  tide_strict_view(L, "");
  // [real, view]
  lua_pushinteger(L, made->id);
  lua_pushvalue(L, -2);
  lua_newtable(L);
  lua_pushcclosure(L, require_module, 3);
  lua_setfield(L, -3, "require");
  made->reference = tide_new_reference(L, machine_of(L));
  return 0;
}

int32_t tide_environment_new(tide_machine *machine, int32_t id, int32_t *reference) {
  environment made = {id, -1};
  tide_frame frame;
  if (!tide_enter(machine, &frame, 1000000000)) return TIDE_ERROR;
  int status = tide_protected(machine, atomic_load(&machine->running), environment_new, &made);
  *reference = made.reference;
  return tide_leave(machine, &frame, status);
}

// MARK: opening

/// Keeps the names of the allow-list, replaces some, and makes the library a read-only global.
void tide_publish(lua_State *L, const char *name, const char *const *allowed, const luaL_Reg *own) {
  int stock = lua_gettop(L);
  lua_newtable(L);
  for (; *allowed; allowed++) {
    lua_getfield(L, stock, *allowed);
    lua_setfield(L, -2, *allowed);
  }
  luaL_setfuncs(L, own, 0);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tide_libraries_key);
  lua_pushvalue(L, -2);
  lua_setfield(L, -2, name);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tide_globals_key);
  lua_pushvalue(L, -3);
  tide_strict_view(L, name);
  lua_setfield(L, -2, name);
  lua_settop(L, stock - 1);
}

void tide_open_sandbox(lua_State *L) {
  static const char *const base[] = {
    "assert", "error", "ipairs", "pairs", "rawequal", "rawlen", "select", "tonumber", "type", "getmetatable", "_VERSION",
    NULL};
  static const luaL_Reg own[] = {
    {"pcall", base_pcall}, {"xpcall", base_xpcall}, {"setmetatable", base_setmetatable}, {"rawset", base_rawset},
    {"rawget", base_rawget}, {"next", base_next}, {"tostring", base_tostring}, {"print", base_print}, {NULL, NULL}};
  static const char *const math[] = {
    "abs", "ceil", "floor", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "exp", "log", "fmod", "modf", "max", "min",
    "tointeger", "type", "ult", "pi", "huge", "maxinteger", "mininteger", NULL};
  static const luaL_Reg own_math[] = {{"random", math_random}, {NULL, NULL}};
  static const char *const utf8[] = {"char", "charpattern", "codes", "len", "offset", "codepoint", NULL};
  static const luaL_Reg none[] = {{NULL, NULL}};

  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tide_libraries_key);
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &tide_globals_key);

  luaL_requiref(L, "_G", luaopen_base, 0);
  int stock = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tide_globals_key);
  for (const char *const *name = base; *name; name++) {
    lua_getfield(L, stock, *name);
    lua_setfield(L, -2, *name);
  }
  luaL_setfuncs(L, own, 0);
  tide_strict_view(L, "");
  lua_settop(L, stock - 1);

  luaL_requiref(L, "math", luaopen_math, 0);
  tide_publish(L, "math", math, own_math);
  luaL_requiref(L, "utf8", luaopen_utf8, 0);
  lua_getfield(L, -1, "codepoint");
  lua_pushcclosure(L, utf8_codepoint, 1);
  lua_setfield(L, -2, "codepoint");
  tide_publish(L, "utf8", utf8, none);
  tide_open_strings(L);
  tide_open_tables(L);
  tide_open_clock(L);

  // The stock tables are scratch: nothing may find them again.
  lua_pushnil(L);
  lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_newtable(L);
  lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
}
