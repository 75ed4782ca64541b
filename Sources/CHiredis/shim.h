// The system's libhiredis, entered only through TideStore.
#ifndef CHIREDIS_SHIM_H
#define CHIREDIS_SHIM_H

#include <hiredis/hiredis.h>

// What went wrong last; empty when nothing has. An array in the structure, which Swift would see as a tuple.
static inline const char *chiredis_error(const redisContext *context) { return context->errstr; }

// Whether commands wait to be written.
static inline int chiredis_has_output(const redisContext *context) { return context->obuf[0] != 0; }

#endif
