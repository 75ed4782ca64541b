/// Objects of the host, opaque values and host functions, as Lua sees them.
#include "machine.h"

static const char kinds_key = 0, opaque_key = 0, object_mark = 0;

/// Goes on after a wait: the results are what the host resumed with, or its message is raised.
static int resumed(lua_State *L, int status, lua_KContext context) {
  (void)status;
  (void)context;
  tide_machine *machine = machine_of(L);
  if (!machine->raises) return lua_gettop(L);
  machine->raises = false;
  luaL_where(L, 1);
  lua_pushvalue(L, 1);
  lua_concat(L, 2);
  return lua_error(L);
}

/// Asks the host one thing and turns its answer into results, an error or a yield. Swift has returned before anything raises.
int tide_ask(lua_State *L, int operation, int id, int first, uint32_t flags) {
  enum { VIEWS = 32 };
  tide_machine *machine = machine_of(L);
  tide_value views[VIEWS];
  int count = lua_gettop(L) - first + 1;
  if (count < 0) count = 0;
  if (count > VIEWS) return luaL_error(L, "too many arguments (at most %d)", VIEWS);
  if ((flags & TIDE_COROUTINE_ONLY) && !machine->in_coroutine)
    return luaL_error(L, "this function may wait, so it cannot be called in this hook");
  if (machine->buffer_depth >= BUFFERS) return luaL_error(L, "host calls are nested too deeply");
  tide_poll(L, machine);
  int depth = machine->buffer_depth++;
  tide_buffer *encoder = &machine->encoders[depth], *answer = &machine->answers[depth];
  encoder->length = answer->length = 0;
  encoder->failed = answer->failed = false;
  answer->count = 0;
  machine->encode_flags = flags;
  bool tables = false;
  for (int i = 0; i < count; i++) {
    tide_value *view = &views[i];
    *view = (tide_value){0};
    int index = first + i;
    switch (lua_type(L, index)) {
      case LUA_TNIL: view->type = TIDE_NIL; break;
      case LUA_TBOOLEAN: view->type = lua_toboolean(L, index) ? TIDE_TRUE : TIDE_FALSE; break;
      case LUA_TNUMBER:
        if (lua_isinteger(L, index)) {
          view->type = TIDE_INTEGER;
          view->integer = lua_tointegerx(L, index, NULL);
        } else {
          view->type = TIDE_NUMBER;
          view->number = lua_tonumberx(L, index, NULL);
        }
        break;
      case LUA_TSTRING:
        view->type = TIDE_STRING;
        view->bytes = (const uint8_t *)lua_tolstring(L, index, &view->length);
        break;
      case LUA_TTABLE:
        tables = true;
        view->integer = (int64_t)encoder->length;
        tide_encode(L, machine, index, encoder);
        view->length = encoder->length - (size_t)view->integer;
        view->type = encoder->base[view->integer];
        break;
      case LUA_TFUNCTION:
        if (flags & TIDE_KEEP_FUNCTIONS) {
          view->type = TIDE_FUNCTION;
          lua_pushvalue(L, index);
          view->slot = (uint32_t)tide_new_reference(L, machine);
          break;
        }
        view->type = TIDE_OTHER;
        view->kind = LUA_TFUNCTION;
        break;
      default: {
        const tide_userdata *object = tide_to_object(L, index);
        const tide_opaque *opaque = object ? NULL : tide_to_opaque(L, index);
        if (object) {
          view->type = TIDE_OBJECT;
          view->kind = object->kind;
          view->slot = object->slot;
          view->generation = object->generation;
        } else if (opaque) {
          view->type = TIDE_OPAQUE;
          view->kind = opaque->kind;
          view->slot = opaque->id;
        } else {
          view->type = TIDE_OTHER;
          view->kind = (uint16_t)lua_type(L, index);
        }
      }
    }
  }
  if (tables)
    for (int i = 0; i < count; i++)
      if (views[i].type == TIDE_ARRAY || views[i].type == TIDE_MAP) views[i].bytes = encoder->base + views[i].integer;
  machine->in_host = true;
  int32_t status = machine->host(machine->context, operation, id, views, count, answer);
  machine->in_host = false;
  machine->buffer_depth = depth;
  tide_poll(L, machine);
  switch (status) {
    case TIDE_HOST_OK: return tide_decode_all(L, machine, answer);
    case TIDE_HOST_NIL_ERROR:
      lua_pushnil(L);
      tide_decode_all(L, machine, answer);
      return 2;
    case TIDE_HOST_STALE: {
      const char *name = "object";
      if (luaL_getmetafield(L, first, "__name") == LUA_TSTRING) name = lua_tostring(L, -1);
      return luaL_error(L, "%s used after its exchange ended", name);
    }
    case TIDE_HOST_YIELD:
      if (!machine->in_coroutine || !lua_isyieldable(L)) return luaL_error(L, "this function cannot wait here");
      // The arguments are no results: what the wait returns is what the host resumes with.
      lua_settop(L, 0);
      return lua_yieldk(L, 0, 0, resumed);
    default:
      luaL_where(L, 1);
      if (tide_decode_all(L, machine, answer) < 1) lua_pushliteral(L, "host function failed");
      lua_concat(L, 2);
      return lua_error(L);
  }
}

// MARK: kinds

static void push_kind(lua_State *L, uint16_t kind) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kinds_key);
  if (lua_rawgeti(L, -1, kind) != LUA_TTABLE) luaL_error(L, "object of an unregistered kind");
  lua_remove(L, -2);
}

void tide_push_object(lua_State *L, uint16_t kind, uint32_t slot, uint32_t generation) {
  tide_userdata *object = lua_newuserdatauv(L, sizeof *object, 0);
  *object = (tide_userdata){slot, generation, kind};
  push_kind(L, kind);
  lua_setmetatable(L, -2);
}

const tide_userdata *tide_to_object(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
  bool is_object = lua_rawgetp(L, -1, &object_mark) != LUA_TNIL;
  lua_pop(L, 2);
  return is_object ? lua_touserdata(L, index) : NULL;
}

void tide_push_opaque(lua_State *L, uint16_t kind, uint32_t id) {
  tide_opaque *opaque = lua_newuserdatauv(L, sizeof *opaque, 0);
  *opaque = (tide_opaque){id, kind};
  lua_rawgetp(L, LUA_REGISTRYINDEX, &opaque_key);
  lua_setmetatable(L, -2);
}

const tide_opaque *tide_to_opaque(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TUSERDATA || !lua_getmetatable(L, index)) return NULL;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &opaque_key);
  bool is_opaque = lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return is_opaque ? lua_touserdata(L, index) : NULL;
}

/// Upvalues: fields, whether keys are dynamic.
static int object_index(lua_State *L) {
  if (!tide_to_object(L, 1)) return luaL_error(L, "not a host object");
  lua_settop(L, 2);
  lua_pushvalue(L, 2);
  int type = lua_rawget(L, lua_upvalueindex(1));
  if (type == LUA_TFUNCTION) return 1;
  if (type == LUA_TNUMBER) {
    int id = (int)lua_tointegerx(L, 3, NULL);
    lua_settop(L, 1);
    return tide_ask(L, TIDE_OP_GET, id, 1, 0) > 0 ? 1 : 0;
  }
  lua_settop(L, 2);
  if (lua_toboolean(L, lua_upvalueindex(2))) return tide_ask(L, TIDE_OP_GET_KEY, 0, 1, 0);
  return tide_ask(L, TIDE_OP_UNKNOWN, 0, 1, 0);
}

static int object_newindex(lua_State *L) {
  if (!tide_to_object(L, 1)) return luaL_error(L, "not a host object");
  lua_settop(L, 3);
  lua_pushvalue(L, 2);
  int type = lua_rawget(L, lua_upvalueindex(1));
  if (type == LUA_TFUNCTION) {
    return luaL_error(L, "%s is a method and cannot be set", lua_tostring(L, 2));
  }
  if (type == LUA_TNUMBER) {
    int id = (int)lua_tointegerx(L, 4, NULL);
    lua_settop(L, 3);
    lua_remove(L, 2);
    return tide_ask(L, TIDE_OP_SET, id, 1, 0);
  }
  lua_settop(L, 3);
  if (lua_toboolean(L, lua_upvalueindex(2))) return tide_ask(L, TIDE_OP_SET_KEY, 0, 1, 0);
  lua_settop(L, 2);
  return tide_ask(L, TIDE_OP_UNKNOWN, 1, 1, 0);
}

static int object_length(lua_State *L) {
  lua_settop(L, 1);
  return tide_ask(L, TIDE_OP_LENGTH, 0, 1, 0);
}

static int object_next(lua_State *L) {
  if (!tide_to_object(L, 1)) return luaL_error(L, "not a host object");
  lua_settop(L, 2);
  int count = tide_ask(L, TIDE_OP_NEXT, 0, 1, 0);
  if (count > 0) return count;
  lua_pushnil(L);
  return 1;
}

static int object_pairs(lua_State *L) {
  lua_pushcfunction(L, object_next);
  lua_pushvalue(L, 1);
  lua_pushnil(L);
  return 3;
}

static int object_equal(lua_State *L) {
  const tide_userdata *a = tide_to_object(L, 1), *b = tide_to_object(L, 2);
  lua_pushboolean(L, a && b && a->kind == b->kind && a->slot == b->slot && a->generation == b->generation);
  return 1;
}

typedef struct {
  uint16_t kind;
  const char *name;
  int32_t id;
  uint32_t flags;
  bool dynamic;
} registration;

static int register_kind(lua_State *L) {
  const registration *r = lua_touserdata(L, 1);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &kinds_key);
  lua_newtable(L);
  lua_pushboolean(L, 1);
  lua_rawsetp(L, -2, &object_mark);
  lua_pushstring(L, r->name);
  lua_setfield(L, -2, "__name");
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "fields");
  lua_pushvalue(L, -1);
  lua_pushboolean(L, r->dynamic);
  lua_pushcclosure(L, object_index, 2);
  lua_setfield(L, -3, "__index");
  lua_pushboolean(L, r->dynamic);
  lua_pushcclosure(L, object_newindex, 2);
  lua_setfield(L, -2, "__newindex");
  lua_pushcfunction(L, object_length);
  lua_setfield(L, -2, "__len");
  lua_pushcfunction(L, object_pairs);
  lua_setfield(L, -2, "__pairs");
  lua_pushcfunction(L, object_equal);
  lua_setfield(L, -2, "__eq");
  lua_rawseti(L, -2, r->kind);
  return 0;
}

static int register_field(lua_State *L) {
  const registration *r = lua_touserdata(L, 1);
  push_kind(L, r->kind);
  lua_getfield(L, -1, "fields");
  lua_pushinteger(L, r->id);
  lua_setfield(L, -2, r->name);
  return 0;
}

/// Upvalues: id, flags, kind, name, the kind's name.
static int call_method(lua_State *L) {
  const tide_userdata *object = tide_to_object(L, 1);
  if (!object || object->kind != lua_tointegerx(L, lua_upvalueindex(3), NULL)) {
    const char *name = lua_tostring(L, lua_upvalueindex(4));
    return luaL_error(L, "call '%s' with a colon: %s:%s(...)", name, lua_tostring(L, lua_upvalueindex(5)), name);
  }
  return tide_ask(
      L, TIDE_OP_CALL, (int)lua_tointegerx(L, lua_upvalueindex(1), NULL), 1,
      (uint32_t)lua_tointegerx(L, lua_upvalueindex(2), NULL));
}

static int register_method(lua_State *L) {
  const registration *r = lua_touserdata(L, 1);
  push_kind(L, r->kind);
  lua_getfield(L, -1, "fields");
  lua_pushinteger(L, r->id);
  lua_pushinteger(L, r->flags);
  lua_pushinteger(L, r->kind);
  lua_pushstring(L, r->name);
  lua_getfield(L, -6, "__name");
  lua_pushcclosure(L, call_method, 5);
  lua_setfield(L, -2, r->name);
  return 0;
}

// MARK: host functions

/// Upvalues: id, flags, path.
static int call_host(lua_State *L) {
  uint32_t flags = (uint32_t)lua_tointegerx(L, lua_upvalueindex(2), NULL);
  if ((flags & TIDE_COROUTINE_ONLY) && !machine_of(L)->in_coroutine) {
    const char *path = lua_tostring(L, lua_upvalueindex(3));
    return luaL_error(L, "%s may wait, so it cannot be called in this hook", path);
  }
  return tide_ask(L, TIDE_OP_CALL, (int)lua_tointegerx(L, lua_upvalueindex(1), NULL), 1, flags);
}

/// Upvalues: id, object.
static int call_bound(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(2));
  lua_insert(L, 1);
  return tide_ask(L, TIDE_OP_CALL, (int)lua_tointegerx(L, lua_upvalueindex(1), NULL), 1, 0);
}

void tide_push_closure(lua_State *L, int32_t id, uint16_t kind, uint32_t slot, uint32_t generation) {
  lua_pushinteger(L, id);
  tide_push_object(L, kind, slot, generation);
  lua_pushcclosure(L, call_bound, 2);
}

/// [value] -> []: puts the value at a dotted path, making the libraries on the way.
static void set_path(lua_State *L, const char *path) {
  int value = lua_gettop(L);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &tide_globals_key);
  const char *part = path;
  for (const char *dot; (dot = strchr(part, '.')); part = dot + 1) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &tide_libraries_key);
    lua_pushlstring(L, path, (size_t)(dot - path));
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TTABLE) {
      // [parent, libraries, name, nil] -> a new library, and its view in the parent.
      lua_pop(L, 1);
      lua_newtable(L);
      lua_pushvalue(L, -2);
      lua_pushvalue(L, -2);
      lua_rawset(L, -5);
      lua_pushlstring(L, part, (size_t)(dot - part));
      lua_pushvalue(L, -2);
      tide_strict_view(L, lua_tostring(L, -4));
      lua_rawset(L, -6);
    }
    lua_replace(L, value + 1);
    lua_settop(L, value + 1);
  }
  lua_pushstring(L, part);
  lua_pushvalue(L, value);
  lua_rawset(L, -3);
  lua_settop(L, value - 1);
}

static int register_function(lua_State *L) {
  const registration *r = lua_touserdata(L, 1);
  lua_pushinteger(L, r->id);
  lua_pushinteger(L, r->flags);
  lua_pushstring(L, r->name);
  lua_pushcclosure(L, call_host, 3);
  set_path(L, r->name);
  return 0;
}

static int register_value(lua_State *L) {
  const registration *r = lua_touserdata(L, 1);
  tide_machine *machine = machine_of(L);
  const uint8_t *place = machine->arguments.base;
  tide_decode(L, machine, &place, place + machine->arguments.length, 0);
  if (lua_istable(L, -1)) tide_freeze(L, r->name);
  set_path(L, r->name);
  return 0;
}

static int register_copy(lua_State *L) {
  const registration *r = lua_touserdata(L, 1);
  tide_declare_copy(L, r->id, r->name);
  return 0;
}

static int32_t run(tide_machine *machine, lua_CFunction body, registration *r) {
  tide_frame frame;
  if (!tide_enter(machine, &frame, 1000000000)) return TIDE_ERROR;
  return tide_leave(machine, &frame, tide_protected(machine, atomic_load(&machine->running), body, r));
}

int32_t tide_register_function(tide_machine *machine, const char *path, int32_t id, uint32_t flags) {
  return run(machine, register_function, &(registration){.name = path, .id = id, .flags = flags});
}
int32_t tide_register_value(tide_machine *machine, const char *path) {
  return run(machine, register_value, &(registration){.name = path});
}
int32_t tide_register_kind(tide_machine *machine, uint16_t kind, const char *name, bool dynamic) {
  return run(machine, register_kind, &(registration){.kind = kind, .name = name, .dynamic = dynamic});
}
int32_t tide_register_field(tide_machine *machine, uint16_t kind, const char *name, int32_t id) {
  return run(machine, register_field, &(registration){.kind = kind, .name = name, .id = id});
}
int32_t tide_register_method(tide_machine *machine, uint16_t kind, const char *name, int32_t id, uint32_t flags) {
  return run(machine, register_method, &(registration){.kind = kind, .name = name, .id = id, .flags = flags});
}
int32_t tide_register_copy(tide_machine *machine, int32_t id, const char *refusal) {
  return run(machine, register_copy, &(registration){.name = refusal, .id = id});
}

void tide_open_objects(lua_State *L) {
  lua_newtable(L);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &kinds_key);
  lua_newtable(L);
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
  lua_pushliteral(L, "verdict");
  lua_setfield(L, -2, "__name");
  lua_rawsetp(L, LUA_REGISTRYINDEX, &opaque_key);
}
