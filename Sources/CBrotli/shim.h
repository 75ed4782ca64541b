// The decoder of the system's Brotli, entered only through TideCoding.
#include <brotli/decode.h>
