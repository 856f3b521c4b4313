#include "remote.h"

#include "watch/word.h"

#include <errno.h>
#include <sys/uio.h>

bool remote_read(pid_t pid, uintptr_t at, void *out, size_t size)
{
    const struct iovec to = {.iov_base = out, .iov_len = size};
    const struct iovec from = {.iov_base = word(at), .iov_len = size};
    const ssize_t got = process_vm_readv(pid, &to, 1, &from, 1, 0);
    if (got >= 0 && (size_t)got != size)
        errno = EFAULT;
    return got >= 0 && (size_t)got == size;
}

bool remote_write(pid_t pid, uintptr_t at, uint32_t value)
{
    const struct iovec from = {.iov_base = &value, .iov_len = sizeof value};
    const struct iovec to = {.iov_base = word(at), .iov_len = sizeof value};
    return process_vm_writev(pid, &from, 1, &to, 1, 0) == sizeof value;
}
