#include "CLuaShim.h"

bool tide_buffer_grow(tide_buffer *buffer, size_t extra) {
  size_t wanted = buffer->length + extra;
  size_t capacity = buffer->capacity ? buffer->capacity : 256;
  if (wanted < extra || wanted > SIZE_MAX / 4) {
    buffer->failed = true;
    return false;
  }
  while (capacity < wanted) capacity *= 2;
  uint8_t *base = realloc(buffer->base, capacity);
  if (!base) {
    buffer->failed = true;
    return false;
  }
  buffer->base = base;
  buffer->capacity = capacity;
  return true;
}
