/* The memory of another process (process_vm_readv(2)): of one that may be traced, which is not stopped for it. */
#ifndef TRUEFIN_REMOTE_H
#define TRUEFIN_REMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* SIZE bytes from the address AT on. False with errno: EPERM, ESRCH, EFAULT for what is not mapped. */
bool remote_read(pid_t pid, uintptr_t at, void *out, size_t size);

/*
 * A change of SIZE bytes, one aligned word at most, at AT: only where WAS stands there, and at MARK what is EXPECTED.
 */
struct remote_change {
    uintptr_t at, mark;
    const void *was, *is, *expected;
    size_t size, expected_size;
};

/*
 * Makes it, all in one and the same image, also if the process executes another program meanwhile. False with errno:
 * ESRCH if it is another one, or gone. (An open /proc/PID/mem stays that of the memory which was there when it was
 * opened, proc_mem_open() in fs/proc/base.c; the kernel copies within one page by memcpy, so that a reader sees the
 * old word or the new one.)
 */
bool remote_write(pid_t pid, const struct remote_change *change);

#endif
