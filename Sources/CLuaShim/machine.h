/// What the shim's own files share. Never seen by Swift.
#ifndef TIDE_MACHINE_H
#define TIDE_MACHINE_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>

#include "CLuaShim.h"

enum { REASON_NONE = 0, REASON_TIME, REASON_MEMORY, REASON_STEPS };

/// What the watchdog and the signal handler know of one thread. Lives as long as its thread.
typedef struct tide_guard {
  /// Counts entries; odd while one runs. A signal that aims at another epoch does nothing.
  _Atomic uint64_t epoch;
  _Atomic uint64_t target;
  _Atomic uint64_t budget_ns;
  /// The Lua thread that runs now, for the signal handler.
  _Atomic(struct tide_machine *) machine;
  pthread_t thread;
  clockid_t clock;
  // The watchdog's own notes: when, on the thread's CPU clock, it first saw the epoch that it saw last.
  _Atomic uint64_t seen_epoch;
  _Atomic uint64_t started_ns;
  // What the watchdog found at its last look, inside a hook or not.
  uint64_t looked_epoch;
  struct tide_guard *next;
  int depth;
} tide_guard;

/// Hooks of one machine that may wait at once: each costs about 1.5 KiB of its memory.
enum { BUFFERS = 16, COROUTINES = 1024 };

/// One pooled Lua thread; `next_free` counts from 1, so that 0 ends the list.
typedef struct tide_coroutine {
  lua_State *L;
  uint32_t generation;
  uint16_t next_free;
  bool waiting;
} tide_coroutine;

struct tide_machine {
  lua_State *L;
  /// The Lua thread that runs now; NULL between entries. Read by the signal handler.
  _Atomic(lua_State *) running;
  /// Why the present entry must end; sticky until its host frame.
  _Atomic int abort;
  int depth;
  bool in_coroutine;
  bool poisoned;
  bool in_host;
  bool counted;
  /// Healthy entries run under a hook, too: the machine is counted, measured, or notes its lines.
  bool hooked;
  bool measured;
  /// The next coroutine that goes on raises its one argument.
  bool raises;
  tide_guard *guard;
  tide_host host;
  void *context;

  size_t used, soft, hard, block, base;
  int rescues;

  uint64_t steps, step_limit;
  uint64_t deadline_ns;  // counted mode, thread CPU time
  tide_cost cost;        // measured mode
  size_t entered_used;   // where the present entry began
  tide_lines *lines;     // owned by whoever reads them; NULL for most
  uint64_t begun_ns, elapsed_ns;  // begun_ns is 0 in calls for text
  uint64_t wall_clock_ns;
  uint64_t random[4];

  tide_failure failure;
  bool failure_noted;  // by the abort, so that a later frame does not overwrite the place
  tide_buffer arguments, result, text;
  tide_buffer encoders[BUFFERS], answers[BUFFERS];
  int buffer_depth;

  int references;  // registry index of the table of held values
  int32_t *free_references;
  int32_t free_count, free_capacity, reference_count;
  uint32_t encode_flags;

  tide_coroutine *coroutines;
  int coroutine_count, coroutine_capacity;
  uint16_t free_coroutine;
};

static inline tide_machine *machine_of(lua_State *L) { return *(tide_machine **)lua_getextraspace(L); }

// guard.c
tide_guard *tide_guard_current(void);
void tide_guard_enter(tide_guard *guard, tide_machine *machine, uint64_t budget_ns);
void tide_guard_leave(tide_guard *guard);
/// For how long the call that runs has used its processor since the watchdog first saw it; 0 for one that was over sooner.
uint64_t tide_guard_seen_ns(tide_guard *guard);
uint64_t tide_now_ns(clockid_t clock);

// entry.c
typedef struct tide_frame {
  lua_State *outer_running;
  bool outer_coroutine;
  int outer_buffers;
  struct tide_machine *outer_guarded;
} tide_frame;
bool tide_enter(tide_machine *machine, tide_frame *frame, uint64_t budget_ns);
/// The same for a call for text: it is not timed, since a look at the clock costs a fifth of such a call.
bool tide_enter_untimed(tide_machine *machine, tide_frame *frame, uint64_t budget_ns);
int32_t tide_leave(tide_machine *machine, tide_frame *frame, int lua_status);
int tide_protected(tide_machine *machine, lua_State *L, lua_CFunction body, void *context);
/// Pushes the message handler that notes errors where they arise.
void tide_push_handler(lua_State *L);
void tide_note_failure(tide_machine *machine, lua_State *L, int error_index);
/// Stops the entry: sets the sticky reason and arms the hook on what runs. Safe in a signal handler.
void tide_arm(tide_machine *machine, int reason);
/// Puts the machine's hook for healthy entries on a Lua thread, or takes any hook away.
void tide_hook_healthy(tide_machine *machine, lua_State *L);
/// Raises if the entry must end. To be polled by whatever loops in C.
void tide_poll(lua_State *L, tide_machine *machine);
/// Counts matching or looping steps and polls now and then.
static inline void tide_step(lua_State *L, tide_machine *machine) {
  if ((++machine->steps & 63) == 0) tide_poll(L, machine);
}
int32_t tide_new_reference(lua_State *L, tide_machine *machine);

// lines.c
void tide_lines_note(tide_lines *lines, lua_State *L, lua_Debug *record);

// values.c
void tide_encode(lua_State *L, tide_machine *machine, int index, tide_buffer *into);
/// Pushes the value at *place and moves on.
void tide_decode(lua_State *L, tide_machine *machine, const uint8_t **place, const uint8_t *end, int depth);
int tide_decode_all(lua_State *L, tide_machine *machine, const tide_buffer *buffer);

// objects.c
typedef struct tide_userdata { uint32_t slot, generation; uint16_t kind; } tide_userdata;
typedef struct tide_opaque { uint32_t id; uint16_t kind; } tide_opaque;
void tide_push_object(lua_State *L, uint16_t kind, uint32_t slot, uint32_t generation);
void tide_push_opaque(lua_State *L, uint16_t kind, uint32_t id);
const tide_userdata *tide_to_object(lua_State *L, int index);
const tide_opaque *tide_to_opaque(lua_State *L, int index);
void tide_push_closure(lua_State *L, int32_t id, uint16_t kind, uint32_t slot, uint32_t generation);
int tide_ask(lua_State *L, int operation, int id, int first, uint32_t flags);
void tide_open_objects(lua_State *L);

// readonly.c
/// Replaces the table at the top by a read-only view of it, all below it included.
void tide_freeze(lua_State *L, const char *name);
/// If the value is a read-only view, pushes the table behind it and returns true.
bool tide_unfreeze(lua_State *L, int index);
/// Makes copies with this number known.
void tide_declare_copy(lua_State *L, int32_t id, const char *refusal);
/// Pushes what makes a table a copy with this number, or nil.
void tide_push_copy(lua_State *L, int32_t id);
/// Puts a view in the place of the table at the top. `copy` is the stack index of what `tide_push_copy` pushed.
void tide_seal(lua_State *L, int copy);
/// Pushes a view of the table at the top whose unknown names raise; for libraries and environments.
void tide_strict_view(lua_State *L, const char *name);

// sandbox.c, strings.c, tables.c, clock.c
void tide_open_sandbox(lua_State *L);
void tide_open_strings(lua_State *L);
void tide_open_tables(lua_State *L);
void tide_open_clock(lua_State *L);
/// Pushes text for any value, without addresses. May call __tostring.
const char *tide_tostring(lua_State *L, int index, size_t *length);

/// [scratch library] -> []: publishes what is allowed of it, and our own, as a read-only global.
void tide_publish(lua_State *L, const char *name, const char *const *allowed, const luaL_Reg *own);

extern const char tide_globals_key, tide_libraries_key;

enum { RESULT_LIMIT = 2 << 20, COUNT_LIMIT = 1 << 20, SPREAD_LIMIT = 8192, SUBJECT_LIMIT = 64 << 10 };

#endif
