#include "restart.h"

#include "filter.h"
#include "notices.h"

#include <linux/audit.h>
#include <stddef.h>
#include <sys/ptrace.h>
#include <sys/user.h>

enum { ERESTARTSYS = 512, ERESTARTNOINTR = 513 }; /* include/linux/errno.h of the kernel */
enum { CODE_32 = 0x23 };

/* None of these calls answers ERESTARTSYS itself: close(2) makes EINTR of it (fs/open.c), and the others do not wait. */
void restart_notified(pid_t tid)
{
    struct user_regs_struct regs;
    if (!notices_are_on() || ptrace(PTRACE_GETREGS, tid, NULL, &regs) != 0 || (long)regs.rax != -ERESTARTSYS)
        return;
    const unsigned arch = regs.cs == CODE_32 ? AUDIT_ARCH_I386 : AUDIT_ARCH_X86_64;
    if (!filter_has(arch, (long)regs.orig_rax))
        return;
    regs.rax = (unsigned long long)-ERESTARTNOINTR;
    ptrace(PTRACE_SETREGS, tid, NULL, &regs);
}
