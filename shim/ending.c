#include "ending.h"

#include "birth.h"
#include "libc.h"
#include "sink.h"
#include "stdio_buffer.h"
#include "table.h"
#include "tree.h"
#include "verdict.h"

#include <errno.h>
#include <limits.h>
#include <linux/close_range.h>
#include <sys/single_threaded.h>

void ending_of(int fd)
{
    if (table_knows(fd) && tree_enter())
        verdict_close(fd, 0);
}

/* In a vfork child it is the child's. */
static void stderr_ends(void)
{
    if (tree_enter())
        sink_stderr_closed();
}

HOOK int close(int fd)
{
    if (fd == STDERR_FILENO)
        stderr_ends();
    ending_of(fd);
    return real(close)(fd);
}

/* What dup2 and dup3 put NEW over ends, unless the call is going to fail. */
static void replaced(int old, int new)
{
    if (table_knows(new) && old != new &&real(fcntl)(old, F_GETFD) >= 0)
        ending_of(new);
}

HOOK int dup2(int old, int new)
{
    int saved = errno;
    replaced(old, new);
    errno = saved;
    return birth_duplicate(old, real(dup2)(old, new));
}

HOOK int dup3(int old, int new, int flags)
{
    int saved = errno;
    if (!(flags & ~O_CLOEXEC))
        replaced(old, new);
    errno = saved;
    return birth_duplicate(old, real(dup3)(old, new, flags));
}

/* Kernels before 5.9, and some filters, refuse close_range(2): ask with a range that holds nothing. */
static bool close_range_works(void)
{
    int saved = errno;
    bool works = real(close_range)(UINT_MAX, UINT_MAX, 0) == 0;
    errno = saved;
    return works;
}

HOOK int close_range(unsigned first, unsigned last, int flags)
{
    /* With UNSHARE a thread leaves the descriptors of the others alone. */
    bool closes = first <= last && (flags == 0 || (flags == CLOSE_RANGE_UNSHARE && __libc_single_threaded));
    if (closes && first <= INT_MAX && table_next((int)first, last) >= 0 && tree_enter() &&
        close_range_works())
        verdict_close_range(first, last);
    return real(close_range)(first, last, flags);
}

HOOK void closefrom(int low)
{
    if (tree_enter())
        verdict_close_range(low < 0 ? 0 : (unsigned)low, UINT_MAX);
    real(closefrom)(low);
}

static void stream_ends(FILE *stream)
{
    int saved = errno;
    int fd = fileno(stream);
    errno = saved;
    if (table_knows(fd) && tree_enter())
        verdict_close(fd, stdio_unread(stream));
}

HOOK int fclose(FILE *stream)
{
    stream_ends(stream);
    return real(fclose)(stream);
}

HOOK FILE *freopen(const char *path, const char *mode, FILE *stream)
{
    stream_ends(stream);
    return real(freopen)(path, mode, stream);
}

HOOK FILE *freopen64(const char *path, const char *mode, FILE *stream)
{
    return freopen(path, mode, stream);
}
