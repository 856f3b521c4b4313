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
 * Writes one aligned word at AT, where WAS stands, if the SIZE bytes at MARK are those of EXPECTED: all in one and the
 * same image, also if the process executes another program meanwhile. False with errno: ESRCH if it is another one, or
 * gone. (An open /proc/PID/mem stays that of the memory which was there when it was opened, proc_mem_open() in
 * fs/proc/base.c; the kernel copies within one page by memcpy, so that a reader sees the old word or the new one.)
 */
struct remote_word {
    uintptr_t at;
    uint32_t was, is;
};
bool remote_write(pid_t pid, struct remote_word word, uintptr_t mark, const void *expected, size_t size);

#endif
