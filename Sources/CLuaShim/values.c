/// Values between Lua and flat bytes. Raw gets only: no metamethod runs while a value crosses.
#include "machine.h"

enum { DEPTH_LIMIT = 64, NODE_LIMIT = 1 << 18 };

typedef struct {
  tide_machine *machine;
  tide_buffer *into;
  uint32_t nodes;
} encoder;

static void encode(lua_State *L, encoder *e, int index, int depth);

static void encode_table(lua_State *L, encoder *e, int index, int depth) {
  if (depth >= DEPTH_LIMIT) luaL_error(L, "table is nested too deeply or contains itself");
  luaL_checkstack(L, 6, "table is nested too deeply");
  if (tide_unfreeze(L, index))
    index = lua_gettop(L);
  else
    lua_pushvalue(L, index), index = lua_gettop(L);
  lua_Unsigned length = lua_rawlen(L, index);
  uint32_t count = 0;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (++count > NODE_LIMIT) luaL_error(L, "table is too large");
  }
  if (count == length) {
    bool dense = true;
    for (lua_Unsigned i = 1; i <= length && dense; i++) {
      dense = lua_rawgeti(L, index, (lua_Integer)i) != LUA_TNIL;
      lua_pop(L, 1);
    }
    if (dense) {
      tide_put_word(e->into, TIDE_ARRAY, count);
      for (lua_Unsigned i = 1; i <= length; i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        encode(L, e, lua_gettop(L), depth + 1);
        lua_pop(L, 1);
      }
      lua_settop(L, index - 1);
      return;
    }
  }
  tide_put_word(e->into, TIDE_MAP, count);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    encode(L, e, lua_gettop(L) - 1, depth + 1);
    encode(L, e, lua_gettop(L), depth + 1);
    lua_pop(L, 1);
  }
  lua_settop(L, index - 1);
}

static void encode(lua_State *L, encoder *e, int index, int depth) {
  if (++e->nodes > NODE_LIMIT) luaL_error(L, "table is too large or shared too often");
  if ((e->nodes & 1023) == 0) tide_poll(L, e->machine);
  switch (lua_type(L, index)) {
    case LUA_TNIL: tide_put_tag(e->into, TIDE_NIL); break;
    case LUA_TBOOLEAN: tide_put_tag(e->into, lua_toboolean(L, index) ? TIDE_TRUE : TIDE_FALSE); break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, index))
        tide_put_integer(e->into, lua_tointegerx(L, index, NULL));
      else
        tide_put_number(e->into, lua_tonumberx(L, index, NULL));
      break;
    case LUA_TSTRING: {
      size_t length;
      const char *bytes = lua_tolstring(L, index, &length);
      tide_put_string(e->into, bytes, length);
      break;
    }
    case LUA_TTABLE: encode_table(L, e, index, depth); break;
    case LUA_TFUNCTION:
      if (e->machine->encode_flags & TIDE_KEEP_FUNCTIONS) {
        lua_pushvalue(L, index);
        tide_put_word(e->into, TIDE_FUNCTION, (uint32_t)tide_new_reference(L, e->machine));
        break;
      }
      goto other;
    case LUA_TUSERDATA: {
      const tide_userdata *object = tide_to_object(L, index);
      if (object) {
        tide_put_object(e->into, object->kind, object->slot, object->generation);
        break;
      }
      const tide_opaque *opaque = tide_to_opaque(L, index);
      if (opaque) {
        tide_put_opaque(e->into, opaque->kind, opaque->id);
        break;
      }
      goto other;
    }
    other:
    default:
      tide_put_tag(e->into, TIDE_OTHER);
      tide_put_tag(e->into, (uint8_t)lua_type(L, index));
  }
  if (e->into->failed) luaL_error(L, "not enough memory");
}

void tide_encode(lua_State *L, tide_machine *machine, int index, tide_buffer *into) {
  encoder e = {machine, into, 0};
  luaL_checkstack(L, 8, NULL);
  encode(L, &e, lua_absindex(L, index), 0);
}

static uint64_t take(lua_State *L, const uint8_t **place, const uint8_t *end, size_t size) {
  uint64_t value = 0;
  if ((size_t)(end - *place) < size) luaL_error(L, "value ends early");
  memcpy(&value, *place, size);
  *place += size;
  return value;
}

/// - copy: the stack index of what makes tables copies, or 0.
static void decode(
    lua_State *L, tide_machine *machine, const uint8_t **place, const uint8_t *end, int depth, int copy) {
  if (depth > DEPTH_LIMIT) luaL_error(L, "value is nested too deeply");
  luaL_checkstack(L, 6, "value is nested too deeply");
  switch (take(L, place, end, 1)) {
    case TIDE_FALSE: lua_pushboolean(L, 0); break;
    case TIDE_TRUE: lua_pushboolean(L, 1); break;
    case TIDE_INTEGER: lua_pushinteger(L, (lua_Integer)take(L, place, end, 8)); break;
    case TIDE_NUMBER: {
      uint64_t bits = take(L, place, end, 8);
      double number;
      memcpy(&number, &bits, 8);
      lua_pushnumber(L, number);
      break;
    }
    case TIDE_STRING: {
      size_t length = take(L, place, end, 4);
      if ((size_t)(end - *place) < length) luaL_error(L, "value ends early");
      lua_pushlstring(L, (const char *)*place, length);
      *place += length;
      break;
    }
    case TIDE_ARRAY: {
      uint64_t count = take(L, place, end, 4);
      if (count > (uint64_t)(end - *place)) luaL_error(L, "value ends early");
      lua_createtable(L, (int)count, 0);
      for (uint64_t i = 1; i <= count; i++) {
        decode(L, machine, place, end, depth + 1, copy);
        lua_rawseti(L, -2, (lua_Integer)i);
      }
      if (copy) tide_seal(L, copy);
      break;
    }
    case TIDE_MAP: {
      uint64_t count = take(L, place, end, 4);
      if (count > (uint64_t)(end - *place)) luaL_error(L, "value ends early");
      lua_createtable(L, 0, (int)count);
      for (uint64_t i = 0; i < count; i++) {
        decode(L, machine, place, end, depth + 1, copy);
        decode(L, machine, place, end, depth + 1, copy);
        if (lua_isnil(L, -2) || (lua_type(L, -2) == LUA_TNUMBER && lua_tonumber(L, -2) != lua_tonumber(L, -2)))
          lua_pop(L, 2);
        else
          lua_rawset(L, -3);
      }
      if (copy) tide_seal(L, copy);
      break;
    }
    case TIDE_OBJECT: {
      uint16_t kind = (uint16_t)take(L, place, end, 2);
      uint32_t slot = (uint32_t)take(L, place, end, 4);
      tide_push_object(L, kind, slot, (uint32_t)take(L, place, end, 4));
      break;
    }
    case TIDE_OPAQUE: {
      uint16_t kind = (uint16_t)take(L, place, end, 2);
      tide_push_opaque(L, kind, (uint32_t)take(L, place, end, 4));
      break;
    }
    case TIDE_REFERENCE:
    case TIDE_FUNCTION: {
      int32_t reference = (int32_t)take(L, place, end, 4);
      lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
      lua_rawgeti(L, -1, reference);
      lua_remove(L, -2);
      break;
    }
    case TIDE_CLOSURE: {
      int32_t id = (int32_t)take(L, place, end, 4);
      take(L, place, end, 1);
      uint16_t kind = (uint16_t)take(L, place, end, 2);
      uint32_t slot = (uint32_t)take(L, place, end, 4);
      tide_push_closure(L, id, kind, slot, (uint32_t)take(L, place, end, 4));
      break;
    }
    case TIDE_COPY: {
      tide_push_copy(L, (int32_t)take(L, place, end, 4));
      if (lua_isnil(L, -1)) luaL_error(L, "a copy of nothing known");
      decode(L, machine, place, end, depth + 1, lua_gettop(L));
      lua_remove(L, -2);
      break;
    }
    default: lua_pushnil(L);
  }
}

void tide_decode(lua_State *L, tide_machine *machine, const uint8_t **place, const uint8_t *end, int depth) {
  decode(L, machine, place, end, depth, 0);
}

int tide_decode_all(lua_State *L, tide_machine *machine, const tide_buffer *buffer) {
  if (buffer->failed) luaL_error(L, "not enough memory");
  const uint8_t *place = buffer->base, *end = buffer->base + buffer->length;
  if (buffer->count > SPREAD_LIMIT) luaL_error(L, "too many values");
  luaL_checkstack(L, (int)buffer->count + 8, "too many values");
  for (uint32_t i = 0; i < buffer->count; i++) tide_decode(L, machine, &place, end, 0);
  return (int)buffer->count;
}
