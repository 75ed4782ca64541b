/// Loading, calling, resuming, holding.
#include "machine.h"

static void push_reference(lua_State *L, tide_machine *machine, int32_t reference) {
  lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
  lua_rawgeti(L, -1, reference);
  lua_remove(L, -2);
}

typedef struct {
  int32_t function;
  int32_t reference;
  uint32_t flags;
  uint16_t type;
  const char *name;
  const void *source;
  size_t length;
  lua_State *coroutine;
  int32_t slot;
  int count;
  bool hold;
} request;

/// Writes the value at the top into the result buffer, over what a call from inside this one left there.
static void put_result(lua_State *L, tide_machine *machine, uint32_t flags) {
  machine->result.length = 0;
  machine->result.count = 0;
  machine->result.failed = false;
  machine->encode_flags = flags;
  tide_encode(L, machine, -1, &machine->result);
}

static int32_t run(tide_machine *machine, lua_CFunction body, request *r, uint64_t budget_ns) {
  tide_frame frame;
  if (!tide_enter(machine, &frame, budget_ns)) return TIDE_ERROR;
  return tide_leave(machine, &frame, tide_protected(machine, atomic_load(&machine->running), body, r));
}

// MARK: references

static int reference_set(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  tide_machine *machine = machine_of(L);
  const uint8_t *place = machine->arguments.base;
  if (machine->arguments.failed) return luaL_error(L, "not enough memory");
  tide_decode(L, machine, &place, place + machine->arguments.length, 0);
  if (r->reference > 0) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
    lua_insert(L, -2);
    lua_rawseti(L, -2, r->reference);
  } else {
    r->reference = tide_new_reference(L, machine);
  }
  return 0;
}

int32_t tide_reference_set(tide_machine *machine, int32_t *reference) {
  request r = {.reference = *reference};
  int32_t status = run(machine, reference_set, &r, 1000000000);
  *reference = r.reference;
  return status;
}

static int reference_get(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  tide_machine *machine = machine_of(L);
  push_reference(L, machine, r->reference);
  put_result(L, machine, r->flags);
  return 0;
}

int32_t tide_reference_get(tide_machine *machine, int32_t reference, uint32_t flags) {
  return run(machine, reference_get, &(request){.reference = reference, .flags = flags}, 1000000000);
}

static int reference_freeze(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  tide_machine *machine = machine_of(L);
  push_reference(L, machine, r->reference);
  if (!lua_istable(L, -1)) return 0;
  tide_freeze(L, r->name);
  lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
  lua_insert(L, -2);
  lua_rawseti(L, -2, r->reference);
  return 0;
}

int32_t tide_reference_freeze(tide_machine *machine, int32_t reference, const char *name) {
  return run(machine, reference_freeze, &(request){.reference = reference, .name = name}, 1000000000);
}

// MARK: load

static int load(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  tide_machine *machine = machine_of(L);
  const char *source = r->source;
  size_t length = r->length;
  if (length >= 3 && memcmp(source, "\xEF\xBB\xBF", 3) == 0) source += 3, length -= 3;
  lua_pushfstring(L, "@%s", r->name);
  const char *name = lua_tostring(L, -1);
  if (length > 0 && source[0] == 0x1B) return luaL_error(L, "%s: byte code is refused", r->name);
  if (length > RESULT_LIMIT) return luaL_error(L, "%s: source file is too large", r->name);
  if (luaL_loadbufferx(L, length ? source : "", length, name, "t") != LUA_OK) return lua_error(L);
  push_reference(L, machine, r->reference);
  lua_setupvalue(L, -2, 1);
  lua_call(L, 0, 1);
  put_result(L, machine, TIDE_KEEP_FUNCTIONS);
  return 0;
}

int32_t tide_load(
    tide_machine *machine, const void *source, size_t length, const char *chunk_name, int32_t environment,
    uint64_t budget_ns) {
  request r = {.source = source, .length = length, .name = chunk_name, .reference = environment};
  return run(machine, load, &r, budget_ns);
}

// MARK: calls

static int call(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  tide_machine *machine = machine_of(L);
  push_reference(L, machine, r->function);
  int count = tide_decode_all(L, machine, &machine->arguments);
  lua_call(L, count, 1);
  if (r->hold) {
    r->type = (uint16_t)lua_type(L, -1);
    r->reference = lua_isnil(L, -1) ? -1 : tide_new_reference(L, machine);
    return 0;
  }
  put_result(L, machine, r->flags);
  return 0;
}

int32_t tide_call_holding(
    tide_machine *machine, int32_t function, uint64_t budget_ns, int32_t *reference, uint16_t *type) {
  request r = {.function = function, .reference = -1, .hold = true};
  int32_t status = run(machine, call, &r, budget_ns);
  *reference = r.reference;
  *type = r.type;
  return status;
}

// MARK: coroutines

/// A Lua thread that nothing uses; made when all are waiting. Kept for the life of the machine.
static int take_coroutine(lua_State *L, tide_machine *machine) {
  if (machine->free_coroutine) {
    int slot = machine->free_coroutine - 1;
    machine->free_coroutine = machine->coroutines[slot].next_free;
    return slot;
  }
  if (machine->coroutine_count >= COROUTINES) return luaL_error(L, "too many hooks are waiting (at most %d)", COROUTINES);
  if (machine->coroutine_count == machine->coroutine_capacity) {
    int capacity = machine->coroutine_capacity ? machine->coroutine_capacity * 2 : 4;
    tide_coroutine *moved = realloc(machine->coroutines, (size_t)capacity * sizeof *moved);
    if (!moved) return luaL_error(L, "not enough memory");
    machine->coroutines = moved;
    machine->coroutine_capacity = capacity;
  }
  lua_State *made = lua_newthread(L);
  tide_new_reference(L, machine);
  machine->coroutines[machine->coroutine_count] = (tide_coroutine){.L = made};
  return machine->coroutine_count++;
}

/// Takes a Lua thread, unless one is to go on, and puts the function and its arguments on it.
static int prepare(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  tide_machine *machine = machine_of(L);
  if (r->slot < 0) r->slot = take_coroutine(L, machine);
  lua_State *coroutine = machine->coroutines[r->slot].L;
  if (r->function > 0) push_reference(L, machine, r->function);
  int count = tide_decode_all(L, machine, &machine->arguments) + (r->function > 0 ? 1 : 0);
  if (!lua_checkstack(coroutine, count + 4)) return luaL_error(L, "stack overflow");
  lua_xmove(L, coroutine, count);
  // A waiting host function's own arguments still lie below.
  r->count = r->function > 0 ? count - 1 : count;
  return 0;
}

/// Takes the first result off the coroutine.
static int collect(lua_State *L) {
  request *r = lua_touserdata(L, 1);
  tide_machine *machine = machine_of(L);
  lua_xmove(r->coroutine, L, 1);
  put_result(L, machine, r->flags);
  return 0;
}

static void retire(tide_machine *machine, int slot) {
  lua_State *coroutine = machine->coroutines[slot].L;
  machine->coroutines[slot].waiting = false;
  machine->coroutines[slot].generation++;
  // Pending to-be-closed variables run here, still under the guard and with the hook armed if it was.
  if (lua_status(coroutine) != LUA_OK || lua_gettop(coroutine) > 0) lua_resetthread(coroutine);
  lua_sethook(coroutine, NULL, 0, 0);
  lua_settop(coroutine, 0);
  machine->coroutines[slot].next_free = machine->free_coroutine;
  machine->free_coroutine = (uint16_t)(slot + 1);
}

static int32_t resume(tide_machine *machine, request *r, uint64_t budget_ns, uint64_t *token) {
  tide_frame frame;
  if (!tide_enter(machine, &frame, budget_ns)) return TIDE_ERROR;
  lua_State *L = atomic_load(&machine->running);
  int status = tide_protected(machine, L, prepare, r);
  if (status != LUA_OK) {
    if (r->slot >= 0) retire(machine, r->slot);
    return tide_leave(machine, &frame, status);
  }
  lua_State *coroutine = machine->coroutines[r->slot].L;
  machine->in_coroutine = true;
  if (machine->hooked) tide_hook_healthy(machine, coroutine);
  atomic_store(&machine->running, coroutine);
  if (atomic_load(&machine->abort) != REASON_NONE) tide_arm(machine, REASON_NONE);
  int results = 0;
  status = lua_resume(coroutine, L, r->count, &results);
  if (status == LUA_YIELD) {
    lua_pop(coroutine, results);
    lua_sethook(coroutine, NULL, 0, 0);
    atomic_store(&machine->running, L);
    machine->coroutines[r->slot].waiting = true;
    *token = (uint64_t)machine->coroutines[r->slot].generation << 16 | (uint64_t)r->slot;
    return tide_leave(machine, &frame, status);
  }
  if (status == LUA_OK) {
    // Only the first result counts.
    if (results == 0)
      lua_settop(coroutine, 1);
    else
      lua_settop(coroutine, lua_gettop(coroutine) - results + 1);
    atomic_store(&machine->running, L);
    machine->in_coroutine = false;
    r->coroutine = coroutine;
    status = tide_protected(machine, L, collect, r);
    retire(machine, r->slot);
    return tide_leave(machine, &frame, status);
  }
  if (!machine->failure_noted) {
    tide_note_failure(machine, coroutine, -1);
    machine->failure_noted = true;
  }
  // Closing runs on the coroutine's own hook; `running` stays so that the watchdog reaches it.
  retire(machine, r->slot);
  atomic_store(&machine->running, L);
  return tide_leave(machine, &frame, status);
}

int32_t tide_call(
    tide_machine *machine, int32_t function, bool coroutine, uint32_t flags, uint64_t budget_ns, uint64_t *token) {
  request r = {.function = function, .flags = flags, .slot = -1};
  if (coroutine) return resume(machine, &r, budget_ns, token);
  return run(machine, call, &r, budget_ns);
}

static int slot_of(const tide_machine *machine, uint64_t token) {
  int slot = (int)(token & 0xFFFF);
  if (slot >= machine->coroutine_count || !machine->coroutines[slot].waiting) return -1;
  return machine->coroutines[slot].generation == (uint32_t)(token >> 16) ? slot : -1;
}

int32_t tide_resume(tide_machine *machine, uint64_t token, uint64_t budget_ns, uint64_t *next_token) {
  int slot = slot_of(machine, token);
  if (slot < 0) {
    machine->failure = (tide_failure){.message = "this coroutine is not waiting"};
    return TIDE_ERROR;
  }
  machine->coroutines[slot].waiting = false;
  machine->coroutines[slot].generation++;
  request r = {.slot = slot};
  return resume(machine, &r, budget_ns, next_token);
}

int32_t tide_resume_raising(tide_machine *machine, uint64_t token, uint64_t budget_ns, uint64_t *next_token) {
  machine->raises = true;
  int32_t status = tide_resume(machine, token, budget_ns, next_token);
  machine->raises = false;
  return status;
}

void tide_cancel(tide_machine *machine, uint64_t token) {
  int slot = slot_of(machine, token);
  tide_frame frame;
  if (slot < 0 || !tide_enter(machine, &frame, 0)) return;
  lua_State *L = atomic_load(&machine->running);
  atomic_store(&machine->running, machine->coroutines[slot].L);
  retire(machine, slot);
  atomic_store(&machine->running, L);
  tide_leave(machine, &frame, LUA_OK);
}

// MARK: text hooks

typedef struct {
  tide_machine *machine;
  const uint8_t *base;
  const tide_range *ranges;
  size_t count, done;
  int32_t function, state, lane;
  tide_text *outcomes;
  // Of a filter's match, whose text goes with its kind; NULL for a hook's text.
  const char *kind;
} batch;

/// [] -> [subject]: what the hook is shown. Returns the text that may come back unchanged; none for a match, where the same text is
/// an answer too.
static const char *push_subject(lua_State *L, const batch *b, const tide_range *range) {
  const char *start = (const char *)b->base + range->offset;
  if (!b->kind) return lua_pushlstring(L, start, range->length);
  lua_createtable(L, 0, 2);
  lua_pushstring(L, b->kind);
  lua_setfield(L, -2, "kind");
  lua_pushlstring(L, start, range->length);
  lua_setfield(L, -2, "text");
  return NULL;
}

/// Notes what a hook returned, which is at the top. Returns false when there is no memory for it.
static bool read_outcome(lua_State *L, tide_machine *machine, const char *text, size_t text_length, tide_text *outcome) {
  switch (lua_type(L, -1)) {
    case LUA_TNIL: outcome->outcome = TIDE_TEXT_PASS; return true;
    case LUA_TSTRING: {
      size_t length;
      const char *bytes = lua_tolstring(L, -1, &length);
      if (text && (bytes == text || (length == text_length && memcmp(bytes, text, length) == 0))) {
        outcome->outcome = TIDE_TEXT_PASS;
        return true;
      }
      outcome->outcome = TIDE_TEXT_REPLACED;
      outcome->length = length;
      outcome->offset = 0;
      if (length == 0) return true; /* nothing to copy, and an empty buffer has no address */
      uint8_t *room = tide_buffer_room(&machine->text, length);
      if (!room) return false;
      memcpy(room, bytes, length);
      outcome->offset = (size_t)(room - machine->text.base);
      return true;
    }
    default: {
      const tide_opaque *opaque = tide_to_opaque(L, -1);
      outcome->outcome = opaque ? TIDE_TEXT_VERDICT : TIDE_TEXT_BAD_TYPE;
      outcome->kind = opaque ? opaque->kind : (uint16_t)lua_type(L, -1);
      outcome->id = opaque ? opaque->id : 0;
      return true;
    }
  }
}

/// Every segment of a batch, on the same stack slots.
static int call_text(lua_State *L) {
  batch *b = lua_touserdata(L, 1);
  tide_machine *machine = b->machine;
  // No more than the slots that every C function has (LUA_MINSTACK).
  lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
  lua_rawgeti(L, 2, b->function);
  lua_rawgeti(L, 2, b->state);
  lua_rawgeti(L, 2, b->lane);
  while (b->done < b->count) {
    tide_text *outcome = &b->outcomes[b->done];
    const tide_range *range = &b->ranges[b->done];
    const char *text = push_subject(L, b, range);
    lua_pushvalue(L, 3);
    lua_pushvalue(L, 4);
    lua_pushvalue(L, 6);
    lua_pushvalue(L, 5);
    lua_call(L, 3, 1);
    if (!read_outcome(L, machine, text, range->length, outcome)) return luaL_error(L, "not enough memory");
    b->done++;
    if (outcome->outcome != TIDE_TEXT_PASS && outcome->outcome != TIDE_TEXT_REPLACED) return 0;
    lua_settop(L, 5);
  }
  return 0;
}

static size_t run_batch(tide_machine *machine, batch *b, uint64_t budget_ns, int32_t *status) {
  tide_frame frame;
  machine->text.length = 0;
  machine->text.failed = false;
  if (tide_enter_untimed(machine, &frame, budget_ns)) {
    int lua_status = tide_protected(machine, atomic_load(&machine->running), call_text, b);
    *status = tide_leave(machine, &frame, lua_status);
  } else {
    *status = TIDE_ERROR;
  }
  if (*status != TIDE_OK && b->done < b->count) {
    b->outcomes[b->done] = (tide_text){.outcome = TIDE_TEXT_FAILED};
    b->done++;
  }
  return b->done;
}

/// What a token costs most often: one text, whose hook is called without a C function in between. Only memory that the system itself
/// refuses could raise outside the protected call.
void tide_call_one_text(
    tide_machine *machine, int32_t function, int32_t state, int32_t lane, const uint8_t *bytes, size_t length,
    uint64_t budget_ns, tide_text *outcome, int32_t *status) {
  tide_frame frame;
  machine->text.length = 0;
  machine->text.failed = false;
  *outcome = (tide_text){.outcome = TIDE_TEXT_FAILED};
  *status = TIDE_ERROR;
  if (!tide_enter_untimed(machine, &frame, budget_ns)) return;
  lua_State *L = atomic_load_explicit(&machine->running, memory_order_relaxed);
  int top = lua_gettop(L);
  int lua_status = LUA_ERRRUN;
  if (lua_checkstack(L, 10)) {
    tide_push_handler(L);
    lua_rawgeti(L, LUA_REGISTRYINDEX, machine->references);
    // Over a limit the hook is stopped at its first instruction, but the text is there. It stays on the stack, whatever the hook does with
    // its argument: what comes back is compared with it.
    machine->in_host = true;
    const char *text = lua_pushlstring(L, (const char *)bytes, length);
    machine->in_host = false;
    lua_rawgeti(L, top + 2, function);
    lua_rawgeti(L, top + 2, state);
    lua_pushvalue(L, top + 3);
    lua_rawgeti(L, top + 2, lane);
    lua_status = lua_pcall(L, 3, 1, top + 1);
    if (lua_status == LUA_OK && !read_outcome(L, machine, text, length, outcome)) {
      machine->failure = (tide_failure){.message = "not enough memory"};
      lua_status = LUA_ERRRUN;
    }
    lua_settop(L, top);
  } else {
    machine->failure = (tide_failure){.message = "stack overflow"};
  }
  *status = tide_leave(machine, &frame, lua_status);
  if (*status != TIDE_OK) outcome->outcome = TIDE_TEXT_FAILED;
}

size_t tide_call_text(
    tide_machine *machine, int32_t function, int32_t state, int32_t lane, const uint8_t *base, const tide_range *ranges,
    size_t count, uint64_t budget_ns, tide_text *outcomes, int32_t *status) {
  batch b = {machine, base, ranges, count, 0, function, state, lane, outcomes, NULL};
  return run_batch(machine, &b, budget_ns, status);
}

void tide_call_match(
    tide_machine *machine, int32_t function, int32_t state, int32_t lane, const char *kind, const uint8_t *text,
    size_t length, uint64_t budget_ns, tide_text *outcome, int32_t *status) {
  tide_range range = {0, length};
  batch b = {machine, text, &range, 1, 0, function, state, lane, outcome, kind};
  run_batch(machine, &b, budget_ns, status);
}
