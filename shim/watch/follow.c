#include "follow.h"

#include "judge.h"
#include "proc.h"
#include "startup.h"
#include "task.h"
#include "tracers.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* What ptrace(2) wants as pointers. */
static void *word(uintptr_t value)
{
    return (void *)value; /* NOLINT(performance-no-int-to-ptr) */
}

bool follow_seize(pid_t pid)
{
    /* No EXITKILL: without us the program goes on. */
    const uintptr_t options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                              PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT;
    return ptrace(PTRACE_SEIZE, pid, NULL, word(options)) == 0 && task_get(pid);
}

/* ESRCH: it was killed meanwhile, and waitpid will tell. */
static void go_on(pid_t tid, int number)
{
    ptrace(PTRACE_CONT, tid, NULL, word((uintptr_t)number));
}

static unsigned long message(pid_t tid)
{
    unsigned long value = 0;
    ptrace(PTRACE_GETEVENTMSG, tid, NULL, &value);
    return value;
}

static void learn_thread(void *data, int directory, const char *name)
{
    (void)data;
    (void)directory;
    pid_t tid = (pid_t)strtol(name, NULL, 10);
    if (!task_find(tid))
        task_get(tid);
}

/* Threads that were born and have not been heard of: asked for only when all others are exiting. */
static bool is_last(struct task *process)
{
    if (process->alive == 0)
        proc_each(process->tid, "task", learn_thread, NULL);
    return process->alive == 0;
}

/*
 * A thread may end alone: by exit(2) of its own, or by a seccomp filter, which gives SIGSYS. Everything else
 * takes the whole process.
 */
static bool is_whole(pid_t tid, int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) != SIGSYS;
    return proc_syscall(tid) != SYS_exit;
}

/*
 * Acts on the first thread that is seen dying with its process, since a later one may be killed so that it
 * does not stop any more; and on the last, since calls that were under way may have brought connections.
 */
static void exits(struct task *task)
{
    int status = (int)message(task->tid);
    struct task *process = task_process(task);
    task_exits(task);
    if (!judge_cares(process, status))
        return;
    if (is_last(process))
        judge_death(process, task->tid, status, true);
    else if (!process->judged && is_whole(task->tid, status))
        judge_death(process, task->tid, status, false);
}

/* If another thread than the first has execed, it goes on under the first one's number, and no end of its own
 * is told. */
static struct task *execs(pid_t tid)
{
    struct task *former = task_find((pid_t)message(tid));
    if (former && former->tid != tid)
        task_forget(former);
    struct task *process = task_get(tid);
    if (process) {
        task_execs(process);
        judge_exec(process);
    }
    return process;
}

static void signalled(const struct task *task, int number)
{
    if ((number == SIGTERM || number == SIGINT) && (config.stop_signals >> number & 1) &&
        proc_handles(task->tid, number))
        task_process(task)->asked_to_stop = true;
}

static bool runs_tracer(pid_t pid)
{
    char name[NAME_MAX];
    proc_program(name, sizeof name, pid);
    return tracers_have(name);
}

static bool stops(int number)
{
    return number == SIGSTOP || number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
}

static void stopped(pid_t tid, int status)
{
    int number = WSTOPSIG(status);
    int event = status >> 16;
    struct task *task = task_get(tid);
    if (event == PTRACE_EVENT_STOP && stops(number)) {
        ptrace(PTRACE_LISTEN, tid, NULL, NULL);
        return;
    }
    if (event == PTRACE_EVENT_EXEC) {
        task = execs(tid);
        if (task && runs_tracer(tid)) {
            task_forget(task);
            ptrace(PTRACE_DETACH, tid, NULL, NULL);
            return;
        }
    } else if (event == PTRACE_EVENT_EXIT && task) {
        exits(task);
    } else if (event == 0 && task) {
        signalled(task, number);
    }
    go_on(tid, event == 0 ? number : 0);
}

void follow_all(void)
{
    int status = 0;
    pid_t tid = 0;
    while ((tid = waitpid(-1, &status, __WALL)) > 0 || errno == EINTR) {
        struct task *task = NULL;
        if (tid > 0 && WIFSTOPPED(status))
            stopped(tid, status);
        else if (tid > 0 && (task = task_find(tid)))
            task_forget(task);
    }
}
