/*
 * Calls of our own under names that libtruefin-io.so takes for waits of the program's. By syscall(2) they pass it by. As
 * the functions of these names, but that none is a point of cancellation.
 */
#ifndef TRUEFIN_OWN_CALLS_H
#define TRUEFIN_OWN_CALLS_H

#include "libc.h"

#include <sys/syscall.h>

/* What is true of ONE at this moment? */
static inline int own_poll_now(struct pollfd *one)
{
    const struct timespec none = {0};
    return (int)real(syscall)(SYS_ppoll, one, 1, &none, NULL, 0);
}

static inline ssize_t own_read(int fd, void *data, size_t size)
{
    return real(syscall)(SYS_read, fd, data, size);
}

static inline ssize_t own_recv(int fd, void *data, size_t size, int flags)
{
    return real(syscall)(SYS_recvfrom, fd, data, size, flags, NULL, NULL);
}

static inline int own_waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
    return (int)real(syscall)(SYS_waitid, type, id, info, options, NULL);
}

/* Takes a pending signal of SET away. */
static inline void own_take_signal(const sigset_t *set)
{
    enum { KERNEL_SIZE = 8 }; /* bytes of a set */
    const struct timespec none = {0};
    real(syscall)(SYS_rt_sigtimedwait, set, NULL, &none, KERNEL_SIZE);
}

#endif
