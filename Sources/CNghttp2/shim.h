// The system's libnghttp2, entered only through TideHTTP2.
#include <nghttp2/nghttp2.h>
