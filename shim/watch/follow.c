#include "follow.h"

#include "closes.h"
#include "deferrals.h"
#include "ends.h"
#include "epolls.h"
#include "holders.h"
#include "keeper.h"
#include "notices.h"
#include "stops.h"
#include "task.h"
#include "tracee.h"
#include "turns.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHUNK = 64 };

static bool has_stopped(const siginfo_t *info)
{
    return info->si_code == CLD_TRAPPED || info->si_code == CLD_STOPPED;
}

enum looked { HEARD, NOTHING, NOBODY };

/*
 * The next thread that has stopped or ended, which stays the next one until it goes on or is waited for. Else: none has now, with
 * WNOHANG, or none is there any more.
 */
static enum looked look(siginfo_t *info, int flags)
{
    int result = 0;
    do {
        info->si_pid = 0;
        result = waitid(P_ALL, 0, info, WEXITED | WSTOPPED | WNOWAIT | __WALL | flags);
    } while (result != 0 && errno == EINTR);
    if (result != 0)
        return NOBODY;
    return info->si_pid ? HEARD : NOTHING;
}

static void wait_for_end(pid_t tid)
{
    waitid(P_PID, (id_t)tid, NULL, WEXITED | WNOHANG | __WALL);
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
    task->code = (uint16_t)tracee_wait(task->tid);
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
            stops_at(task->tid, code);
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
            ends_unseen(task, info->si_code == CLD_EXITED ? info->si_status << 8 : info->si_status);
        return;
    }
    bool first = !task || task->heard != round_number;
    if (first && task)
        task->heard = round_number;
    if (first && info->si_status >> 8 == 0) {
        stops_at(tid, info->si_status);
    } else if (!task || !put_off(task)) {
        int code = tracee_wait(tid);
        if (code)
            stops_at(tid, code);
    }
}

/* All that has happened by now, from INFO on. */
static void hear_all(siginfo_t *info)
{
    round_number++;
    do
        hear(info);
    while (look(info, WNOHANG) == HEARD);
    catch_up();
}

/* SIGCHLD, which is blocked, for poll(2). Not there while only children are waited for. */
static int signals = -1;

static int signals_fd(void)
{
    sigset_t children;
    if (signals < 0) {
        sigemptyset(&children);
        sigaddset(&children, SIGCHLD);
        signals = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
    }
    return signals;
}

static void close_signals(void)
{
    if (signals >= 0)
        close(signals);
    signals = -1;
}

/* Where nothing is said of an end: of a thread whose process wants no signal for it, say. */
enum { AT_LEAST_EVERY = 1000 };

static int milliseconds_left(void)
{
    int left = AT_LEAST_EVERY;
    if (keeper_has_any() && keeper_until_due() < left)
        left = keeper_until_due();
    if (deferrals_are_there() && deferrals_until_due() < left)
        left = deferrals_until_due();
    return left;
}

/* Sees to all but children; RESTS: waits first until there is something to see to. True if a child may have stopped or ended. */
static bool see_to_others(bool rests)
{
    struct signalfd_siginfo info;
    struct pollfd any[] = {{.fd = signals_fd(), .events = POLLIN},
                           {.fd = notices_fd(), .events = POLLIN},
                           {.fd = keeper_set(), .events = POLLIN},
                           {.fd = notices_channel(), .events = POLLIN}};
    const int count = poll(any, sizeof any / sizeof *any, rests ? milliseconds_left() : 0);
    if (any[1].revents & POLLIN) {
        struct seccomp_notif *notice = notices_take();
        if (notice)
            closes_see(notice);
    } else if (any[1].revents) {
        notices_end();
    }
    if (any[3].revents && notices_begin())
        epolls_begin();
    keeper_look(any[2].revents);
    if (deferrals_are_there())
        deferrals_look();
    if (any[0].revents)
        while (read(any[0].fd, &info, sizeof info) > 0)
            ;
    return count <= 0 || any[0].revents || any[0].fd < 0;
}

void follow_all(void)
{
    siginfo_t info;
    bool may_hear = true;
    for (;;) {
        const bool works = turns_are_due();
        const bool waits = keeper_has_any() || deferrals_are_there();
        const bool has_others = works || waits || notices_are_on() || notices_channel() >= 0;
        if (!has_others)
            close_signals();
        const enum looked looked = may_hear ? look(&info, has_others ? WNOHANG : 0) : NOTHING;
        if (looked == HEARD)
            hear_all(&info);
        else if (looked == NOBODY && !works && !waits)
            return;
        may_hear = !has_others || see_to_others(!works && looked != HEARD);
        turns_take_one();
    }
}
