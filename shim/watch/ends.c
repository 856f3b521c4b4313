#include "ends.h"

#include "closes.h"
#include "deferrals.h"
#include "holders.h"
#include "judge.h"
#include "proc.h"
#include "tracee.h"
#include "tracers.h"
#include "turns.h"
#include "unloaded.h"

#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* One that tracee_let_die() has let go may still be listed; task_get() does not take it. */
static void learn_thread(void *data, int directory, const char *name)
{
    (void)data;
    (void)directory;
    task_get((pid_t)strtol(name, NULL, 10));
}

/* Threads that were born and have not been heard of: asked for only when all others are exiting. */
static bool is_last(const struct process *process)
{
    if (process->alive == 0)
        proc_each(process->first.tid, "task", learn_thread, NULL);
    return process->alive == 0;
}

/* The system call that a thread is in; -1 for none, or for one of another class, whose numbers mean other calls. */
static long native_call(pid_t tid)
{
    return tracee_architecture(tid) == TRACEE_NATIVE ? proc_syscall(tid) : -1;
}

/*
 * A thread may end alone: by exit(2) of its own, by a seccomp filter, which gives SIGSYS, or with status 0
 * because another one executes a program. What is sure to take the whole process is any other signal, and
 * exit_group(2).
 */
static bool is_whole(pid_t tid, int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) != SIGSYS;
    return native_call(tid) == SYS_exit_group;
}

/* What a stopped thread waits for, in turns with all else (turns.h). */
struct turn {
    pid_t tid;
    unsigned number;
    int status;
    int signal; /* to die of */
    bool last;
};

/* Makes the task stand still until the work is done that this describes. */
static struct turn stand_still(struct task *task)
{
    static unsigned number;
    task->turn = ++number ? number : ++number;
    return (struct turn){.tid = task->tid, .number = task->turn};
}

/* The task, if it still stands still for this: it may have been killed, and another one may have its number. */
static struct task *find_still(const struct turn *turn)
{
    struct task *task = task_find(turn->tid);
    return task && task->turn == turn->number ? task : NULL;
}

static void die(void *data)
{
    const struct turn *turn = data;
    struct task *task = find_still(turn);
    if (task)
        judge_death(task_process(task), turn->tid, turn->status, turn->last);
    task = find_still(turn);
    if (task)
        tracee_let_die(task, turn->signal);
}

static void judge(struct task *task, int status, bool last, int number)
{
    struct process *process = task_process(task);
    struct turn turn = stand_still(task);
    turn.status = status;
    turn.last = last;
    turn.signal = number;
    process->first.judged = true;
    process->first.decided = false;
    if (!turns_begin(die, &turn, sizeof turn)) {
        process->first.judged = false;
        judge_unseen(process, status);
        tracee_let_die(task, number);
    }
}

void ends_exits(struct task *task)
{
    int status = (int)tracee_message(task->tid);
    struct process *process = task_process(task);
    if (judge_may_stop(process, status) && proc_was_asked(task->tid))
        process->first.asked_to_stop = true;
    task_exits(task);
    const bool cares = judge_cares(process, status);
    const bool last = cares && is_last(process);
    if (cares && (last || (!process->first.judged && is_whole(task->tid, status)))) {
        judge(task, status, last, 0);
    } else {
        process->first.decided = process->alive == 0;
        if (process->alive == 0)
            deferrals_are_believed(process->first.tid);
        tracee_let_die(task, 0);
    }
}

/* It faults once more, and dies of that. */
void ends_of_signal(struct task *task, int number)
{
    struct process *process = task_process(task);
    task_exits(task);
    if (judge_cares(process, number)) {
        judge(task, number, process->alive == 0, number);
    } else {
        process->first.decided = process->alive == 0;
        deferrals_are_believed(process->first.tid);
        tracee_let_die(task, number);
    }
}

/*
 * If another thread than the first has execed, it goes on under the first one's number, and no end of its own
 * is told.
 */
static struct task *execs(pid_t tid)
{
    struct task *former = task_find((pid_t)tracee_message(tid));
    if (former && former->tid != tid)
        task_forget(former);
    struct task *task = task_get(tid);
    if (task)
        task_execs(task_process(task));
    return task;
}

static bool runs_tracer(pid_t pid)
{
    char name[NAME_MAX];
    proc_program(name, sizeof name, pid);
    return tracers_have(name);
}

/* A tracer is let go with what it has; anything else goes on, and what it has above 2 is not its own. */
static void begin_program(void *data)
{
    const struct turn *turn = data;
    deferrals_are_believed(turn->tid);
    struct inodes *foreign = judge_exec(turn->tid);
    const bool has_sockets = closes_have_sockets(turn->tid);
    struct task *task = find_still(turn);
    if (!task) {
        free(foreign);
        return;
    }
    struct process *process = task_process(task);
    free(process->foreign);
    free(process->given);
    process->foreign = foreign;
    process->given = judge_given_by_exec(turn->tid);
    process->first.is_unknown = false;
    if (runs_tracer(turn->tid)) {
        holders_share(turn->tid);
        task = find_still(turn); /* that has rested, too */
        if (!task)
            return;
        task_forget(task);
        ptrace(PTRACE_DETACH, turn->tid, NULL, NULL);
    } else {
        task->turn = 0;
        task_knows_nothing(process);
        process->has_copies = has_sockets;
        process->judges_itself =
            !unloaded_note(turn->tid, tracee_architecture(turn->tid) == TRACEE_OTHER_CLASS);
        tracee_go_on(turn->tid, task, turn->status, 0);
    }
}

void ends_program(pid_t tid, int code)
{
    struct task *task = execs(tid);
    struct turn turn = {.tid = tid};
    if (task) {
        task_process(task)->first.is_unknown = true;
        turn = stand_still(task);
        turn.status = code;
    }
    if (!task || !turns_begin(begin_program, &turn, sizeof turn))
        tracee_go_on(tid, task, code, 0);
}

void ends_unseen(struct task *task, int status)
{
    task_exits(task);
    if (is_last(task_process(task))) {
        judge_unseen(task_process(task), status);
        deferrals_are_believed(task->tgid);
    }
    task_forget(task);
}
