#include "closes.h"

#include "carry.h"
#include "clock.h"
#include "config.h"
#include "connection/fate.h"
#include "connection/socket.h"
#include "copies.h"
#include "deferrals.h"
#include "epolls.h"
#include "filter.h"
#include "holders.h"
#include "judge/event.h"
#include "keeper.h"
#include "kept/kept.h"
#include "marker.h"
#include "notices.h"
#include "peek.h"
#include "proc.h"
#include "report/record.h"
#include "sockets.h"
#include "turns.h"

#include <limits.h>
#include <linux/close_range.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A call that closes FIRST to LAST. */
struct call {
    struct seccomp_notif *notice;
    pid_t tid;
    pid_t pid;
    unsigned first;
    unsigned last;
};

static enum event event_of(int fd, const struct endings *endings)
{
    if (endings->of[EVENT_UNREAD] == endings->of[EVENT_CLOSE])
        return EVENT_CLOSE;
    return socket_unread(fd) > 0 ? EVENT_UNREAD : EVENT_CLOSE;
}

/* Can the end of the process abort it? */
static bool death_aborts(const struct endings *endings)
{
    static const enum event deaths[] = {EVENT_EXIT, EVENT_EXIT_ERROR, EVENT_SESSION_ERROR, EVENT_STOP,
                                        EVENT_CRASH};
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
        if (ending_aborts((enum ending)endings->of[deaths[i]]))
            return true;
    return false;
}

/* As the library has it (judge/deferred.c). */
static bool is_to_wait(int fd, const struct endings *endings, enum ending ending)
{
    return endings->has[OPTION_DEFER_CLOSE] && config.defer_time > 0 && !ending_aborts(ending) &&
           death_aborts(endings) && !socket_linger(fd).l_onoff && !socket_fin_sent(fd);
}

static bool leaves_sets(const struct call *call, int number, int fd, ino_t inode)
{
    const struct process *process = (struct process *)task_find(call->pid);
    return process && epolls_take_out(call->pid, number, fd, inode, process->has_copies);
}

/* A linger of the program's own would make the close of the copy wait, too. */
static bool linger(int fd)
{
    if (config.linger.milliseconds == 0 || config.linger.bytes == 0)
        return carry_out(fd, ENDING_FIN, false);
    if (socket_linger(fd).l_onoff)
        kept_linger_off(fd);
    return keeper_discard_later(fd) || carry_out(fd, ENDING_FIN, false);
}

/* Nothing else holds it, and so it ends now. True if the copy is kept. */
static bool end(const struct call *call, int number, int fd, ino_t inode, const struct endings *endings)
{
    const enum event event = event_of(fd, endings);
    enum ending ending = carry_ending(fd, endings, event);
    if (config.observes) {
        carry_record_ending(call->pid, peek_pidfd(call->tid, call->pid), fd, event, ending);
        return false;
    }
    const bool waits = is_to_wait(fd, endings, ending);
    const bool outlives = waits || ending == ENDING_LINGER || ending == ENDING_FLUSH_RST;
    const bool may_outlive = outlives && leaves_sets(call, number, fd, inode);
    if (waits && may_outlive &&
        deferrals_begin((struct deferral){
            .fd = fd, .pid = call->pid, .inode = inode, .endings = endings, .event = event}))
        return true;
    if (ending == ENDING_LINGER && !may_outlive)
        ending = ENDING_FIN;
    if (ending == ENDING_FLUSH_RST && !may_outlive && kept_unflushed(fd, false) > 0)
        ending = ENDING_KEEP;
    carry_record_ending(call->pid, peek_pidfd(call->tid, call->pid), fd, event, ending);
    if (ending == ENDING_FLUSH_RST)
        kept_silence(fd);
    if (ending == ENDING_LINGER)
        return linger(fd);
    if (ending != ENDING_KEEP)
        return carry_out(fd, ending, false);
    return false;
}

static const struct endings *nothing_to_do(const struct endings *endings)
{
    const bool changes = endings && !marker_is_off() &&
                         (config.log_all || endings->of[EVENT_CLOSE] != ENDING_KEEP ||
                          endings->of[EVENT_UNREAD] != ENDING_KEEP || endings->has[OPTION_DEFER_CLOSE]);
    return changes ? endings : NULL;
}

/* A copy that is ours until copies_add(): what rests in between closes those that were only taken. */
static int take(const struct call *call, int number)
{
    const int fd = copies_take(peek_pidfd(call->tid, call->pid), number);
    copies_leave(fd);
    return fd;
}

static bool nobody_else_has(const struct call *call, int number, ino_t inode)
{
    return !holders_have_other(inode, call->pid, number) &&
           peek_socket(call->tid, call->pid, number) == inode;
}

/* Who else may have it is asked last, for that is dear. */
static void judge(const struct call *call, int number, ino_t inode)
{
    const bool may_share = ((struct process *)task_find(call->pid))->may_share;
    const int fd = take(call, number);
    const struct endings *endings = fd < 0 ? NULL : nothing_to_do(carry_endings(fd, call->tid));
    const bool ends = endings && (!may_share || nobody_else_has(call, number, inode));
    if (fd >= 0 && !(ends && end(call, number, fd, inode, endings)))
        copies_add(fd);
}

/* In turns with all else, because it looks for others that have it, or because there are many. */
static void see_number(void *data, int directory, const char *name)
{
    const struct call *call = data;
    const int number = (int)strtol(name, NULL, 10);
    (void)directory;
    if ((unsigned)number < call->first || (unsigned)number > call->last)
        return;
    const ino_t inode = peek_socket(call->tid, call->pid, number);
    if (inode && task_find(call->pid))
        judge(call, number, inode);
    copies_close();
    turns_rest();
}

static void work(void *data)
{
    const struct call *call = data;
    char number[16];
    if (call->first == call->last) {
        snprintf(number, sizeof number, "%u", call->first);
        see_number(data, -1, number);
    } else {
        proc_each(call->tid, "fd", see_number, data);
    }
    notices_answer(call->notice);
}

/* At once, if that is short. */
static void see_one(struct call *call)
{
    const struct process *process = (struct process *)task_find(call->pid);
    const ino_t inode = peek_socket(call->tid, call->pid, (int)call->first);
    if (inode && process->may_share) {
        if (!turns_begin(work, call, sizeof *call))
            notices_answer(call->notice);
        return;
    }
    if (inode) {
        judge(call, (int)call->first, inode);
        copies_close();
    } else if (peek_has_set(call->tid, call->pid, (int)call->first)) {
        epolls_close(call->pid, process->has_forked);
    }
    notices_answer(call->notice);
}

/* What stands at FD gets a second descriptor. */
static void note_copy(struct process *process, pid_t tid, int fd)
{
    if (peek_socket(tid, process->first.tid, fd)) {
        process->has_copies = true;
        task_may_share(process);
    }
}

static void see_range(struct call *call, unsigned flags, const struct process *process)
{
    const bool closes = !(flags & CLOSE_RANGE_CLOEXEC) && call->first <= call->last;
    if (closes)
        epolls_close(call->pid, process->has_forked);
    /* With a table of its own the other threads still have all of it. */
    const bool is_alone = !(flags & CLOSE_RANGE_UNSHARE) || process->alive == 1;
    if (!closes || !is_alone || !turns_begin(work, call, sizeof *call))
        notices_answer(call->notice);
}

static void see_dup(struct call *call, struct process *process, int from)
{
    if (from == (int)call->first || !peek_is_open(call->tid, call->pid, from)) {
        notices_answer(call->notice);
        return;
    }
    note_copy(process, call->tid, from);
    see_one(call);
}

void closes_see(struct seccomp_notif *notice)
{
    const pid_t tid = (pid_t)notice->pid;
    const struct task *task = task_find(tid);
    struct process *process = task ? task_process(task) : NULL;
    const __u64 *arguments = notice->data.args;
    struct call call = {.notice = notice,
                        .tid = tid,
                        .pid = task ? task->tgid : 0,
                        .first = (unsigned)arguments[0],
                        .last = (unsigned)arguments[0]};
    const enum filter_call which =
        process && !process->judges_itself ? filter_call(&notice->data) : FILTER_OTHER;
    switch (which) {
    case FILTER_CLOSE:
        see_one(&call);
        return;
    case FILTER_DUP_OVER:
        call.first = call.last = (unsigned)arguments[1];
        see_dup(&call, process, (int)arguments[0]);
        return;
    case FILTER_RANGE:
        call.last = (unsigned)arguments[1];
        see_range(&call, (unsigned)arguments[2], process);
        return;
    case FILTER_DUP:
        note_copy(process, tid, (int)arguments[0]);
        break;
    case FILTER_UNIX:
        process->has_unix = true;
        task_may_share(process);
        break;
    case FILTER_EPOLL:
        epolls_change(call.pid);
        break;
    default:
        break;
    }
    notices_answer(notice);
}

bool closes_have_sockets(pid_t pid)
{
    struct sockets sockets;
    if (!notices_are_on())
        return true;
    const bool is_known = sockets_of(&sockets, pid, 0, UINT_MAX);
    const bool has_any = sockets.count > 0;
    free(sockets.at);
    return has_any || !is_known;
}
