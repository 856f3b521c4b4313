#include "stops.h"

#include "config.h"
#include "ends.h"
#include "holders.h"
#include "judge.h"
#include "proc.h"
#include "restart.h"
#include "resume.h"
#include "task.h"
#include "tracee.h"

#include <signal.h>
#include <stdint.h>
#include <sys/ptrace.h>

/* ptrace(2), "Stopped states". */
enum stop {
    STOP_SIGNAL,  /* is about to be delivered */
    STOP_SYSCALL, /* begins or ends */
    STOP_GROUP,   /* SIGSTOP or a kin of it stops the process */
    STOP_SEIZED,  /* PTRACE_EVENT_STOP without that: a thread's first stop, or SIGCONT */
    STOP_BIRTH,
    STOP_EXEC,
    STOP_EXIT,
    STOP_OTHER,
};

enum { SYSCALL_STOP = SIGTRAP | 0x80 };

static bool stops_groups(int number)
{
    return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

static enum stop what_for(int code)
{
    switch (code >> 8) {
    case 0:
        return code == SYSCALL_STOP ? STOP_SYSCALL : STOP_SIGNAL;
    case PTRACE_EVENT_STOP:
        return stops_groups(code & UINT8_MAX) ? STOP_GROUP : STOP_SEIZED;
    case PTRACE_EVENT_FORK:
    case PTRACE_EVENT_VFORK:
    case PTRACE_EVENT_CLONE:
        return STOP_BIRTH;
    case PTRACE_EVENT_EXEC:
        return STOP_EXEC;
    case PTRACE_EVENT_EXIT:
        return STOP_EXIT;
    default:
        return STOP_OTHER;
    }
}

/*
 * Who is told to abort after all is not asked any more, even if a handler makes a plain exit of it, as Go's
 * does.
 */
static void signalled(const struct task *task, int number)
{
    if ((number == SIGTERM || number == SIGINT) && (config.stop_signals >> number & 1) &&
        proc_handles(task->tid, number))
        task_process(task)->first.asked_to_stop = true;
    if (number == SIGABRT)
        task_process(task)->first.asked_to_stop = false;
}

static bool is_fault(int number)
{
    return number == SIGSEGV || number == SIGBUS || number == SIGILL || number == SIGFPE ||
           number == SIGTRAP || number == SIGSYS;
}

/*
 * A fault without a handler does not kill process 1 of a pid namespace while it is traced (kernel/signal.c,
 * force_sig_info_to_task()): it would fault for ever. A signal that somebody sends it does not either way.
 */
static bool dies_untraced(pid_t tid, int number)
{
    siginfo_t info;
    return is_fault(number) && !proc_handles(tid, number) && proc_is_init(tid) &&
           ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) == 0 && info.si_code > 0;
}

/*
 * Process 1 of a pid namespace is stopped from outside only, where no process has a number in it. Traced, it
 * would be by its own.
 */
static bool stops_nobody(pid_t tid, int number)
{
    siginfo_t info;
    return number == SIGSTOP && proc_is_init(tid) && ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) == 0 &&
           info.si_pid != 0;
}

/* It is known from now on: its parent may die before anything is heard of it. */
static void born(const struct task *parent, pid_t tid)
{
    const struct task *child = task_get(tid);
    if (!parent || !child)
        return;
    struct process *process = task_process(child);
    task_forks(process, task_process(parent));
    holders_see_birth(process, task_process(parent));
    if (process != task_process(parent) && !process->given)
        process->given = judge_birth(tid);
}

/* Which signal it goes on with; 0 for none. */
static int heard(struct task *task, int number)
{
    restart_notified(task->tid);
    signalled(task, number);
    return resume_at_signal(task, stops_nobody(task->tid, number) ? 0 : number);
}

void stops_at(pid_t tid, int code)
{
    const enum stop stop = what_for(code);
    const int number = code & UINT8_MAX;
    int delivered = stop == STOP_SIGNAL ? number : 0;
    struct task *task = task_get(tid);
    if (stop == STOP_EXEC) {
        ends_program(tid, code);
        return;
    }
    if (stop == STOP_BIRTH)
        born(task, (pid_t)tracee_message(tid));
    if (task) {
        switch (stop) {
        case STOP_EXIT:
            ends_exits(task);
            return;
        case STOP_GROUP:
            resume_at_stop(task);
            break;
        case STOP_SEIZED:
            resume_at_signal(task, 0);
            break;
        case STOP_SYSCALL:
            resume_at_syscall(task);
            break;
        case STOP_SIGNAL:
            if (dies_untraced(tid, number)) {
                ends_of_signal(task, number);
                return;
            }
            delivered = heard(task, number);
            break;
        default:
            break;
        }
    }
    if (stop == STOP_GROUP)
        ptrace(PTRACE_LISTEN, tid, NULL, NULL);
    else
        tracee_go_on(tid, task, code, delivered);
}
