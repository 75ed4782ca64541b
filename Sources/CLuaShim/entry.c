/// Entries into Lua: the protected call, the sticky abort, the note of what failed, the allocator.
#include "machine.h"

#include <stdio.h>

enum { TRACE_LEVELS = 8, COUNT_INTERVAL = 1000 };

// MARK: abort

static void on_hook(lua_State *L, lua_Debug *record);

void tide_arm(tide_machine *machine, int reason) {
  int none = REASON_NONE;
  atomic_compare_exchange_strong(&machine->abort, &none, reason);
  lua_State *running = atomic_load(&machine->running);
  if (running) lua_sethook(running, on_hook, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void tide_hook_healthy(tide_machine *machine, lua_State *L) {
  int mask = (machine->counted || machine->measured ? LUA_MASKCOUNT : 0) | (machine->lines ? LUA_MASKLINE : 0);
  lua_sethook(L, mask ? on_hook : NULL, mask, machine->measured ? 1 : COUNT_INTERVAL);
}

/// A soft limit reached by garbage alone is no reason to stop: collects once or twice before it gives up.
static bool rescued(tide_machine *machine, lua_State *L) {
  if (atomic_load(&machine->abort) != REASON_MEMORY || machine->rescues >= 64 || machine->used > machine->hard) return false;
  machine->rescues++;
  lua_gc(L, LUA_GCCOLLECT);
  machine->base = machine->used;
  if (machine->used > machine->soft - machine->soft / 4) return false;
  atomic_store(&machine->abort, REASON_NONE);
  tide_hook_healthy(machine, L);
  return true;
}

static const char *reason_text(int reason) {
  switch (reason) {
    case REASON_TIME: return "time budget exceeded";
    case REASON_MEMORY: return "memory limit exceeded";
    default: return "too many pattern matching steps";
  }
}

static void raise_abort(lua_State *L, tide_machine *machine) {
  if (rescued(machine, L)) return;
  if (!machine->failure_noted) {
    machine->failure_noted = true;
    tide_note_failure(machine, L, 0);
    snprintf(
        machine->failure.message, sizeof machine->failure.message, "%s", reason_text(atomic_load(&machine->abort)));
  }
  lua_pushnil(L);
  lua_error(L);
}

bool tide_machine_stopping(tide_machine *machine) {
  if (machine->depth == 0) return false;
  if (machine->counted && tide_now_ns(CLOCK_THREAD_CPUTIME_ID) > machine->deadline_ns) tide_arm(machine, REASON_TIME);
  return atomic_load_explicit(&machine->abort, memory_order_relaxed) != REASON_NONE;
}

void tide_poll(lua_State *L, tide_machine *machine) {
  if (machine->step_limit && machine->steps > machine->step_limit) tide_arm(machine, REASON_STEPS);
  if (tide_machine_stopping(machine)) raise_abort(L, machine);
}

static void on_hook(lua_State *L, lua_Debug *record) {
  tide_machine *machine = machine_of(L);
  if (record->event == LUA_HOOKCOUNT)
    machine->cost.instructions++;
  else if (record->event == LUA_HOOKLINE && machine->lines)
    tide_lines_note(machine->lines, L, record);
  if (tide_machine_stopping(machine)) raise_abort(L, machine);
}

// MARK: memory

/// The cap is soft: what would go over it is granted and the hook stopped at its next instruction, because 5.4.4 mishandles
/// an allocation that fails at the wrong moment. Only far above, or for one huge block of a script, the answer is no.
static void *allocate(void *context, void *block, size_t old_size, size_t new_size) {
  tide_machine *machine = context;
  size_t held = block ? old_size : 0;
  if (new_size == 0) {
    free(block);
    machine->used -= held;
    return NULL;
  }
  if (new_size > held) {
    size_t after = machine->used - held + new_size;
    if (!machine->in_host && (after > machine->hard || new_size > machine->block)) {
      if (atomic_load(&machine->running)) tide_arm(machine, REASON_MEMORY);
      return NULL;
    }
    if (after > machine->soft && atomic_load(&machine->running) && atomic_load(&machine->abort) == REASON_NONE)
      tide_arm(machine, REASON_MEMORY);
  }
  void *moved = realloc(block, new_size);
  if (!moved) return new_size <= held ? block : NULL;
  machine->used = machine->used - held + new_size;
  return moved;
}

// MARK: notes

static size_t put_text(char *into, size_t capacity, size_t at, const char *text, size_t length) {
  for (size_t i = 0; i < length && at + 1 < capacity; i++) into[at++] = text[i] ? text[i] : ' ';
  into[at] = 0;
  return at;
}

/// Writes down what the error value says and where it arose, without metamethods, allocation or anything that raises.
void tide_note_failure(tide_machine *machine, lua_State *L, int error_index) {
  tide_failure *failure = &machine->failure;
  failure->message[0] = failure->file[0] = failure->traceback[0] = 0;
  failure->line = 0;
  char prefix[LUA_IDSIZE + 24] = "";
  size_t at = 0;
  lua_Debug frame;
  for (int level = 0; level < 64 && lua_getstack(L, level, &frame); level++) {
    if (!lua_getinfo(L, "Sln", &frame)) break;
    if (frame.currentline <= 0) continue;
    if (failure->line == 0) {
      failure->line = frame.currentline;
      const char *name = frame.source[0] == '@' || frame.source[0] == '=' ? frame.source + 1 : frame.short_src;
      snprintf(failure->file, sizeof failure->file, "%s", name);
      snprintf(prefix, sizeof prefix, "%s:%d: ", frame.short_src, frame.currentline);
    }
    if (level < TRACE_LEVELS) {
      char text[256];
      int length = snprintf(
          text, sizeof text, "%s%s:%d%s%s", at ? "\n" : "", frame.short_src, frame.currentline,
          frame.name ? " in " : "", frame.name ? frame.name : "");
      if (length > 0) at = put_text(failure->traceback, sizeof failure->traceback, at, text, strlen(text));
    }
  }
  if (error_index == 0 || lua_gettop(L) == 0) return;
  size_t length = 0;
  const char *text = NULL;
  char number[48];
  switch (lua_type(L, error_index)) {
    case LUA_TSTRING: text = lua_tolstring(L, error_index, &length); break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, error_index))
        snprintf(number, sizeof number, "%lld", (long long)lua_tointegerx(L, error_index, NULL));
      else
        snprintf(number, sizeof number, "%.14g", lua_tonumberx(L, error_index, NULL));
      text = number;
      length = strlen(number);
      break;
    default:
      snprintf(number, sizeof number, "error value is %s %s", lua_type(L, error_index) == LUA_TNIL ? "" : "a",
               luaL_typename(L, error_index));
      text = lua_isnil(L, error_index) ? "error value is nil" : number;
      length = strlen(text);
  }
  size_t prefix_length = strlen(prefix);
  if (prefix_length && length > prefix_length && memcmp(text, prefix, prefix_length) == 0) {
    text += prefix_length;
    length -= prefix_length;
  } else if (failure->line == 0 || failure->file[0] == 0) {
    // A syntax error stands in no frame: its place is in its message.
    const char *end = memchr(text, ':', length);
    char *after = NULL;
    long line = end ? strtol(end + 1, &after, 10) : 0;
    if (end && line > 0 && after && *after == ':' && (size_t)(end - text) < sizeof failure->file) {
      memcpy(failure->file, text, (size_t)(end - text));
      failure->file[end - text] = 0;
      failure->line = (int32_t)line;
      const char *rest = after + 1;
      if (*rest == ' ') rest++;
      length -= (size_t)(rest - text);
      text = rest;
    }
  }
  put_text(failure->message, sizeof failure->message, 0, text, length);
  // A table's own message, read raw.
  if (lua_type(L, error_index) == LUA_TTABLE && lua_checkstack(L, 2)) {
    int table = lua_absindex(L, error_index);
    lua_pushnil(L);
    while (lua_next(L, table)) {
      if (lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING) {
        size_t key_length;
        const char *key = lua_tolstring(L, -2, &key_length);
        if (key_length == 7 && memcmp(key, "message", 7) == 0) {
          text = lua_tolstring(L, -1, &length);
          put_text(failure->message, sizeof failure->message, 0, text, length);
          lua_pop(L, 2);
          break;
        }
      }
      lua_pop(L, 1);
    }
  }
}

/// Runs where the error arose, before unwinding. C only, so that no script can run or loop in it.
static int on_error(lua_State *L) {
  tide_machine *machine = machine_of(L);
  if (!machine->failure_noted) tide_note_failure(machine, L, 1);
  return 1;
}

// MARK: frames

static bool enter(tide_machine *machine, tide_frame *frame, uint64_t budget_ns, bool timed) {
  tide_guard *guard = tide_guard_current();
  if (!guard && !machine->counted) {
    machine->failure = (tide_failure){.message = "no watchdog: the system refused a thread or a signal handler"};
    return false;
  }
  frame->outer_running = atomic_load(&machine->running);
  frame->outer_coroutine = machine->in_coroutine;
  frame->outer_buffers = machine->buffer_depth;
  frame->outer_guarded = guard ? atomic_load(&guard->machine) : NULL;
  machine->in_coroutine = false;
  machine->in_host = false;
  machine->guard = guard;
  lua_State *L = frame->outer_running ? frame->outer_running : machine->L;
  if (machine->depth++ == 0) {
    machine->failure_noted = false;
    machine->rescues = 0;
    machine->steps = 0;
    // Nothing but this thread and its signal handler, which the guard keeps quiet until it is entered, looks at it.
    atomic_store_explicit(&machine->abort, REASON_NONE, memory_order_relaxed);
    machine->begun_ns = timed ? tide_now_ns(CLOCK_MONOTONIC) : 0;
    if (machine->hooked) {
      if (machine->counted) machine->deadline_ns = tide_now_ns(CLOCK_THREAD_CPUTIME_ID) + budget_ns;
      machine->entered_used = machine->used;
      tide_hook_healthy(machine, L);
    }
  }
  atomic_store_explicit(&machine->running, L, memory_order_release);
  if (guard) tide_guard_enter(guard, machine, budget_ns);
  return true;
}

bool tide_enter(tide_machine *machine, tide_frame *frame, uint64_t budget_ns) {
  return enter(machine, frame, budget_ns, true);
}

bool tide_enter_untimed(tide_machine *machine, tide_frame *frame, uint64_t budget_ns) {
  return enter(machine, frame, budget_ns, false);
}

int32_t tide_leave(tide_machine *machine, tide_frame *frame, int lua_status) {
  tide_guard *guard = machine->guard;
  bool failed = lua_status != LUA_OK && lua_status != LUA_YIELD;
  if (failed && machine->begun_ns == 0) machine->elapsed_ns = guard ? tide_guard_seen_ns(guard) : 0;
  if (guard) {
    tide_guard_leave(guard);
    if (guard->depth > 0) atomic_store(&guard->machine, frame->outer_guarded);
  }
  machine->in_coroutine = frame->outer_coroutine;
  machine->buffer_depth = frame->outer_buffers;
  int reason = atomic_load(&machine->abort);
  if (lua_status == LUA_ERRMEM && reason == REASON_NONE) reason = REASON_MEMORY;
  if (reason == REASON_MEMORY && !machine->failure_noted) {
    machine->failure_noted = true;
    snprintf(machine->failure.message, sizeof machine->failure.message, "%s", reason_text(reason));
    if (lua_status != LUA_ERRMEM && !failed) reason = REASON_NONE;
  }
  atomic_store_explicit(&machine->running, frame->outer_running, memory_order_release);
  machine->in_host = frame->outer_running != NULL;
  if (--machine->depth == 0) {
    // The guard is left: no signal aims at this call any more, so what is cleared stays cleared.
    if (lua_gethook(machine->L)) {
      lua_sethook(machine->L, NULL, 0, 0);
      if (machine->hooked && machine->used > machine->entered_used)
        machine->cost.bytes += machine->used - machine->entered_used;
    }
    atomic_store_explicit(&machine->abort, REASON_NONE, memory_order_relaxed);
    if (machine->begun_ns) machine->elapsed_ns = tide_now_ns(CLOCK_MONOTONIC) - machine->begun_ns;
  } else if (reason != REASON_NONE) {
    atomic_store(&machine->abort, reason);
  }
  if (!failed) return lua_status == LUA_OK ? TIDE_OK : TIDE_YIELDED;
  if (reason == REASON_TIME || reason == REASON_MEMORY) machine->poisoned = true;
  switch (reason) {
    case REASON_TIME: return TIDE_ABORT_TIME;
    case REASON_MEMORY: return TIDE_ABORT_MEMORY;
    case REASON_STEPS: return TIDE_ABORT_STEPS;
    default: return TIDE_ERROR;
  }
}

void tide_push_handler(lua_State *L) { lua_pushcfunction(L, on_error); }

/// Calls a C function with one pointer under the handler that notes errors, and leaves the stack as it was.
int tide_protected(tide_machine *machine, lua_State *L, lua_CFunction body, void *context) {
  int top = lua_gettop(L);
  if (!lua_checkstack(L, 8)) {
    machine->failure = (tide_failure){.message = "stack overflow"};
    return LUA_ERRRUN;
  }
  lua_pushcfunction(L, on_error);
  lua_pushcfunction(L, body);
  lua_pushlightuserdata(L, context);
  int status = lua_pcall(L, 1, 0, top + 1);
  lua_settop(L, top);
  return status;
}

// MARK: machines

static int open_machine(lua_State *L) {
  tide_machine *machine = machine_of(L);
  lua_createtable(L, 64, 0);
  machine->references = luaL_ref(L, LUA_REGISTRYINDEX);
  tide_open_objects(L);
  tide_open_sandbox(L);
  return 0;
}

tide_machine *tide_machine_new(const tide_options *options, tide_host host) {
  tide_machine *machine = calloc(1, sizeof *machine);
  if (!machine) return NULL;
  machine->soft = options->memory_soft;
  machine->hard = options->memory_hard;
  machine->block = options->block_limit;
  machine->step_limit = options->step_limit;
  machine->counted = machine->hooked = options->counted;
  machine->host = host;
  machine->L = lua_newstate(allocate, machine);
  if (!machine->L) {
    free(machine);
    return NULL;
  }
  *(tide_machine **)lua_getextraspace(machine->L) = machine;
  lua_gc(machine->L, LUA_GCSTOP);
  tide_machine_seed(machine, options->random_seed);
  if (tide_protected(machine, machine->L, open_machine, NULL) != LUA_OK) {
    tide_machine_free(machine);
    return NULL;
  }
  lua_gc(machine->L, LUA_GCCOLLECT);
  machine->base = machine->used;
  return machine;
}

void tide_machine_set_context(tide_machine *machine, void *context) { machine->context = context; }

void tide_machine_free(tide_machine *machine) {
  if (!machine) return;
  machine->soft = machine->hard = machine->block = SIZE_MAX;
  lua_close(machine->L);
  free(machine->arguments.base);
  free(machine->result.base);
  free(machine->text.base);
  for (int i = 0; i < BUFFERS; i++) {
    free(machine->encoders[i].base);
    free(machine->answers[i].base);
  }
  free(machine->free_references);
  free(machine->coroutines);
  free(machine);
}

size_t tide_machine_bytes(const tide_machine *machine) { return machine->used; }
const tide_cost *tide_machine_cost(const tide_machine *machine) { return &machine->cost; }
bool tide_machine_poisoned(const tide_machine *machine) { return machine->poisoned; }
const tide_failure *tide_machine_failure(const tide_machine *machine) { return &machine->failure; }
uint64_t tide_machine_elapsed_ns(const tide_machine *machine) { return machine->elapsed_ns; }
void tide_machine_set_clock(tide_machine *machine, uint64_t nanoseconds) { machine->wall_clock_ns = nanoseconds; }
tide_buffer *tide_machine_arguments(tide_machine *machine) { return &machine->arguments; }
const tide_buffer *tide_machine_result(const tide_machine *machine) { return &machine->result; }
const uint8_t *tide_text_bytes(const tide_machine *machine) { return machine->text.base; }
int32_t tide_machine_reference_capacity(const tide_machine *machine) { return machine->reference_count; }

void tide_machine_set_memory(tide_machine *machine, size_t soft, size_t hard) {
  machine->soft = soft;
  machine->hard = hard;
}

void tide_machine_observe(tide_machine *machine, bool measured, tide_lines *lines) {
  machine->measured = measured;
  machine->lines = lines;
  machine->hooked = machine->counted || measured || lines;
}

void tide_machine_seed(tide_machine *machine, uint64_t seed) {
  for (int i = 0; i < 4; i++) {
    uint64_t z = (seed += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    machine->random[i] = z ^ (z >> 31);
  }
}

size_t tide_machine_debt(const tide_machine *machine) {
  return machine->used > machine->base ? machine->used - machine->base : 0;
}

bool tide_machine_step(tide_machine *machine, uint64_t budget_ns) {
  if (machine->depth > 0) return false;
  uint64_t begun = tide_now_ns(CLOCK_MONOTONIC);
  do {
    if (lua_gc(machine->L, LUA_GCSTEP, 0)) {
      machine->base = machine->used;
      return true;
    }
  } while (tide_now_ns(CLOCK_MONOTONIC) - begun < budget_ns);
  return false;
}

void tide_machine_collect(tide_machine *machine) {
  if (machine->depth > 0) return;
  lua_gc(machine->L, LUA_GCCOLLECT);
  machine->base = machine->used;
}

const char *tide_type_name(uint16_t type) {
  static const char *const names[] = {
    "nil", "boolean", "userdata", "number", "string", "table", "function", "userdata", "thread"};
  return type < sizeof names / sizeof *names ? names[type] : "value";
}
