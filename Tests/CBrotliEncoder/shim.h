// The encoder of the system's Brotli, which only tests need: the program does not link it.
#include <brotli/encode.h>
