/// Loaded before the gateway's libraries: its clocks stand still unless the program that measures moves them.
///
/// Timers, budgets of time and rates would otherwise make the count of instructions follow the speed of the machine. All clocks show
/// the same nanoseconds, those in the file that CLOCK_FILE names, and a loop that waits for a deadline waits for events alone: time
/// that does not move brings no deadline nearer.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const _Atomic uint64_t *nanoseconds;
static int (*wait_for_events)(int, struct epoll_event *, int, int);

__attribute__((constructor)) static void open_clock(void) {
  const char *path = getenv("CLOCK_FILE");
  int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  void *page = file < 0 ? MAP_FAILED : mmap(NULL, sizeof *nanoseconds, PROT_READ, MAP_SHARED, file, 0);
  if (page == MAP_FAILED) abort();
  close(file);
  nanoseconds = page;
  wait_for_events = (int (*)(int, struct epoll_event *, int, int))dlsym(RTLD_NEXT, "epoll_wait");
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  (void)clock;
  uint64_t value = nanoseconds ? *nanoseconds : 0;
  now->tv_sec = (time_t)(value / 1000000000);
  now->tv_nsec = (long)(value % 1000000000);
  return 0;
}

int epoll_wait(int poller, struct epoll_event *events, int capacity, int timeout_ms) {
  return wait_for_events(poller, events, capacity, timeout_ms > 0 ? -1 : timeout_ms);
}
