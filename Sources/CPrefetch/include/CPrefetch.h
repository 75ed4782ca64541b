// Hints to the processor's caches, which Swift has no word for.
#ifndef CPREFETCH_H
#define CPREFETCH_H

#include <stddef.h>
#include <stdint.h>

// Has the processor fetch these bytes into its nearest cache, without waiting for them. Any address will do, and nothing is read or
// changed. A count known to the compiler makes it a few instructions without a branch.
__attribute__((always_inline)) static inline void cprefetch(const void *start, size_t byte_count) {
  uintptr_t first = (uintptr_t)start;
  for (size_t offset = 0; offset < byte_count; offset += 64) __builtin_prefetch((const void *)(first + offset));
  // What does not begin with a line of the cache ends in one more.
  __builtin_prefetch((const void *)(first + byte_count - 1));
}

#endif
