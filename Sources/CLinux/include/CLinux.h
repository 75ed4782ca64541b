// System calls that Swift cannot spell: variadic ones, ones behind _GNU_SOURCE, and a thread-local pointer.
#ifndef CLINUX_H
#define CLINUX_H

#include "CLinuxSendRing.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/socket.h>

// A non-blocking, close-on-exec TCP socket. -1 and errno on failure.
int clinux_tcp_socket(int family);

// accept4 with SOCK_NONBLOCK | SOCK_CLOEXEC.
int clinux_accept(int listener, struct sockaddr_storage *peer);

// A descriptor of no use but to be given up when the process has no other left.
int clinux_spare_descriptor(void);

// Sets an int option; 0 or -1 and errno.
int clinux_set_option(int descriptor, int level, int option, int value);

// Makes the next close() send RST.
void clinux_reset_on_close(int descriptor);

// Starts a joinable thread. 0 or an errno value.
int clinux_start_thread(const char *name, size_t stack_size, void *(*body)(void *), void *argument, uintptr_t *thread);
int clinux_join_thread(uintptr_t thread);
// Binds a thread to one of the cores that the calling thread may use: the ordinal-th, from 0, begun again after the last. 0 or an errno value.
int clinux_keep_on_core(uintptr_t thread, uint32_t ordinal);
void clinux_detach_thread(uintptr_t thread);
// Makes the calling thread alone nicer to the others.
void clinux_lower_priority(int niceness);

// The worker of the calling thread, or NULL.
void *clinux_current_worker(void);
void clinux_set_current_worker(void *worker);

// Blocks the signals in the calling thread (and those it starts later) and returns a descriptor that reads them.
int clinux_signal_descriptor(const int *signals, int count);
// The next signal, or 0 when none came within timeout_ms (-1: wait for ever), or -1 and errno.
int clinux_next_signal(int descriptor, int timeout_ms);
void clinux_unblock_signals(const int *signals, int count);
void clinux_ignore_broken_pipe(void);
// Gives the kernel back whole pages of free heap.
void clinux_trim_heap(void);

// Gives the kernel back what start-up alone needed: free heap, and the program's code, of which the pages that run return from
// the page cache one by one.
void clinux_release_memory(void);

// RLIMIT_NOFILE.
int clinux_get_descriptor_limit(uint64_t *soft, uint64_t *hard);
int clinux_set_descriptor_limit(uint64_t soft, uint64_t hard);

// The text of an errno value; thread-safe.
void clinux_error_text(int code, char *buffer, size_t size);

// getaddrinfo for TCP; `visit` is called for each address. 0 or an EAI_ code.
int clinux_resolve(const char *host, void (*visit)(void *, const struct sockaddr *), void *context);

#endif
