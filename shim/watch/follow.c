#include "follow.h"

#include "config.h"
#include "holders.h"
#include "judge.h"
#include "proc.h"
#include "resume.h"
#include "task.h"
#include "tracers.h"
#include "turns.h"
#include "unloaded.h"
#include "word.h"

#include <errno.h>
#include <limits.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#ifdef __aarch64__
enum { NATIVE = AUDIT_ARCH_AARCH64, OTHER_CLASS = AUDIT_ARCH_ARM };
#else
enum { NATIVE = AUDIT_ARCH_X86_64, OTHER_CLASS = AUDIT_ARCH_I386 };
#endif

enum { CHUNK = 64 };
enum { SYSCALL_STOP = SIGTRAP | 0x80, EXIT_STOP = SIGTRAP | PTRACE_EVENT_EXIT << 8 };

bool follow_seize(pid_t pid)
{
    /* No EXITKILL: without us the program goes on. */
    const uintptr_t options = PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACECLONE |
                              PTRACE_O_TRACEEXEC | PTRACE_O_TRACEEXIT | PTRACE_O_TRACESYSGOOD;
    holders_begin(pid);
    return ptrace(PTRACE_SEIZE, pid, NULL, word(options)) == 0 && task_get(pid);
}

/* It is not in the stop for CODE any more: it runs, as ptrace(2) then says, or has stopped to exit. (Only a
 * SIGTRAP that somebody has sent can look like that.) */
static bool was_killed(pid_t tid, int code)
{
    siginfo_t info = {.si_code = 0};
    if (ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) != 0)
        return errno == ESRCH;
    return code != SIGTRAP && code >> 8 != PTRACE_EVENT_EXIT && info.si_signo == SIGTRAP &&
           info.si_code == EXIT_STOP;
}

/* A stop that nobody has heard of is not to be overrun. One that runs now does not come so far so soon. */
static void go_on(pid_t tid, const struct task *task, int code, int number)
{
    if (!was_killed(tid, code))
        ptrace(task && task->call ? PTRACE_SYSCALL : PTRACE_CONT, tid, NULL, word((uintptr_t)number));
}

static unsigned long message(pid_t tid)
{
    unsigned long value = 0;
    ptrace(PTRACE_GETEVENTMSG, tid, NULL, &value);
    return value;
}

/* One that let_die() has let go may still be listed; task_get() does not take it. */
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

/* The architecture whose system calls the stopped thread makes, as of audit(7); 0: unknown. */
static unsigned architecture(pid_t tid)
{
    struct __ptrace_syscall_info info = {.arch = 0};
    ptrace(PTRACE_GET_SYSCALL_INFO, tid, word(sizeof info), &info);
    return info.arch;
}

/* The system call that a thread is in; -1 for none, or for one of another class, whose numbers mean other
 * calls. */
static long native_call(pid_t tid)
{
    return architecture(tid) == NATIVE ? proc_syscall(tid) : -1;
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

/*
 * The kernel hides the status of a process from its parent until the tracer has waited for it (ptrace(2)),
 * and yet its pidfd is readable. So nothing is traced any more when it ends. One that was killed in this stop
 * has left it (before Linux 5.17), and is waited for.
 */
static void let_die(struct task *task, int number)
{
    if (ptrace(PTRACE_DETACH, task->tid, NULL, word((uintptr_t)number)) == 0)
        task_forget(task);
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

/* The task, if it still stands still for this: it may have been killed, and another one may have its number.
 */
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
        let_die(task, turn->signal);
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
        let_die(task, number);
    }
}

/*
 * Acts on the first thread that is seen dying with its process, since a later one may be killed so that it
 * does not stop any more; and on the last, since calls that were under way may have brought connections.
 */
static void exits(struct task *task)
{
    int status = (int)message(task->tid);
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
        let_die(task, 0);
    }
}

/* If another thread than the first has execed, it goes on under the first one's number, and no end of its own
 * is told. */
static struct task *execs(pid_t tid)
{
    struct task *former = task_find((pid_t)message(tid));
    if (former && former->tid != tid)
        task_forget(former);
    struct task *task = task_get(tid);
    if (task)
        task_execs(task_process(task));
    return task;
}

/* Who is told to abort after all is not asked any more, even if a handler makes a plain exit of it, as Go's
 * does. */
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

/* It faults once more, and dies of that. */
static void release(struct task *task, int number)
{
    struct process *process = task_process(task);
    task_exits(task);
    if (judge_cares(process, number)) {
        judge(task, number, process->alive == 0, number);
    } else {
        process->first.decided = process->alive == 0;
        let_die(task, number);
    }
}

/* Process 1 of a pid namespace is stopped from outside only, where no process has a number in it. Traced, it
 * would be by its own. */
static bool stops_nobody(pid_t tid, int number)
{
    siginfo_t info;
    return number == SIGSTOP && proc_is_init(tid) && ptrace(PTRACE_GETSIGINFO, tid, NULL, &info) == 0 &&
           info.si_pid != 0;
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

static bool is_birth(int event)
{
    return event == PTRACE_EVENT_FORK || event == PTRACE_EVENT_VFORK || event == PTRACE_EVENT_CLONE;
}

/* It is known from now on: its parent may die before anything is heard of it. */
static void born(const struct task *parent, pid_t tid)
{
    const struct task *child = task_get(tid);
    if (parent && child)
        task_forks(task_process(child), task_process(parent));
}

/* A tracer is let go with what it has; anything else goes on, and what it has above 2 is not its own. */
static void begin_program(void *data)
{
    const struct turn *turn = data;
    struct inodes *foreign = judge_exec(turn->tid);
    struct task *task = find_still(turn);
    if (!task) {
        free(foreign);
        return;
    }
    struct process *process = task_process(task);
    free(process->foreign);
    process->foreign = foreign;
    process->first.is_unknown = false;
    task->turn = 0;
    if (runs_tracer(turn->tid)) {
        holders_share(turn->tid);
        task_forget(task);
        ptrace(PTRACE_DETACH, turn->tid, NULL, NULL);
    } else {
        unloaded_note(turn->tid, architecture(turn->tid) == OTHER_CLASS);
        go_on(turn->tid, task, turn->status, 0);
    }
}

static void executed(pid_t tid, int code)
{
    struct task *task = execs(tid);
    struct turn turn = {.tid = tid};
    if (task) {
        task_process(task)->first.is_unknown = true;
        turn = stand_still(task);
        turn.status = code;
    }
    if (!task || !turns_begin(begin_program, &turn, sizeof turn))
        go_on(tid, task, code, 0);
}

/* CODE is what siginfo_t tells of a stop: the signal, and the event above it. */
static void stopped(pid_t tid, int code)
{
    int number = code & UINT8_MAX;
    int event = code >> 8;
    int delivered = event == 0 && code != SYSCALL_STOP ? number : 0;
    struct task *task = task_get(tid);
    if (event == PTRACE_EVENT_STOP && stops(number)) {
        if (task)
            resume_at_stop(task);
        ptrace(PTRACE_LISTEN, tid, NULL, NULL);
        return;
    }
    if (event == PTRACE_EVENT_EXEC) {
        executed(tid, code);
        return;
    }
    if (is_birth(event)) {
        born(task, (pid_t)message(tid));
    } else if (event == PTRACE_EVENT_EXIT && task) {
        exits(task);
        return;
    } else if (event == PTRACE_EVENT_STOP && task) {
        resume_at_signal(task, 0);
    } else if (code == SYSCALL_STOP && task) {
        resume_at_syscall(task);
    } else if (event == 0 && task) {
        if (dies_untraced(tid, number)) {
            release(task, number);
            return;
        }
        signalled(task, number);
        delivered = resume_at_signal(task, stops_nobody(tid, number) ? 0 : number);
    }
    go_on(tid, task, code, delivered);
}

/* It has not stopped at its exit, because SIGKILL came just then. */
static void ends(struct task *task, const siginfo_t *info)
{
    task_exits(task);
    if (is_last(task_process(task)))
        judge_unseen(task_process(task),
                     info->si_code == CLD_EXITED ? info->si_status << 8 : info->si_status);
    task_forget(task);
}

static bool has_stopped(const siginfo_t *info)
{
    return info->si_code == CLD_TRAPPED || info->si_code == CLD_STOPPED;
}

/* The next thread that has stopped or ended, which stays the next one until it goes on or is waited for.
 * False if there is none: with WNOHANG none now, else none any more. */
static bool look(siginfo_t *info, int flags)
{
    int result = 0;
    do {
        info->si_pid = 0;
        result = waitid(P_ALL, 0, info, WEXITED | WSTOPPED | WNOWAIT | __WALL | flags);
    } while (result != 0 && errno == EINTR);
    return result == 0 && info->si_pid;
}

static void wait_for_end(pid_t tid)
{
    waitid(P_PID, (id_t)tid, NULL, WEXITED | WNOHANG | __WALL);
}

/* What it stops for now, which may be another thing than was seen; 0 if it was killed. */
static int wait_for_stop(pid_t tid)
{
    siginfo_t info = {.si_pid = 0};
    waitid(P_PID, (id_t)tid, &info, WSTOPPED | WNOHANG | __WALL);
    return info.si_pid ? info.si_status : 0;
}

/* Threads that have been waited for, and have not gone on yet. */
static struct {
    pid_t *at;
    size_t count;
    size_t room;
} queue;

static bool put_off(struct task *task)
{
    if (queue.count == queue.room) {
        size_t room = queue.room ? 2 * queue.room : CHUNK;
        pid_t *more = realloc(queue.at, room * sizeof *more);
        if (!more)
            return false;
        queue.at = more;
        queue.room = room;
    }
    queue.at[queue.count++] = task->tid;
    task->code = (uint16_t)wait_for_stop(task->tid);
    return true;
}

/* One that was killed meanwhile stands there twice, with what it stops for now, or is gone. */
static void catch_up(void)
{
    for (size_t i = 0; i < queue.count; i++) {
        struct task *task = task_find(queue.at[i]);
        int code = task ? task->code : 0;
        if (code) {
            task->code = 0;
            stopped(task->tid, code);
        }
    }
    queue.count = 0;
    holders_forget();
}

static uint16_t round_number;

/*
 * The kernel shows the youngest thread first, so all others are heard before one goes on for the second time.
 * It also forgets the signal that a thread stops for once its tracer has waited for it. So that none is lost
 * if we are killed, the first one of a thread goes on without that. (An exec must be waited for: ptrace.c,
 * looks_like_a_spurious_pid().)
 */
static void hear(const siginfo_t *info)
{
    pid_t tid = info->si_pid;
    struct task *task = has_stopped(info) ? task_get(tid) : task_find(tid);
    if (!has_stopped(info)) {
        wait_for_end(tid);
        if (task)
            ends(task, info);
        return;
    }
    bool first = !task || task->heard != round_number;
    if (first && task)
        task->heard = round_number;
    if (first && info->si_status >> 8 == 0) {
        stopped(tid, info->si_status);
    } else if (!task || !put_off(task)) {
        int code = wait_for_stop(tid);
        if (code)
            stopped(tid, code);
    }
}

/* All that has happened by now, from INFO on. */
static void hear_all(siginfo_t *info)
{
    round_number++;
    do
        hear(info);
    while (look(info, WNOHANG));
    catch_up();
}

void follow_all(void)
{
    siginfo_t info;
    for (;;) {
        const bool works = turns_are_due();
        if (look(&info, works ? WNOHANG : 0))
            hear_all(&info);
        else if (!works)
            return;
        turns_take_one();
    }
}
