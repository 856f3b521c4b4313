#include "resume.h"

#include "calls.h"
#include "proc.h"
#include "word.h"

#include <errno.h>
#include <linux/audit.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>

enum { PATIENCE = 3 };
enum { INSTRUCTION_SIZE = 2 };
enum { ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516 }; /* include/linux/errno.h of the kernel */

struct call {
    struct user_regs_struct regs; /* as the program is to see them, with the result */
    const struct call_kind *kind;
    int64_t end; /* of its time, by calls_now(); CALLS_NEVER */
    int unasked; /* how often it began again with no signal seen */
    enum {
        OVER,    /* until the next one begins: signals that are still there do not cut this one */
        BROKEN,  /* the same, with a SIGPIPE or SIGXFSZ that it would not have brought */
        REWOUND, /* about to begin again */
        INSIDE
    } state;
};

/*
 * Was the call made by the instruction syscall, and not by int 0x80, whose numbers mean other calls? The
 * program's memory is not asked: a read may wait for a file system that the program serves.
 */
static bool is_native(pid_t tid)
{
    struct __ptrace_syscall_info info = {.arch = 0};
    ptrace(PTRACE_GET_SYSCALL_INFO, tid, word(sizeof info), &info);
    return info.arch == AUDIT_ARCH_X86_64;
}

static bool has_effect(pid_t tid, int number)
{
    return number && !proc_ignores(tid, number);
}

static void set_registers(pid_t tid, struct user_regs_struct *regs)
{
    ptrace(PTRACE_SETREGS, tid, NULL, regs);
}

/* How much of its time had passed is not known, so that is when it begins, and when it has come further. */
static bool set_end(const struct task *task, struct call *call)
{
    const int64_t time = calls_time(task->tid, task->tgid, call->kind, &call->regs);
    call->end = time == CALLS_NEVER ? CALLS_NEVER : calls_now() + time;
    return time != CALLS_UNFIT;
}

static struct call *take(const struct task *task, const struct call_kind *kind,
                         const struct user_regs_struct *regs)
{
    struct call call = {.regs = *regs, .kind = kind};
    struct call *taken = set_end(task, &call) ? malloc(sizeof call) : NULL;
    if (taken)
        *taken = call;
    return taken;
}

/* In milliseconds. */
static int64_t time_left(const struct call *call)
{
    if (call->end == CALLS_NEVER)
        return CALLS_NEVER;
    const int64_t left = call->end - calls_now();
    return left > 0 ? left : 0;
}

static void rewind_call(pid_t tid, struct call *call)
{
    struct user_regs_struct regs = call->regs;
    calls_make_rest(&regs, call->kind, time_left(call));
    regs.rip -= INSTRUCTION_SIZE;
    regs.rax = regs.orig_rax;
    regs.orig_rax = (unsigned long long)-1;
    call->state = REWOUND;
    set_registers(tid, &regs);
}

/* It returns what the program has of it so far. */
static void end_call(pid_t tid, struct call *call)
{
    call->state = OVER;
    set_registers(tid, &call->regs);
}

/* It was cut: it begins again, unless its time is up. */
static void go_on(pid_t tid, struct call *call)
{
    if (time_left(call) == 0 && !call->kind->milliseconds) {
        if (!calls_done(&call->regs))
            call->regs.rax = (unsigned long long)call->kind->late;
        end_call(tid, call);
    } else {
        rewind_call(tid, call);
    }
}

/* At the end of a call that has gone on, or before it begins again. */
static int stop_beside(pid_t tid, struct call *call, int number)
{
    if (call->state == REWOUND) {
        call->unasked = 0;
        if (!has_effect(tid, number)) {
            go_on(tid, call);
            return 0;
        }
        end_call(tid, call);
    }
    if (call->state != BROKEN || (number != SIGPIPE && number != SIGXFSZ))
        return number;
    call->state = OVER;
    return 0;
}

int resume_at_signal(struct task *task, int number)
{
    struct user_regs_struct regs;
    if (task->call)
        return stop_beside(task->tid, task->call, number);
    if (ptrace(PTRACE_GETREGS, task->tid, NULL, &regs) != 0)
        return number;
    const struct call_kind *kind = calls_kind(&regs);
    if (!kind || !calls_is_cut(kind, &regs) || has_effect(task->tid, number) || !is_native(task->tid))
        return number;
    task->call = take(task, kind, &regs);
    if (!task->call)
        return number;
    go_on(task->tid, task->call);
    return 0;
}

void resume_at_stop(struct task *task)
{
    if (!task->call)
        task->call = calloc(1, sizeof *task->call);
    else if (task->call->state == REWOUND)
        end_call(task->tid, task->call);
}

static bool is_restart(long long failure)
{
    return failure <= -ERESTARTSYS && failure >= -ERESTART_RESTARTBLOCK;
}

/*
 * The call has returned, with its last part, or because something has interrupted it again. (Another thread
 * may have taken the signal, or EINTR is the answer of a file system or a filter, and comes each time.) After
 * a first part a failure is left to the next call of the program, if that will find it again.
 */
static void leave(const struct task *task, struct call *call)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, task->tid, NULL, &regs) != 0)
        return;
    const unsigned long long before = calls_done(&call->regs);
    const long long result = (long long)regs.rax;
    const bool interrupted = result == -EINTR || is_restart(result);
    if (result >= 0)
        call->regs.rax = before + calls_done(&regs);
    else if (!before || calls_is_told_once(result))
        call->regs.rax = (unsigned long long)calls_failure(call->kind, result);
    if (calls_is_cut(call->kind, &call->regs) &&
        ((interrupted && call->unasked++ < PATIENCE) || (result > 0 && set_end(task, call)))) {
        go_on(task->tid, call);
        return;
    }
    end_call(task->tid, call);
    if (before && calls_brings_signal(task->tid, call->kind, &call->regs, result))
        call->state = BROKEN;
}

void resume_at_syscall(struct task *task)
{
    struct call *call = task->call;
    if (call && call->state == REWOUND) {
        call->state = INSIDE;
    } else if (call && call->state == INSIDE) {
        leave(task, call);
    } else {
        free(call);
        task->call = NULL;
    }
}
