#include "connect.h"

#include "deadline.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* "127.0.0.1:80", "[::1]:80" */
static void print_address(char *out, size_t size, const struct sockaddr *address, socklen_t length)
{
    char host[64];
    char port[8];
    if (getnameinfo(address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        snprintf(out, size, "?");
    else
        snprintf(out, size, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static struct addrinfo *look_up(const struct options *o)
{
    struct addrinfo hints = {.ai_family = o->family, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(o->host, o->port, &hints, &list);
    if (error)
        fail(EXIT_UNCONNECTED, "cannot look up \"%s\" port \"%s\": %s", o->host, o->port,
             error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    return list;
}

static int new_socket(const struct addrinfo *address)
{
    return socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                  address->ai_protocol);
}

int pending_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

/*
 * Connects to one address. Returns the descriptor, or -1 with errno set: ETIMEDOUT also at our deadline. ECONNRESET is
 * no failure to connect (that is ECONNREFUSED): the connection was made and is over already, and the bytes that it
 * brought can be read. The report keeps this error, because SO_ERROR has taken it from the socket.
 */
static int connect_one(const struct addrinfo *address, int64_t deadline, struct report *r)
{
    int error = 0;
    int fd = new_socket(address);
    if (fd < 0)
        return -1;
    if (connect(fd, address->ai_addr, address->ai_addrlen)) {
        error = errno;
        if (error == EINPROGRESS)
            error = wait_for(fd, POLLOUT, deadline) ? pending_error(fd) : ETIMEDOUT;
    }
    if (error && error != ECONNRESET) {
        close(fd);
        errno = error;
        return -1;
    }
    r->taken = error;
    print_address(r->peer, sizeof r->peer, address->ai_addr, address->ai_addrlen);
    return fd;
}

int connect_any(const struct options *o, int64_t deadline, struct report *r)
{
    struct addrinfo *list = look_up(o);
    int fd = -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = connect_one(a, deadline, r);
    int error = errno;
    freeaddrinfo(list);
    errno = error;
    return fd;
}

/* Binds to the first address that lets us. Returns the listener, or -1 with errno set. */
static int listen_any(const struct options *o)
{
    struct addrinfo *list = look_up(o);
    int fd = -1;
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = new_socket(a);
        if (fd < 0) {
            error = errno;
            continue;
        }
        int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1)) {
            error = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    errno = error;
    return fd;
}

static void announce(int listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[64] = "?";
    char port[8] = "?";
    getsockname(listener, (struct sockaddr *)&address, &length);
    getnameinfo((const struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    fprintf(stderr, "listening on %s port %s\n", host, port);
}

int accept_one(const struct options *o, int64_t deadline, struct report *r)
{
    int listener = listen_any(o);
    if (listener < 0)
        return -1;
    announce(listener);
    for (;;) {
        if (!wait_for(listener, POLLIN, deadline)) {
            close(listener);
            errno = ETIMEDOUT;
            return -1;
        }
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof address;
        int fd = accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int error = errno;
        if (fd < 0 && (error == EAGAIN || error == EINTR || error == ECONNABORTED))
            continue;
        if (fd >= 0)
            print_address(r->peer, sizeof r->peer, (struct sockaddr *)&address, length);
        close(listener);
        errno = error;
        return fd;
    }
}

void note_local_address(int fd, struct report *r)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (!getsockname(fd, (struct sockaddr *)&address, &length))
        print_address(r->local, sizeof r->local, (struct sockaddr *)&address, length);
}
