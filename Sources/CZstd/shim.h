// The system's Zstandard, entered only through TideCoding.
#include <zstd.h>
#include <zstd_errors.h>
