#include "judge.h"

#include "carry.h"
#include "config.h"
#include "connection/socket.h"
#include "copies.h"
#include "deferrals.h"
#include "holders.h"
#include "judge/event.h"
#include "listeners.h"
#include "marker.h"
#include "proc.h"
#include "report/record.h"
#include "sockets.h"
#include "told.h"
#include "turns.h"

#include <limits.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* For a status as wait(2) gives it. */
static enum event event_of(const struct process *process, int status)
{
    return event_of_death((struct death){
        .asked_to_stop = process->first.asked_to_stop, .signal = status & 0x7f, .status = status >> 8});
}

static bool changes(enum event event)
{
    for (int i = 0; i < config.policy->rule_count; i++)
        if (config.policy->rules[i].endings.of[event] != ENDING_KEEP)
            return true;
    return false;
}

/* Where all endings are recorded, each death is one to look at. */
static bool changes_death(enum event event)
{
    return !marker_is_off() && (config.log_all || changes(event) || changes(event_of_session(event, true)));
}

bool judge_cares(const struct process *process, int status)
{
    return changes_death(event_of(process, status));
}

bool judge_may_stop(const struct process *process, int status)
{
    return WIFEXITED(status) && !process->first.asked_to_stop &&
           (changes_death(event_of(process, status)) || changes(EVENT_STOP));
}

/* What is to become of a copy of the dying process's socket; ENDINGS for what is no connection. */
static enum ending what_becomes(int fd, pid_t thread, enum event event)
{
    const struct endings *endings = carry_endings(fd, thread);
    if (!endings)
        return ENDINGS;
    const enum ending ending = (enum ending)endings->of[event];
    return ending_aborts(ending) && socket_fin_sent(fd) ? ENDING_KEEP : ending;
}

struct dying {
    pid_t pid;
    int pidfd;
    pid_t thread; /* that is stopped, and still has the descriptors */
    enum event event;
    const struct inodes *given; /* of the process; NULL: not known */
    bool last;
};

/* Was it given to the process, and is the end of it that of a session? */
static bool is_session(const struct dying *death, const struct socket *socket)
{
    bool given = false;
    for (size_t i = 0; death->given && i < death->given->count; i++)
        given = given || death->given->at[i] == socket->inode;
    return event_of_session(death->event, given) != death->event;
}

/* What is to become of it; and does that, if DOES. Notes it in TOLD, unless that is NULL. */
static enum ending decide(const struct dying *death, const struct socket *socket, bool does,
                          struct told *told)
{
    turns_rest();
    int fd = copies_take(death->pidfd, socket->fd);
    if (fd < 0)
        return ENDINGS;
    const enum event event = event_of_session(death->event, is_session(death, socket));
    enum ending ending = what_becomes(fd, death->thread, event);
    if (told && ending != ENDINGS)
        told_note(told, fd, event, ending);
    if (does && !config.observes && ending != ENDING_KEEP && ending != ENDINGS)
        carry_out(fd, ending, true);
    return ending;
}

/*
 * Is there anything to do, or to tell? Only then it is worth to look at what all other watched processes have.
 */
static bool changes_any(const struct sockets *sockets, const struct dying *death)
{
    for (size_t i = 0; i < sockets->count; i++) {
        enum ending ending = decide(death, &sockets->at[i], false, NULL);
        if (ending != ENDINGS && (ending != ENDING_KEEP || config.log_all))
            return true;
    }
    return false;
}

/*
 * The same for several processes that share connections and die together, one after the other: of two that
 * are judged in turns the one that comes here first finds that the other one still has them. So nothing rests
 * from here on until all is decided.
 */
static void exclude_watched(struct sockets *sockets, const struct dying *death)
{
    struct process *process = (struct process *)task_find(death->pid);
    for (size_t i = 0; i < sockets->count; i++)
        if (!sockets->at[i].excluded)
            sockets->at[i].excluded = holders_have(sockets->at[i].inode, death->pid);
    if (process && death->last)
        process->first.decided = true;
}

static void exclude_shared(struct sockets *sockets, const struct dying *death)
{
    const pid_t parent = proc_pid(death->thread, "PPid");
    const struct process *process = (struct process *)task_find(death->pid);
    if (process && process->foreign)
        sockets_exclude_inodes(sockets, process->foreign->at, process->foreign->count);
    if (!process || process->first.is_unknown)
        for (size_t i = 0; i < sockets->count; i++)
            sockets->at[i].excluded = true;
    if (parent && !task_find(parent))
        sockets_exclude(sockets, parent);
    holders_look();
    exclude_watched(sockets, death);
}

struct verdict {
    enum event event;
    const unsigned (*count)[ENDINGS + 1]; /* of each ending, for the event and for sessions; NULL: unknown */
    bool hidden;
};

static void say(const void *data)
{
    const struct verdict *verdict = data;
    for (int session = 0; verdict->count && session < 2; session++)
        record_death(event_of_session(verdict->event, session), verdict->count[session]);
    if (!verdict->count)
        record_note("a process died whose descriptors the side-car may not see: nothing was changed");
    if (verdict->hidden)
        record_note("another process, whose descriptors the side-car may not see, may have them too: nothing "
                    "was changed");
}

/* The process may be gone before its death is judged. */
static struct inodes *copy_of(const struct inodes *inodes)
{
    const size_t size = inodes ? sizeof *inodes + inodes->count * sizeof *inodes->at : 0;
    struct inodes *copy = inodes ? malloc(size) : NULL;
    return copy ? memcpy(copy, inodes, size) : NULL;
}

void judge_death(const struct process *process, pid_t thread, int status, bool last)
{
    struct inodes *given = copy_of(process->given);
    struct dying death = {.pid = process->first.tid,
                          .pidfd = proc_open(thread, process->first.tid),
                          .thread = thread,
                          .event = event_of(process, status),
                          .given = given,
                          .last = last};
    unsigned count[2][ENDINGS + 1] = {{0}};
    struct sockets sockets;
    bool seen = sockets_of(&sockets, thread, 0, UINT_MAX);
    bool hidden = false;
    struct told *told = told_new(death.pid, sockets.count);
    listeners_forget();
    deferrals_at_death(death.pid, death.pidfd, given, death.event);
    if (changes_any(&sockets, &death)) {
        exclude_shared(&sockets, &death);
        hidden = holders_are_hidden();
        for (size_t i = 0; i < sockets.count; i++)
            if (!sockets.at[i].excluded)
                count[is_session(&death, &sockets.at[i])][decide(&death, &sockets.at[i], true, told)]++;
    }
    free(sockets.at);
    free(given);
    const struct verdict verdict = {.event = death.event, .count = seen ? count : NULL, .hidden = hidden};
    if (told_any(told))
        carry_record(death.pid, death.pidfd, told_say, told);
    if (last && seen)
        told_count(death.event, (const unsigned(*)[ENDINGS + 1]) count);
    if (last)
        carry_record(death.pid, death.pidfd, say, &verdict);
    free(told);
    copies_close();
    close(death.pidfd);
}

void judge_unseen(const struct process *process, int status)
{
    char name[PROC_NAME];
    if (process->first.judged || !judge_cares(process, status))
        return;
    proc_name(name, process->first.tid);
    record_about(process->first.tid, name, "watch");
    record_note("a process was killed before the side-car could look at it: nothing was changed");
    record_about(0, NULL, NULL);
}

/*
 * Leaves out what is no connection: a listener that was passed on (systemd, nginx's upgrade) is its own. Asks
 * without the lock of the socket, which getpeername(2) would take.
 */
static bool is_connection(int pidfd, const struct socket *socket)
{
    int fd = copies_take(pidfd, socket->fd);
    struct pollfd state = {.fd = fd};
    return fd >= 0 && socket_is_tcp(fd) && !socket_is_listener(fd) && poll(&state, 1, 0) >= 0 &&
           !(state.revents & POLLHUP);
}

/* Of those numbers; NULL for none, or more than MOST_GIVEN. */
static struct inodes *inodes_of(pid_t pid, unsigned last)
{
    enum { MOST_GIVEN = 256 };
    struct sockets sockets;
    if (!config.log_all && !changes(EVENT_EXIT_ERROR) && !changes(EVENT_SESSION_ERROR))
        return NULL;
    sockets_of(&sockets, pid, 0, last);
    struct inodes *inodes = sockets.count && sockets.count <= MOST_GIVEN
                                ? malloc(sizeof *inodes + sockets.count * sizeof *inodes->at)
                                : NULL;
    if (inodes) {
        inodes->count = sockets.count;
        for (size_t i = 0; i < sockets.count; i++)
            inodes->at[i] = sockets.at[i].inode;
    }
    free(sockets.at);
    return inodes;
}

struct inodes *judge_birth(pid_t pid)
{
    return inodes_of(pid, UINT_MAX);
}

struct inodes *judge_given_by_exec(pid_t pid)
{
    return inodes_of(pid, (unsigned)(STDERR_FILENO + proc_listen_fds(pid)));
}

struct inodes *judge_exec(pid_t pid)
{
    struct sockets sockets;
    sockets_of(&sockets, pid, STDERR_FILENO + 1 + proc_listen_fds(pid), UINT_MAX);
    struct inodes *foreign =
        sockets.count ? malloc(sizeof *foreign + sockets.count * sizeof *foreign->at) : NULL;
    if (foreign) {
        int pidfd = proc_open(pid, pid);
        foreign->count = 0;
        for (size_t i = 0; i < sockets.count; i++) {
            turns_rest();
            if (is_connection(pidfd, &sockets.at[i]))
                foreign->at[foreign->count++] = sockets.at[i].inode;
        }
        copies_close();
        close(pidfd);
    }
    free(sockets.at);
    return foreign;
}
