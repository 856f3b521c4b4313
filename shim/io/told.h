/* Tells libtruefin.so what was read and written (judge/relayed.h): nothing where that is not loaded. All keep errno. */
#ifndef TRUEFIN_TOLD_H
#define TRUEFIN_TOLD_H

#include "judge/relayed.h"

#pragma weak truefin_has_read
#pragma weak truefin_has_received
#pragma weak truefin_has_read_message
#pragma weak truefin_has_read_messages
#pragma weak truefin_has_written
#pragma weak truefin_has_written_message
#pragma weak truefin_has_written_messages
#pragma weak truefin_has_moved
#pragma weak truefin_has_pipe

static inline ssize_t told_read(int fd, void *data, size_t size, ssize_t result)
{
    const struct iovec part = {.iov_base = data, .iov_len = size};
    if (truefin_has_read)
        truefin_has_read(fd, &part, 1, result);
    return result;
}

static inline ssize_t told_received(int fd, void *data, size_t size, int flags, ssize_t result)
{
    const struct iovec part = {.iov_base = data, .iov_len = size};
    if (truefin_has_received)
        truefin_has_received(fd, &part, result, flags);
    return result;
}

static inline ssize_t told_read_parts(int fd, const struct iovec *parts, int count, ssize_t result)
{
    if (truefin_has_read)
        truefin_has_read(fd, parts, count > 0 ? (size_t)count : 0, result);
    return result;
}

static inline ssize_t told_written(int fd, const void *data, size_t size, ssize_t result)
{
    /* NOLINTNEXTLINE(performance-no-int-to-ptr): nothing is written there. */
    const struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    if (truefin_has_written)
        truefin_has_written(fd, &part, 1, result);
    return result;
}

static inline ssize_t told_written_parts(int fd, const struct iovec *parts, int count, ssize_t result)
{
    if (truefin_has_written)
        truefin_has_written(fd, parts, count > 0 ? (size_t)count : 0, result);
    return result;
}

static inline ssize_t told_moved(int from, int to, ssize_t result)
{
    if (truefin_has_moved)
        truefin_has_moved(from, to, result);
    return result;
}

static inline int told_pipe(const int ends[2], int result)
{
    if (result == 0 && truefin_has_pipe)
        truefin_has_pipe(ends);
    return result;
}

/* As much of a stream's data, which goes out later: in the same order. */
static inline void told_stream_written(FILE *stream, const void *data, size_t size)
{
    if (truefin_has_written && size > 0)
        told_written(fileno_unlocked(stream), data, size, (ssize_t)size);
}

/* Bytes of the program's own: of no part in memory. */
static inline void told_own(int fd)
{
    if (truefin_has_written)
        truefin_has_written(fd, NULL, 0, 1);
}

#endif
