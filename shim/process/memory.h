/*
 * Memory of the program's that the kernel has not accepted yet.
 *
 * The rule for every hook: a pointer of the program's is read after the real call, when the kernel has
 * accepted it, or by memory_copy(). What answers EFAULT without us must not be a SIGSEGV with us.
 */
#ifndef TRUEFIN_MEMORY_H
#define TRUEFIN_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Copies SIZE bytes from FROM. False if any of them cannot be read; never faults. process_vm_readv(2) on
 * oneself, which needs no right (mm_access in kernel/fork.c). Where a filter was inherited, or the kernel has
 * no such call, each page is tried by rt_sigprocmask(2) with a command that does not exist: then a page that
 * another thread unmaps at this very moment still faults. Two system calls: not for the ordinary path. Keeps
 * errno. Safe in signal handlers; not in a vfork child.
 */
bool memory_copy(void *to, const void *from, size_t size);

#endif
