#include "hooks/close.h"

#include "config.h"
#include "connection/table.h"
#include "judge/birth.h"
#include "judge/deferred.h"
#include "judge/source.h"
#include "judge/verdict.h"
#include "keep_errno.h"
#include "kept/keep.h"
#include "libc.h"
#include "process/process.h"
#include "stdio_buffer.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stdio_ext.h>
#include <sys/resource.h>

void close_begins(int fd)
{
    source_forgets(fd);
    if (table_knows(fd) && process_enter())
        deferred_close(fd, 0);
}

bool close_is_of_kept(int fd)
{
    return keep_holds(fd) && process_enter();
}

HOOK int close(int fd)
{
    if (close_is_of_kept(fd)) {
        errno = EBADF;
        return -1;
    }
    close_begins(fd);
    return real(close)(fd);
}

/*
 * Will the kernel put FROM over NUMBER? (ksys_dup3, fs/file.c) A connection may stand above a limit that was
 * set later.
 */
static bool will_replace(int from, int number)
{
    struct rlimit limit;
    if (from == number || real(fcntl)(from, F_GETFD) < 0)
        return false;
    return !table_find(number) || getrlimit(RLIMIT_NOFILE, &limit) != 0 || (rlim_t)number < limit.rlim_cur;
}

void close_before_dup(int old, int new, int flags)
{
    int saved = errno;
    if (!(flags & ~O_CLOEXEC) && (table_knows(new) || keep_holds(new)) && will_replace(old, new)) {
        if (close_is_of_kept(new)) {
            deferred_give_up(new);
            keep_give_up(new);
        } else {
            close_begins(new);
        }
    }
    errno = saved;
    birth_begin();
}

HOOK int dup2(int old, int new)
{
    close_before_dup(old, new, 0);
    return birth_duplicate(old, real(dup2)(old, new));
}

HOOK int dup3(int old, int new, int flags)
{
    close_before_dup(old, new, flags);
    return birth_duplicate(old, real(dup3)(old, new, flags));
}

/* Kernels before 5.9, and some filters, refuse close_range(2): ask with a range that holds nothing. */
static bool close_range_works(close_range_call *call)
{
    KEEP_ERRNO;
    bool works = call(UINT_MAX, UINT_MAX, 0) == 0;
    return works;
}

/* All but what is our own, and the kernel's answer. */
static int close_around(close_range_call *call, unsigned first, unsigned last)
{
    int own;
    while (first <= last && (own = keep_next(first, last)) >= 0) {
        if ((unsigned)own > first && call(first, (unsigned)own - 1, 0) != 0)
            return -1;
        first = (unsigned)own + 1;
    }
    return first <= last ? call(first, last, 0) : 0;
}

/* The calling thread leaves the others, and so our own, which would keep open whatever it closes from then on. */
static int close_unshared(close_range_call *call, unsigned first, unsigned last, int flags)
{
    deferred_end();
    keep_halt();
    int result = call(first, last, flags);
    keep_resume();
    return result;
}

int close_range_begins(close_range_call *call, unsigned first, unsigned last, int flags)
{
    /* With UNSHARE a thread leaves the descriptors of the others alone. */
    bool closes = first <= last && (flags == 0 || (flags == CLOSE_RANGE_UNSHARE && process_has_one_thread()));
    if (closes && first <= INT_MAX && table_next((int)first, last) >= 0 && process_enter() &&
        close_range_works(call))
        deferred_close_range(first, last);
    if (keep_next(0, UINT_MAX) < 0 || !process_enter())
        return call(first, last, flags);
    if (flags & CLOSE_RANGE_UNSHARE)
        return close_unshared(call, first, last, flags);
    return flags == 0 && first <= last ? close_around(call, first, last) : call(first, last, flags);
}

HOOK int close_range(unsigned first, unsigned last, int flags)
{
    return close_range_begins(real(close_range), first, last, flags);
}

HOOK void closefrom(int low)
{
    if (process_enter())
        deferred_close_range(low < 0 ? 0 : (unsigned)low, UINT_MAX);
    KEEP_ERRNO;
    bool around = keep_next(0, UINT_MAX) >= 0 && process_enter();
    if (!around || close_around(real(close_range), low < 0 ? 0 : (unsigned)low, UINT_MAX) != 0)
        real(closefrom)(low);
}

/* 0, or the error of writing what was in the buffer, of which the real call will find nothing any more. */
static int stream_ends(FILE *stream)
{
    int saved = errno;
    int error = 0;
    int fd = fileno(stream);
    errno = saved;
    if (!table_knows(fd) || !process_enter())
        return 0;
    size_t unread = stdio_unread(stream);
    /* A lingering connection's FIN goes out before the real call could write it, and an abort would destroy it. */
    if (config.keeps && table_find(fd) && __fpending(stream) > 0 && fflush(stream) != 0)
        error = errno;
    errno = saved;
    deferred_close(fd, unread);
    return error;
}

/* As glibc's (libio/iofclose.c): an error of the close itself is the one that is told. */
HOOK int fclose(FILE *stream)
{
    int error = stream_ends(stream);
    int result = real(fclose)(stream);
    if (result != 0 || error == 0)
        return result;
    errno = error;
    return EOF;
}

/* Errors of the old stream are none of freopen(3)'s. */

HOOK FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    stream_ends(stream);
    return real(freopen)(path, mode, stream);
}

HOOK FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
    return freopen(path, mode, stream);
}
