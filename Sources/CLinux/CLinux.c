#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

int clinux_tcp_socket(int family) {
  return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
}

int clinux_accept(int listener, struct sockaddr_storage *peer) {
  socklen_t length = sizeof *peer;
  return accept4(listener, (struct sockaddr *)peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

int clinux_spare_descriptor(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

int clinux_set_option(int descriptor, int level, int option, int value) {
  return setsockopt(descriptor, level, option, &value, sizeof value);
}

void clinux_reset_on_close(int descriptor) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  setsockopt(descriptor, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

int clinux_start_thread(const char *name, size_t stack_size, void *(*body)(void *), void *argument, uintptr_t *thread) {
  pthread_attr_t attributes;
  int error = pthread_attr_init(&attributes);
  if (error) return error;
  pthread_attr_setstacksize(&attributes, stack_size);
  pthread_t started;
  error = pthread_create(&started, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  if (error) return error;
  char shortened[16];
  snprintf(shortened, sizeof shortened, "%s", name);
  pthread_setname_np(started, shortened);
  *thread = (uintptr_t)started;
  return 0;
}

int clinux_join_thread(uintptr_t thread) { return pthread_join((pthread_t)thread, NULL); }

int clinux_keep_on_core(uintptr_t thread, uint32_t ordinal) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return errno;
  int count = CPU_COUNT(&allowed);
  if (count == 0) return EINVAL;
  int left = (int)(ordinal % (uint32_t)count);
  int core = 0;
  while (!CPU_ISSET(core, &allowed) || left-- > 0) core++;
  CPU_ZERO(&one);
  CPU_SET(core, &one);
  return pthread_setaffinity_np((pthread_t)thread, sizeof one, &one);
}

void clinux_detach_thread(uintptr_t thread) { pthread_detach((pthread_t)thread); }

// On Linux, 0 is the thread, not the process.
void clinux_lower_priority(int niceness) { setpriority(PRIO_PROCESS, 0, niceness); }

static _Thread_local void *current_worker;

void *clinux_current_worker(void) { return current_worker; }

void clinux_set_current_worker(void *worker) { current_worker = worker; }

static sigset_t signal_set(const int *signals, int count) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < count; i++) sigaddset(&set, signals[i]);
  return set;
}

int clinux_signal_descriptor(const int *signals, int count) {
  sigset_t set = signal_set(signals, count);
  int error = pthread_sigmask(SIG_BLOCK, &set, NULL);
  if (error) {
    errno = error;
    return -1;
  }
  return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int clinux_next_signal(int descriptor, int timeout_ms) {
  struct pollfd waiting = {.fd = descriptor, .events = POLLIN};
  int ready = poll(&waiting, 1, timeout_ms);
  if (ready < 0) return errno == EINTR ? 0 : -1;
  if (ready == 0) return 0;
  struct signalfd_siginfo info;
  if (read(descriptor, &info, sizeof info) != sizeof info) return errno == EAGAIN ? 0 : -1;
  return (int)info.ssi_signo;
}

void clinux_unblock_signals(const int *signals, int count) {
  sigset_t set = signal_set(signals, count);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void clinux_ignore_broken_pipe(void) { signal(SIGPIPE, SIG_IGN); }

// The first object is the program itself. Its code is never written to, so every page can be read from the file again.
static int drop_code(struct dl_phdr_info *object, size_t size, void *unused) {
  uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  for (int i = 0; i < object->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &object->dlpi_phdr[i];
    if (part->p_type != PT_LOAD || !(part->p_flags & PF_X) || part->p_flags & PF_W) continue;
    uintptr_t begin = (object->dlpi_addr + part->p_vaddr + page - 1) & ~(page - 1);
    uintptr_t end = (object->dlpi_addr + part->p_vaddr + part->p_memsz) & ~(page - 1);
    if (end > begin) madvise((void *)begin, end - begin, MADV_DONTNEED);
  }
  return 1;
}

void clinux_trim_heap(void) { malloc_trim(0); }

void clinux_release_memory(void) {
  clinux_trim_heap();
  dl_iterate_phdr(drop_code, NULL);
}

int clinux_get_descriptor_limit(uint64_t *soft, uint64_t *hard) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return -1;
  *soft = limit.rlim_cur;
  *hard = limit.rlim_max;
  return 0;
}

int clinux_set_descriptor_limit(uint64_t soft, uint64_t hard) {
  struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
  return setrlimit(RLIMIT_NOFILE, &limit);
}

void clinux_error_text(int code, char *buffer, size_t size) {
  const char *text = strerror_r(code, buffer, size);
  if (text != buffer) snprintf(buffer, size, "%s", text);
}

int clinux_resolve(const char *host, void (*visit)(void *, const struct sockaddr *), void *context) {
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
  struct addrinfo *found = NULL;
  int error = getaddrinfo(host, NULL, &hints, &found);
  if (error) return error;
  for (struct addrinfo *each = found; each; each = each->ai_next) visit(context, each->ai_addr);
  freeaddrinfo(found);
  return 0;
}
