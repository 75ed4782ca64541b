// Sends on many TCP connections in one system call, by io_uring without liburing.
#ifndef CLINUX_SEND_RING_H
#define CLINUX_SEND_RING_H

#include <stdint.h>

struct clinux_send_ring;

// One send. `result` is what send() would return, or a negated errno value, or CLINUX_NOT_SENT when the kernel did not try.
struct clinux_send {
  void *owner;
  const void *bytes;
  uint32_t byte_count;
  int32_t descriptor;
  int32_t result;
};

#define CLINUX_NOT_SENT INT32_MIN

// io_uring_enter: submits, waits for completions, and returns how many submissions were taken, or -1 and errno.
typedef int (*clinux_ring_enter)(int descriptor, uint32_t submissions, uint32_t completions);
int clinux_ring_enter_kernel(int descriptor, uint32_t submissions, uint32_t completions);

// A ring for up to `count` sends (a power of two), for the calling thread alone. NULL and errno when the kernel has no
// io_uring, does not allow it, or lacks what makes it worth while (Linux 6.1). `enter` is clinux_ring_enter_kernel, or what stands
// for a kernel that does what kernels seldom do.
struct clinux_send_ring *clinux_send_ring_open(uint32_t count, clinux_ring_enter enter);
void clinux_send_ring_close(struct clinux_send_ring *ring);

// Does all sends without ever waiting for a socket, and fills in their results: the kernel is done with all bytes when this returns.
// 0, or an errno value when the ring has failed and must not be used again; some results are CLINUX_NOT_SENT then.
int clinux_send_ring_run(struct clinux_send_ring *ring, struct clinux_send *sends, uint32_t count);

#endif
