#include "connection/endpoint.h"

#include "keep_errno.h"

#include <netinet/in.h>
#include <string.h>

struct endpoint endpoint_of(const struct sockaddr *from, socklen_t size)
{
    struct endpoint end = {0};
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } name = {.any.sa_family = AF_UNSPEC};
    memcpy(&name, from, size < sizeof name ? size : sizeof name);
    if (name.any.sa_family == AF_INET6) {
        end.known = true;
        end.port = ntohs(name.ipv6.sin6_port);
        memcpy(end.address.bytes, &name.ipv6.sin6_addr, sizeof end.address.bytes);
    } else if (name.any.sa_family == AF_INET) {
        end.known = true;
        end.port = ntohs(name.ipv4.sin_port);
        end.address.bytes[10] = end.address.bytes[11] = 0xff;
        memcpy(end.address.bytes + 12, &name.ipv4.sin_addr, sizeof name.ipv4.sin_addr);
    }
    return end;
}

static struct endpoint ask(int fd, int (*call)(int, struct sockaddr *, socklen_t *))
{
    KEEP_ERRNO;
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof name;
    call(fd, (struct sockaddr *)&name, &size);
    return endpoint_of((struct sockaddr *)&name, sizeof name);
}

struct endpoint endpoint_local(int fd)
{
    return ask(fd, getsockname);
}

struct endpoint endpoint_peer(int fd)
{
    return ask(fd, getpeername);
}
