#include "remote.h"

#include "watch/word.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PATH_SIZE = 64, MOST_EXPECTED = 64 };

bool remote_read(pid_t pid, uintptr_t at, void *out, size_t size)
{
    const struct iovec to = {.iov_base = out, .iov_len = size};
    const struct iovec from = {.iov_base = word(at), .iov_len = size};
    const ssize_t got = process_vm_readv(pid, &to, 1, &from, 1, 0);
    if (got >= 0 && (size_t)got != size)
        errno = EFAULT;
    return got >= 0 && (size_t)got == size;
}

static bool reads_as(int memory, uintptr_t at, const void *expected, size_t size)
{
    char there[MOST_EXPECTED] = {0};
    errno = 0;
    const ssize_t got = size <= sizeof there ? pread(memory, there, size, (off_t)at) : -1;
    if (got == (ssize_t)size && memcmp(there, expected, size) == 0)
        return true;
    if (got >= 0 || errno == EIO)
        errno = ESRCH;
    return false;
}

bool remote_write(pid_t pid, const struct remote_change *change)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "/proc/%d/mem", pid);
    const int memory = open(path, O_RDWR | O_CLOEXEC);
    if (memory < 0) {
        errno = errno == ENOENT ? ESRCH : errno;
        return false;
    }
    const bool written = reads_as(memory, change->mark, change->expected, change->expected_size) &&
                         reads_as(memory, change->at, change->was, change->size) &&
                         pwrite(memory, change->is, change->size, (off_t)change->at) == (ssize_t)change->size;
    const int error = errno;
    close(memory);
    errno = error;
    return written;
}
