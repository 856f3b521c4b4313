#include "closes.h"

#include "carry.h"
#include "clock.h"
#include "config.h"
#include "connection/fate.h"
#include "connection/socket.h"
#include "copies.h"
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

/* A connection whose close is deferred. */
struct deferred {
    int fd; /* our copy */
    pid_t pid;
    ino_t inode;
    const struct endings *endings;
    enum event event; /* close or unread */
    uint32_t due;
};

static struct {
    struct deferred *at; /* the one that is due first comes first */
    size_t count;
    size_t room;
} deferred;

/* For REPORT of carry_record(). */
struct ended {
    int fd;
    enum event event;
    enum ending ending;
    struct fate fate;
    bool known; /* the fate */
};

static void say(const void *data)
{
    const struct ended *ended = data;
    record_ending(ended->fd, ended->event, ended->ending, ended->known ? &ended->fate : NULL);
}

static void record(pid_t pid, int pidfd, int fd, enum event event, enum ending ending)
{
    struct ended ended = {.fd = fd, .event = event, .ending = ending, .known = config.log_all};
    if ((ending == ENDING_KEEP && !config.log_all) || !record_wanted())
        return;
    if (ended.known) {
        const struct linger linger = socket_linger(fd);
        ended.fate = fate_of(fd, (struct known){.aborts = linger.l_onoff && linger.l_linger == 0});
    }
    carry_record(pid, pidfd, say, &ended);
}

static enum event event_of(int fd, const struct endings *endings)
{
    if (endings->of[EVENT_UNREAD] == endings->of[EVENT_CLOSE])
        return EVENT_CLOSE;
    return socket_unread(fd) > 0 ? EVENT_UNREAD : EVENT_CLOSE;
}

static enum ending ending_for(int fd, const struct endings *endings, enum event event)
{
    const enum ending ending = (enum ending)endings->of[event];
    return marker_is_off() || (ending_aborts(ending) && socket_fin_sent(fd)) ? ENDING_KEEP : ending;
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

static bool defer(const struct call *call, int fd, ino_t inode, const struct endings *endings,
                  enum event event)
{
    if (deferred.count == deferred.room) {
        const size_t room = deferred.room ? 2 * deferred.room : 64;
        struct deferred *more = realloc(deferred.at, room * sizeof *more);
        if (!more)
            return false;
        deferred.at = more;
        deferred.room = room;
    }
    kept_silence(fd);
    deferred.at[deferred.count++] = (struct deferred){.fd = fd,
                                                      .pid = call->pid,
                                                      .inode = inode,
                                                      .endings = endings,
                                                      .event = event,
                                                      .due = clock_now() + config.defer_time};
    return true;
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
    enum ending ending = ending_for(fd, endings, event);
    if (config.observes) {
        record(call->pid, peek_pidfd(call->tid, call->pid), fd, event, ending);
        return false;
    }
    const bool waits = is_to_wait(fd, endings, ending);
    const bool outlives = waits || ending == ENDING_LINGER || ending == ENDING_FLUSH_RST;
    const bool may_outlive = outlives && leaves_sets(call, number, fd, inode);
    if (waits && may_outlive && defer(call, fd, inode, endings, event))
        return true;
    if (ending == ENDING_LINGER && !may_outlive)
        ending = ENDING_FIN;
    if (ending == ENDING_FLUSH_RST && !may_outlive && kept_unflushed(fd, false) > 0)
        ending = ENDING_KEEP;
    record(call->pid, peek_pidfd(call->tid, call->pid), fd, event, ending);
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

bool closes_wait(void)
{
    return deferred.count > 0;
}

int closes_until_due(void)
{
    const int32_t left = (int32_t)(deferred.at[0].due - clock_now());
    return left > 0 ? left : 0;
}

static void let_go(const struct deferred *it, enum event event, enum ending ending)
{
    const int pidfd = proc_open(it->pid, it->pid);
    record(it->pid, pidfd, it->fd, event, ending);
    if (ending == ENDING_KEEP || !carry_out(it->fd, ending, ending == ENDING_LINGER))
        copies_add(it->fd);
    if (pidfd >= 0)
        close(pidfd);
}

static void believe(const struct deferred *it)
{
    let_go(it, it->event, ending_for(it->fd, it->endings, it->event));
}

static struct deferred take_out(size_t i)
{
    const struct deferred taken = deferred.at[i];
    for (deferred.count--; i < deferred.count; i++)
        deferred.at[i] = deferred.at[i + 1];
    return taken;
}

void closes_look(void)
{
    enum { AT_ONCE = 64 };
    const uint32_t now = clock_now();
    int done = 0;
    while (deferred.count > 0 && done < AT_ONCE && (int32_t)(now - deferred.at[0].due) >= 0) {
        const struct deferred it = take_out(0);
        believe(&it);
        done++;
    }
    if (done > 0)
        copies_close();
}

/* The next one of PID's. False if there is none. */
static bool take_next(struct deferred *out, pid_t pid)
{
    for (size_t i = 0; i < deferred.count; i++)
        if (deferred.at[i].pid == pid) {
            *out = take_out(i);
            return true;
        }
    return false;
}

void closes_are_believed(pid_t pid)
{
    struct deferred it;
    epolls_forget(pid);
    while (take_next(&it, pid))
        believe(&it);
    copies_close();
}

struct verdict {
    enum event event;
    unsigned count[2][ENDINGS + 1]; /* of each ending, for the event and for sessions */
};

static void say_death(const void *data)
{
    const struct verdict *verdict = data;
    for (int session = 0; session < 2; session++)
        record_death(event_of_session(verdict->event, session), verdict->count[session]);
}

void closes_at_death(pid_t pid, int pidfd, const struct inodes *given, enum event event)
{
    struct verdict verdict = {.event = event};
    struct deferred it;
    bool any = false;
    epolls_forget(pid);
    while (take_next(&it, pid)) {
        bool was_given = false;
        for (size_t i = 0; given && i < given->count; i++)
            was_given |= given->at[i] == it.inode;
        const enum event its_event = event_of_session(event, was_given);
        const enum ending ending = ending_for(it.fd, it.endings, its_event);
        any = true;
        verdict.count[its_event != event][ending]++;
        if (ending == ENDING_KEEP || !carry_out(it.fd, ending, true))
            copies_add(it.fd);
    }
    if (any && record_wanted())
        carry_record(pid, pidfd, say_death, &verdict);
}
