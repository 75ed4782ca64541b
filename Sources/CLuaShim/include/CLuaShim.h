/// The door to Lua: everything that Swift may ask of a Lua state, without ever seeing lua.h.
///
/// Rules of this door. Every entry runs one protected call; every Lua error is raised and caught between C frames, so that
/// no Swift frame ever stands between setjmp and longjmp. Values cross as flat bytes (`tide_buffer`) or as views that are
/// valid during one host call (`tide_value`). A machine belongs to one thread at a time.
#ifndef CLUASHIM_H
#define CLUASHIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct tide_machine tide_machine;
typedef struct tide_lines tide_lines;

// What a value is, in buffers and in views.
typedef enum TideTag {
  TIDE_NIL = 0,
  TIDE_FALSE,
  TIDE_TRUE,
  TIDE_INTEGER,    // 8 bytes
  TIDE_NUMBER,     // 8 bytes
  TIDE_STRING,     // 4 bytes of length, then the bytes
  TIDE_ARRAY,      // 4 bytes of count, then the values
  TIDE_MAP,        // 4 bytes of count, then keys and values in turn
  TIDE_FUNCTION,   // 4 bytes: a reference that the receiver must release
  TIDE_OBJECT,     // kind (2), slot (4), generation (4)
  TIDE_OPAQUE,     // kind (2), id (4)
  TIDE_REFERENCE,  // 4 bytes: the value held by a reference (to Lua only)
  TIDE_CLOSURE,    // 4 bytes: host function id, then an object: a function bound to that object (to Lua only)
  TIDE_OTHER,      // 1 byte: a Lua type that cannot cross
  TIDE_COPY        // 4 bytes: what it is a copy of, then a value whose tables refuse to be written (to Lua only)
} TideTag;

/// Growable bytes owned by a machine. `count` counts the top-level values that were put in.
typedef struct tide_buffer {
  uint8_t *base;
  size_t length;
  size_t capacity;
  uint32_t count;
  bool failed;
} tide_buffer;

/// Makes room for `extra` bytes; false (and `failed`) when memory ends.
bool tide_buffer_grow(tide_buffer *buffer, size_t extra);

static inline uint8_t *tide_buffer_room(tide_buffer *buffer, size_t extra) {
  if (buffer->capacity - buffer->length < extra && !tide_buffer_grow(buffer, extra)) return NULL;
  uint8_t *place = buffer->base + buffer->length;
  buffer->length += extra;
  return place;
}
static inline void tide_put_tag(tide_buffer *buffer, uint8_t tag) {
  uint8_t *place = tide_buffer_room(buffer, 1);
  if (place) place[0] = tag;
}
static inline void tide_put_integer(tide_buffer *buffer, int64_t value) {
  uint8_t *place = tide_buffer_room(buffer, 9);
  if (place) { place[0] = TIDE_INTEGER; memcpy(place + 1, &value, 8); }
}
static inline void tide_put_number(tide_buffer *buffer, double value) {
  uint8_t *place = tide_buffer_room(buffer, 9);
  if (place) { place[0] = TIDE_NUMBER; memcpy(place + 1, &value, 8); }
}
static inline void tide_put_word(tide_buffer *buffer, uint8_t tag, uint32_t value) {
  uint8_t *place = tide_buffer_room(buffer, 5);
  if (place) { place[0] = tag; memcpy(place + 1, &value, 4); }
}
static inline void tide_put_string(tide_buffer *buffer, const void *bytes, size_t length) {
  if (length > UINT32_MAX) { buffer->failed = true; return; }
  tide_put_word(buffer, TIDE_STRING, (uint32_t)length);
  uint8_t *place = tide_buffer_room(buffer, length);
  if (place && length) memcpy(place, bytes, length);
}
static inline void tide_put_object(tide_buffer *buffer, uint16_t kind, uint32_t slot, uint32_t generation) {
  uint8_t *place = tide_buffer_room(buffer, 11);
  if (!place) return;
  place[0] = TIDE_OBJECT;
  memcpy(place + 1, &kind, 2);
  memcpy(place + 3, &slot, 4);
  memcpy(place + 7, &generation, 4);
}
static inline void tide_put_opaque(tide_buffer *buffer, uint16_t kind, uint32_t id) {
  uint8_t *place = tide_buffer_room(buffer, 7);
  if (!place) return;
  place[0] = TIDE_OPAQUE;
  memcpy(place + 1, &kind, 2);
  memcpy(place + 3, &id, 4);
}

/// One argument of a host call, valid until the host returns.
typedef struct tide_value {
  uint8_t type;
  uint16_t kind;        // TIDE_OBJECT, TIDE_OPAQUE; TIDE_OTHER: the Lua type
  uint32_t slot;        // TIDE_OBJECT: slot; TIDE_OPAQUE: id; TIDE_FUNCTION: reference
  uint32_t generation;  // TIDE_OBJECT
  int64_t integer;
  double number;
  const uint8_t *bytes;  // TIDE_STRING: the bytes; TIDE_ARRAY, TIDE_MAP: the encoded table, tag included
  size_t length;
} tide_value;

// What Lua asks of the host.
typedef enum TideOperation {
  TIDE_OP_CALL = 0,  // id: host function
  TIDE_OP_GET,       // id: field; arguments: object
  TIDE_OP_SET,       // id: field; arguments: object, value
  TIDE_OP_GET_KEY,   // arguments: object, key
  TIDE_OP_SET_KEY,   // arguments: object, key, value
  TIDE_OP_NEXT,      // arguments: object, previous key or nil
  TIDE_OP_LENGTH,    // arguments: object
  TIDE_OP_UNKNOWN,   // id: 0 read, 1 write; arguments: object, key; the host puts one message
  TIDE_OP_MODULE,    // id: environment; arguments: name; the host puts source and chunk name, or raises
  TIDE_OP_PRINT      // arguments: one string
} TideOperation;

// What the host answers.
typedef enum TideHostStatus {
  TIDE_HOST_OK = 0,
  TIDE_HOST_RAISE,      // the buffer holds one string: the message
  TIDE_HOST_NIL_ERROR,  // the buffer holds one value: becomes `nil, err`
  TIDE_HOST_STALE,      // the object's owner has ended
  TIDE_HOST_YIELD       // suspend the coroutine
} TideHostStatus;

/// Called once per request of Lua. Must return normally; anything it wants raised it says by its status.
typedef int32_t (*tide_host)(
    void *context, int32_t operation, int32_t id, const tide_value *arguments, int32_t count, tide_buffer *results);

typedef struct tide_options {
  size_t memory_soft;
  size_t memory_hard;
  size_t block_limit;
  uint64_t random_seed;
  uint64_t step_limit;  // pattern steps per entry; 0: none
  bool counted;
} tide_options;

// How an entry ended.
typedef enum TideStatus {
  TIDE_OK = 0,
  TIDE_YIELDED,
  TIDE_ERROR,
  TIDE_ABORT_TIME,
  TIDE_ABORT_MEMORY,
  TIDE_ABORT_STEPS
} TideStatus;

/// Why the last entry failed. Strings are cut to fit and always terminated.
typedef struct tide_failure {
  int32_t line;
  char message[1024];
  char file[256];
  char traceback[1024];
} tide_failure;

// Arrays of characters as pointers, which Swift reads without copying tuples.
static inline const char *tide_failure_message(const tide_failure *failure) { return failure->message; }
static inline const char *tide_failure_file(const tide_failure *failure) { return failure->file; }
static inline const char *tide_failure_traceback(const tide_failure *failure) { return failure->traceback; }

/// What a measured machine has run.
typedef struct tide_cost {
  uint64_t instructions;
  uint64_t bytes;  // by which entries left the machine larger; nothing is collected inside one
} tide_cost;

enum { TIDE_KEEP_FUNCTIONS = 1, TIDE_COROUTINE_ONLY = 2 };

// Machines.
/// NULL when the limits leave no room. The context is what the host is called with; set it before the first load.
tide_machine *tide_machine_new(const tide_options *options, tide_host host);
void tide_machine_set_context(tide_machine *machine, void *context);
void tide_machine_free(tide_machine *machine);
size_t tide_machine_bytes(const tide_machine *machine);
bool tide_machine_poisoned(const tide_machine *machine);
/// For a host call that takes long: whether the entry must end, so that it may as well return at once.
bool tide_machine_stopping(tide_machine *machine);
const tide_failure *tide_machine_failure(const tide_machine *machine);
uint64_t tide_machine_elapsed_ns(const tide_machine *machine);
void tide_machine_seed(tide_machine *machine, uint64_t seed);
/// Nanoseconds since 1970 that Lua sees; 0: the system's clock.
void tide_machine_set_clock(tide_machine *machine, uint64_t nanoseconds);
void tide_machine_set_memory(tide_machine *machine, size_t soft, size_t hard);
/// From the next entry on, counts what Lua costs, and notes the lines that it runs, which outlive the machine. For tests: each hooks
/// into every instruction or line; without them nothing is paid.
void tide_machine_observe(tide_machine *machine, bool measured, tide_lines *lines);
const tide_cost *tide_machine_cost(const tide_machine *machine);
/// Runs collector steps for at most `budget_ns`; true when a cycle came to its end.
bool tide_machine_step(tide_machine *machine, uint64_t budget_ns);
void tide_machine_collect(tide_machine *machine);
/// Bytes allocated since the end of the last collection.
size_t tide_machine_debt(const tide_machine *machine);
int32_t tide_machine_reference_capacity(const tide_machine *machine);

/// The buffers of the entry that is about to be made: the arguments, and the result of the last one.
tide_buffer *tide_machine_arguments(tide_machine *machine);
const tide_buffer *tide_machine_result(const tide_machine *machine);

// Set-up.
int32_t tide_register_function(tide_machine *machine, const char *path, int32_t id, uint32_t flags);
/// Takes one value from the arguments.
int32_t tide_register_value(tide_machine *machine, const char *path);
int32_t tide_register_kind(tide_machine *machine, uint16_t kind, const char *name, bool dynamic);
int32_t tide_register_field(tide_machine *machine, uint16_t kind, const char *name, int32_t id);
int32_t tide_register_method(tide_machine *machine, uint16_t kind, const char *name, int32_t id, uint32_t flags);
/// Makes copies of one thing known: writing to their tables raises `refusal`.
int32_t tide_register_copy(tide_machine *machine, int32_t id, const char *refusal);
/// An environment that files can be loaded into: strict, with a `require` that asks the host. Returns a status.
int32_t tide_environment_new(tide_machine *machine, int32_t id, int32_t *reference);

// Entries. Each returns a status of the list above; arguments are taken from the machine's buffer.
int32_t tide_load(
    tide_machine *machine, const void *source, size_t length, const char *chunk_name, int32_t environment,
    uint64_t budget_ns);
int32_t tide_call(
    tide_machine *machine, int32_t function, bool coroutine, uint32_t flags, uint64_t budget_ns, uint64_t *token);
/// Calls and holds the first result; `*reference` stays below 0 for nil. `*type` is the Lua type.
int32_t tide_call_holding(
    tide_machine *machine, int32_t function, uint64_t budget_ns, int32_t *reference, uint16_t *type);
int32_t tide_resume(tide_machine *machine, uint64_t token, uint64_t budget_ns, uint64_t *next_token);
/// Goes on with an error: the host function that waited raises the one argument, a message.
int32_t tide_resume_raising(tide_machine *machine, uint64_t token, uint64_t budget_ns, uint64_t *next_token);
void tide_cancel(tide_machine *machine, uint64_t token);

/// Holds the one value in the arguments; `*reference` below 0 takes a new slot, else that slot is set again.
int32_t tide_reference_set(tide_machine *machine, int32_t *reference);
void tide_reference_release(tide_machine *machine, int32_t reference);
/// Where a held function of `file` begins; 0 for one of another file. Between calls only.
int32_t tide_function_line(tide_machine *machine, int32_t reference, const char *file);
/// Where a held table stands in memory, which is its place for as long as it is held; NULL for what is no object. Between calls only.
const void *tide_reference_address(tide_machine *machine, int32_t reference);
/// Reads a held value into the result buffer.
int32_t tide_reference_get(tide_machine *machine, int32_t reference, uint32_t flags);
/// Replaces the held table by a read-only view, all tables below it included.
int32_t tide_reference_freeze(tide_machine *machine, int32_t reference, const char *name);

// Text hooks.
typedef struct tide_range {
  size_t offset;
  size_t length;
} tide_range;

typedef enum TideTextOutcome {
  TIDE_TEXT_PASS = 0,
  TIDE_TEXT_REPLACED,
  TIDE_TEXT_VERDICT,
  TIDE_TEXT_BAD_TYPE,
  TIDE_TEXT_FAILED
} TideTextOutcome;

typedef struct tide_text {
  int32_t outcome;
  uint16_t kind;    // verdict: its kind; bad type: the Lua type
  uint32_t id;      // verdict
  size_t offset;    // replaced: into the machine's text bytes
  size_t length;
} tide_text;

/// Calls `function(state, segment, lane)` for each segment in one protected call. Stops after the first outcome that is
/// neither pass nor replaced. Returns how many outcomes were written; a failure's status goes to `*status`.
size_t tide_call_text(
    tide_machine *machine, int32_t function, int32_t state, int32_t lane, const uint8_t *base, const tide_range *ranges,
    size_t count, uint64_t budget_ns, tide_text *outcomes, int32_t *status);
/// The same for one segment, which costs less. The outcome is always written.
void tide_call_one_text(
    tide_machine *machine, int32_t function, int32_t state, int32_t lane, const uint8_t *bytes, size_t length,
    uint64_t budget_ns, tide_text *outcome, int32_t *status);
/// Calls `function(state, { kind, text }, lane)` for what a filter found. Nil is a pass, any string replaces.
void tide_call_match(
    tide_machine *machine, int32_t function, int32_t state, int32_t lane, const char *kind, const uint8_t *text,
    size_t length, uint64_t budget_ns, tide_text *outcome, int32_t *status);
/// The replaced bytes of the last call.
const uint8_t *tide_text_bytes(const tide_machine *machine);

/// The name of a Lua type as `kind` of TIDE_OTHER and of a bad type reports it.
const char *tide_type_name(uint16_t type);

// Lines of files. The machines that note lines in one set run on one thread at a time.
/// NULL when memory ends.
tide_lines *tide_lines_new(void);
void tide_lines_free(tide_lines *lines);
/// Whether a line, from 1, of the file has run.
bool tide_lines_has(const tide_lines *lines, const char *file, int32_t line);
/// Sets `marks[n]` for each line n below `count` for which the compiler makes instructions; those of functions inside are not among
/// them. The source is a chunk, or with `is_function` a `return function...`, whose function then counts. False when it does not
/// compile.
bool tide_mark_active_lines(const void *source, size_t length, bool is_function, uint8_t *marks, size_t count);

// The guard of the calling thread.
bool tide_guard_register_thread(void);
/// Whether the watchdog thread is ticking now; for tests.
bool tide_guard_watchdog_awake(void);
/// Sends the calling thread a watchdog signal that carries no target; for tests of late signals.
void tide_guard_send_late_signal(void);

#endif
