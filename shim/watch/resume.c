#include "resume.h"

#include "calls.h"
#include "proc.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/ptrace.h>

enum { INSTRUCTION = 0x050f, INSTRUCTION_SIZE = 2 };
enum { ERESTARTSYS = 512, ERESTART_RESTARTBLOCK = 516 }; /* include/linux/errno.h of the kernel */

struct call {
    struct user_regs_struct regs; /* as the program is to see them, with the result */
    const struct call_kind *kind;
    int64_t end; /* of its time, by calls_now(); CALLS_NEVER */
    enum {
        REWOUND, /* about to begin again */
        INSIDE,
        OVER,  /* until the next one begins: signals that are still there do not cut this one */
        BROKEN /* the same, with a SIGPIPE that it would not have brought */
    } state;
};

/* What ptrace(2) wants as a pointer. */
static void *place(unsigned long long address)
{
    return (void *)(uintptr_t)address; /* NOLINT(performance-no-int-to-ptr) */
}

static bool is_at_instruction(pid_t tid, const struct user_regs_struct *regs)
{
    long text = ptrace(PTRACE_PEEKTEXT, tid, place(regs->rip - INSTRUCTION_SIZE), NULL);
    return (text & UINT16_MAX) == INSTRUCTION;
}

static bool has_effect(pid_t tid, int number)
{
    return number && !proc_ignores(tid, number);
}

static void set_registers(pid_t tid, struct user_regs_struct *regs)
{
    ptrace(PTRACE_SETREGS, tid, NULL, regs);
}

/* How much of its time had passed is not known, so that is when it begins. */
static bool take(struct task *task, const struct call_kind *kind, struct user_regs_struct *regs)
{
    const int64_t time = calls_time(task->tid, task->tgid, kind, regs);
    if (time != CALLS_UNFIT)
        task->call = malloc(sizeof *task->call);
    if (!task->call)
        return false;
    *task->call = (struct call){.regs = *regs, .kind = kind};
    task->call->end = time == CALLS_NEVER ? CALLS_NEVER : calls_now() + time;
    return true;
}

static bool is_late(const struct call *call)
{
    return call->end != CALLS_NEVER && calls_now() >= call->end;
}

static void rewind_call(pid_t tid, struct call *call)
{
    const struct call_kind *kind = call->kind;
    struct user_regs_struct regs = call->regs;
    regs.rip -= INSTRUCTION_SIZE;
    regs.rax = regs.orig_rax;
    regs.orig_rax = (unsigned long long)-1;
    if (kind->length)
        *calls_argument(&regs, kind->length) -= calls_done(&call->regs);
    if (kind->buffer)
        *calls_argument(&regs, kind->buffer) += calls_done(&call->regs);
    if (kind->timeout == MILLISECONDS && call->end != CALLS_NEVER)
        *calls_argument(&regs, kind->at) = is_late(call) ? 0 : (unsigned long long)(call->end - calls_now());
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
    if (is_late(call) && call->kind->timeout != MILLISECONDS) {
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
    if (call->state == REWOUND && has_effect(tid, number))
        end_call(tid, call);
    if (call->state != BROKEN || number != SIGPIPE)
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
    if (kind && calls_is_cut(kind, &regs) && !has_effect(task->tid, number) &&
        is_at_instruction(task->tid, &regs) && take(task, kind, &regs))
        go_on(task->tid, task->call);
    return number;
}

static bool is_restart(long long failure)
{
    return failure <= -ERESTARTSYS && failure >= -ERESTART_RESTARTBLOCK;
}

/*
 * The call has returned, with its last part, or because something has interrupted it again. After a first
 * part a failure is left to the next call of the program, if that will find it again.
 */
static void leave(pid_t tid, struct call *call)
{
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) != 0)
        return;
    const unsigned long long before = calls_done(&call->regs);
    const long long result = (long long)regs.rax;
    const bool interrupted = result == -EINTR || is_restart(result);
    if (result >= 0)
        call->regs.rax = before + calls_done(&regs);
    else if (!before || !(interrupted || result == -EAGAIN || result == -EPIPE))
        call->regs.rax = regs.rax;
    if ((interrupted || result > 0) && calls_is_cut(call->kind, &call->regs)) {
        go_on(tid, call);
        return;
    }
    end_call(tid, call);
    if (result == -EPIPE && before && calls_is_socket(tid, &regs))
        call->state = BROKEN;
}

void resume_at_syscall(struct task *task)
{
    struct call *call = task->call;
    if (call && call->state == REWOUND) {
        call->state = INSIDE;
    } else if (call && call->state == INSIDE) {
        leave(task->tid, call);
    } else {
        free(call);
        task->call = NULL;
    }
}
