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
 * One aligned word. The kernel copies within one page by memcpy, so that a reader sees the old or the new one.
 */
bool remote_write(pid_t pid, uintptr_t at, uint32_t word);

#endif
