/// The watchdog: stops a hook that is too old without any cost to one that is not.
///
/// A thread of the process looks every 3 ms while hooks run anywhere, and every millisecond while it finds one running: a wake-up costs what
/// five identity hooks do. It reads the CPU clock of each thread inside a hook and signals the ones over budget. The handler, on that thread, checks that the very call the watchdog meant still runs, and
/// arms Lua's hook on the running Lua thread. A healthy call costs a few stores.
#include "machine.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { TICK_NS = 3000000, CLOSE_TICK_NS = 1000000, IDLE_TICKS = 7 };
#define FLOOR_NS 2000000ull

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static tide_guard *guards;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t thread_end;
static bool usable;
static _Atomic uint32_t parked;

static __thread tide_guard *mine __attribute__((tls_model("initial-exec")));

static int signal_number(void) { return SIGRTMIN + 5; }

uint64_t tide_now_ns(clockid_t clock) {
  struct timespec now;
  if (clock_gettime(clock, &now) != 0) return 0;
  return (uint64_t)now.tv_sec * 1000000000ull + (uint64_t)now.tv_nsec;
}

static void on_signal(int number) {
  (void)number;
  int saved = errno;
  tide_guard *guard = mine;
  if (guard) {
    uint64_t epoch = atomic_load(&guard->epoch);
    if ((epoch & 1) && atomic_load(&guard->target) == epoch) {
      tide_machine *machine = atomic_load(&guard->machine);
      if (machine) tide_arm(machine, REASON_TIME);
    }
  }
  errno = saved;
}

/// What one look at all threads found.
typedef enum { NO_HOOK, HOOKS_RAN, INSIDE_HOOK } sight;

static sight tick(void) {
  sight found = NO_HOOK;
  pthread_mutex_lock(&lock);
  for (tide_guard *guard = guards; guard; guard = guard->next) {
    uint64_t epoch = atomic_load(&guard->epoch);
    if (epoch != guard->looked_epoch && found == NO_HOOK) found = HOOKS_RAN;
    guard->looked_epoch = epoch;
    if (!(epoch & 1)) continue;
    found = INSIDE_HOOK;
    uint64_t now = tide_now_ns(guard->clock);
    if (atomic_load(&guard->seen_epoch) != epoch) {
      atomic_store(&guard->started_ns, now);
      atomic_store(&guard->seen_epoch, epoch);
      continue;
    }
    uint64_t budget = atomic_load(&guard->budget_ns);
    if (budget < FLOOR_NS) budget = FLOOR_NS;
    if (now - atomic_load(&guard->started_ns) < budget) continue;
    atomic_store(&guard->target, epoch);
    pthread_kill(guard->thread, signal_number());
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static void *watch(void *unused) {
  (void)unused;
  int idle = 0;
  sight found = INSIDE_HOOK;
  for (;;) {
    struct timespec pause = {0, found == INSIDE_HOOK ? CLOSE_TICK_NS : TICK_NS};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
    found = tick();
    if (found != NO_HOOK) {
      idle = 0;
    } else if (++idle >= IDLE_TICKS) {
      atomic_store(&parked, 1);
      // Whoever entered before it could see `parked` is seen here; whoever enters later wakes the futex.
      if (tick() == NO_HOOK) syscall(SYS_futex, &parked, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
      atomic_store(&parked, 0);
      idle = 0;
      // Whoever woke it is in a hook.
      found = INSIDE_HOOK;
    }
  }
  return NULL;
}

static void forget(void *value) {
  tide_guard *guard = value;
  mine = NULL;
  pthread_mutex_lock(&lock);
  for (tide_guard **link = &guards; *link; link = &(*link)->next) {
    if (*link == guard) {
      *link = guard->next;
      break;
    }
  }
  pthread_mutex_unlock(&lock);
  free(guard);
}

static void start(void) {
  struct sigaction action = {0};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  if (sigaction(signal_number(), &action, NULL) != 0) return;
  if (pthread_key_create(&thread_end, forget) != 0) return;
  // The watchdog takes no signals of the process.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_attr_setstacksize(&attributes, 128 << 10);
  pthread_t thread;
  usable = pthread_create(&thread, &attributes, watch, NULL) == 0;
  if (usable) pthread_setname_np(thread, "lua-watchdog");
  pthread_attr_destroy(&attributes);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
}

tide_guard *tide_guard_current(void) {
  if (mine) return mine;
  pthread_once(&once, start);
  if (!usable) return NULL;
  tide_guard *guard = calloc(1, sizeof *guard);
  if (!guard) return NULL;
  guard->thread = pthread_self();
  if (pthread_getcpuclockid(guard->thread, &guard->clock) != 0 || pthread_setspecific(thread_end, guard) != 0) {
    free(guard);
    return NULL;
  }
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, signal_number());
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
  mine = guard;
  pthread_mutex_lock(&lock);
  guard->next = guards;
  guards = guard;
  pthread_mutex_unlock(&lock);
  return guard;
}

void tide_guard_enter(tide_guard *guard, tide_machine *machine, uint64_t budget_ns) {
  atomic_store_explicit(&guard->machine, machine, memory_order_relaxed);
  if (guard->depth++ > 0) return;
  atomic_store_explicit(&guard->budget_ns, budget_ns, memory_order_relaxed);
  // Ordered before the look at `parked`: one of the two threads always sees the other.
  atomic_fetch_add(&guard->epoch, 1);
  if (atomic_load(&parked)) {
    atomic_store(&parked, 0);
    syscall(SYS_futex, &parked, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
  }
}

void tide_guard_leave(tide_guard *guard) {
  if (--guard->depth > 0) return;
  // Only this thread changes it: no locked addition.
  uint64_t epoch = atomic_load_explicit(&guard->epoch, memory_order_relaxed);
  atomic_store_explicit(&guard->epoch, epoch + 1, memory_order_release);
  atomic_signal_fence(memory_order_seq_cst);
  atomic_store_explicit(&guard->machine, NULL, memory_order_relaxed);
}

uint64_t tide_guard_seen_ns(tide_guard *guard) {
  if (atomic_load(&guard->seen_epoch) != atomic_load(&guard->epoch)) return 0;
  return tide_now_ns(guard->clock) - atomic_load(&guard->started_ns);
}

bool tide_guard_register_thread(void) { return tide_guard_current() != NULL; }
bool tide_guard_watchdog_awake(void) { return usable && !atomic_load(&parked); }
void tide_guard_send_late_signal(void) {
  if (tide_guard_current()) pthread_kill(pthread_self(), signal_number());
}
