/* How many TCP sockets has a process, and how many of them are connections? From /proc, without touching them. */
#ifndef TRUEFIN_OPERATE_SOCKETS_H
#define TRUEFIN_OPERATE_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct tcp_count {
    size_t sockets;     /* listeners too */
    size_t connections; /* neither listening nor closed */
};

/* False with errno if the descriptors of PID cannot be seen. What the kernel lists is read once for a network namespace. */
bool sockets_count(struct tcp_count *count, pid_t pid);

#endif
