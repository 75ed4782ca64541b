#define _GNU_SOURCE
#include "CLinuxSendRing.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

struct clinux_send_ring {
  int descriptor;
  clinux_ring_enter enter;
  uint32_t entry_mask, completion_mask;
  uint32_t *tail, *completion_head, *completion_tail;
  struct io_uring_sqe *entries;
  struct io_uring_cqe *completions;
  void *rings;
  size_t rings_size, entries_size;
};

// All completions come from inside io_uring_enter: no interrupt of the worker, no other thread.
static const uint32_t flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL;

int clinux_ring_enter_kernel(int descriptor, uint32_t submissions, uint32_t completions) {
  return (int)syscall(SYS_io_uring_enter, descriptor, submissions, completions, IORING_ENTER_GETEVENTS, NULL, 0);
}

struct clinux_send_ring *clinux_send_ring_open(uint32_t count, clinux_ring_enter enter) {
  struct io_uring_params given = {.flags = flags};
  int descriptor = (int)syscall(SYS_io_uring_setup, count, &given);
  if (descriptor < 0) return NULL;
  struct clinux_send_ring *ring = calloc(1, sizeof *ring);
  if (!ring || !(given.features & IORING_FEAT_SINGLE_MMAP)) {
    free(ring);
    close(descriptor);
    errno = ENOSYS;
    return NULL;
  }
  ring->descriptor = descriptor;
  ring->enter = enter;
  size_t submissions = given.sq_off.array + given.sq_entries * sizeof(uint32_t);
  size_t completions = given.cq_off.cqes + given.cq_entries * sizeof(struct io_uring_cqe);
  ring->rings_size = submissions > completions ? submissions : completions;
  ring->entries_size = given.sq_entries * sizeof(struct io_uring_sqe);
  int protection = PROT_READ | PROT_WRITE, kind = MAP_SHARED | MAP_POPULATE;
  ring->rings = mmap(NULL, ring->rings_size, protection, kind, descriptor, IORING_OFF_SQ_RING);
  ring->entries = mmap(NULL, ring->entries_size, protection, kind, descriptor, IORING_OFF_SQES);
  if (ring->rings == MAP_FAILED || ring->entries == MAP_FAILED) {
    int error = errno;
    clinux_send_ring_close(ring);
    errno = error;
    return NULL;
  }
  char *base = ring->rings;
  ring->entry_mask = given.sq_entries - 1;
  ring->completion_mask = given.cq_entries - 1;
  ring->tail = (uint32_t *)(base + given.sq_off.tail);
  ring->completion_head = (uint32_t *)(base + given.cq_off.head);
  ring->completion_tail = (uint32_t *)(base + given.cq_off.tail);
  ring->completions = (struct io_uring_cqe *)(base + given.cq_off.cqes);
  uint32_t *order = (uint32_t *)(base + given.sq_off.array);
  memset(ring->entries, 0, ring->entries_size);
  for (uint32_t i = 0; i < given.sq_entries; i++) {
    order[i] = i;
    // The kernel changes no entry, so that these are written once.
    ring->entries[i].opcode = IORING_OP_SEND;
    ring->entries[i].msg_flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  }
  return ring;
}

void clinux_send_ring_close(struct clinux_send_ring *ring) {
  if (ring->rings != MAP_FAILED) munmap(ring->rings, ring->rings_size);
  if (ring->entries != MAP_FAILED) munmap(ring->entries, ring->entries_size);
  close(ring->descriptor);
  free(ring);
}

static uint32_t reap(struct clinux_send_ring *ring, struct clinux_send *sends) {
  uint32_t head = *ring->completion_head, reaped = 0;
  uint32_t tail = __atomic_load_n(ring->completion_tail, __ATOMIC_ACQUIRE);
  for (; head != tail; head++, reaped++) {
    const struct io_uring_cqe *done = &ring->completions[head & ring->completion_mask];
    sends[done->user_data].result = done->res;
  }
  __atomic_store_n(ring->completion_head, head, __ATOMIC_RELEASE);
  return reaped;
}

int clinux_send_ring_run(struct clinux_send_ring *ring, struct clinux_send *sends, uint32_t count) {
  uint32_t begin = *ring->tail;
  for (uint32_t i = 0; i < count; i++) {
    struct io_uring_sqe *entry = &ring->entries[(begin + i) & ring->entry_mask];
    entry->fd = sends[i].descriptor;
    entry->addr = (uintptr_t)sends[i].bytes;
    entry->len = sends[i].byte_count;
    entry->user_data = i;
    sends[i].result = CLINUX_NOT_SENT;
  }
  __atomic_store_n(ring->tail, begin + count, __ATOMIC_RELEASE);
  uint32_t submitted = 0, completed = 0;
  while (completed < count) {
    // MSG_DONTWAIT: a send completes, if only with EAGAIN, before its submission returns. Nothing is waited for.
    int taken = ring->enter(ring->descriptor, count - submitted, count - completed);
    int error = taken < 0 ? errno : 0;
    if (taken > 0) submitted += (uint32_t)taken;
    completed += reap(ring, sends);
    if (taken > 0 || error == EINTR || completed == count) continue;
    // What the kernel has not taken is taken back. Of what it has taken and not completed, nobody knows how much was sent.
    for (uint32_t i = 0; i < submitted; i++) {
      if (sends[i].result == CLINUX_NOT_SENT) sends[i].result = -EIO;
    }
    __atomic_store_n(ring->tail, begin + submitted, __ATOMIC_RELEASE);
    return error ? error : EIO;
  }
  return 0;
}
