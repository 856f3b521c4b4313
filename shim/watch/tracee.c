#include "tracee.h"

#include "holders.h"
#include "word.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

enum { EXIT_STOP = SIGTRAP | PTRACE_EVENT_EXIT << 8 };

bool tracee_seize(pid_t pid)
{
    /* No EXITKILL: without us the program goes on. */
    const uintptr_t options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                              PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD;
    holders_begin(pid);
    return ptrace(PTRACE_SEIZE, pid, NULL, word(options)) == 0 && task_get(pid);
}

/*
 * It is not in the stop for CODE any more: it runs, as ptrace(2) then says, or has stopped to exit. (Only a
 * SIGTRAP that somebody has sent can look like that.)
 */
static bool was_killed(pid_t tid, int code)
{
    siginfo_t info = {.si_code = 0};
    if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) != 0)
        return errno == ESRCH;
    return code != SIGTRAP && code >> 8 != PTRACE_EVENT_EXIT && info.si_signo == SIGTRAP &&
           info.si_code == EXIT_STOP;
}

/* One that runs now does not come so far so soon. */
void tracee_go_on(pid_t tid, const struct task *task, int code, int number)
{
    if (!was_killed(tid, code))
        ptrace(task && task->call ? PTRACE_SYSCALL : PTRACE_CONT, tid, NULL, word((uintptr_t)number));
}

void tracee_let_die(struct task *task, int number)
{
    if (ptrace(PTRACE_DETACH, task->tid, NULL, word((uintptr_t)number)) == 0)
        task_forget(task);
}

unsigned long tracee_message(pid_t tid)
{
    unsigned long value = 0;
    ptrace(PTRACE_GETEVENTMSG, tid, NULL, &value);
    return value;
}

unsigned tracee_architecture(pid_t tid)
{
    struct __ptrace_syscall_info info = {.arch = 0};
    ptrace(PTRACE_GET_SYSCALL_INFO, tid, word(sizeof info), &info);
    return info.arch;
}

int tracee_wait(pid_t tid)
{
    siginfo_t info = {.si_pid = 0};
    waitid(P_PID, (id_t)tid, &info, WSTOPPED | WNOHANG | __WALL);
    return info.si_pid ? info.si_status : 0;
}
