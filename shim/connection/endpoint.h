/* Both ends of a connection, as the kernel names them. Keep errno; safe in signal handlers. */
#ifndef TRUEFIN_ENDPOINT_H
#define TRUEFIN_ENDPOINT_H

#include "policy.h"

#include <sys/socket.h>

struct endpoint {
    bool known;    /* false: not connected, or no IP socket */
    uint16_t port; /* host order */
    struct address address;
};

/* One getsockname(2), one getpeername(2). */
struct endpoint endpoint_local(int fd);
struct endpoint endpoint_peer(int fd);

/* From what the program gave to connect(2), SIZE bytes long. */
struct endpoint endpoint_of(const struct sockaddr *from, socklen_t size);

#endif
