#include "keeper.h"

#include "copies.h"
#include "kept/kept.h"
#include "kept/raw.h"
#include "report/record.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAKEN = 64, SLICE = 256, LEAST_ROOM = 256 };

struct place {
    bool used;
    struct kept kept;
};

static struct {
    struct place *at; /* each at the number of its descriptor */
    int room;
    int count;
    int next;    /* where the next slice begins */
    int set;     /* of epoll(7); 0 before the first connection */
    int signals; /* SIGCHLD, which all processes of ours have blocked */
} all;

/* The set, with the end of children in it. It is there for as long as the side-car. */
static bool make_set(void)
{
    sigset_t children;
    if (all.set > 0)
        return true;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    all.set = epoll_create1(EPOLL_CLOEXEC);
    all.signals = signalfd(-1, &children, SFD_NONBLOCK | SFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = all.signals};
    if (all.set > 0 && all.signals >= 0 && epoll_ctl(all.set, EPOLL_CTL_ADD, all.signals, &event) == 0)
        return true;
    close(all.set);
    close(all.signals);
    all.set = 0;
    return false;
}

static bool make_room(int fd)
{
    if (fd < all.room)
        return true;
    const int room = fd + fd / 2 + LEAST_ROOM;
    struct place *more = realloc(all.at, (size_t)room * sizeof *more);
    if (!more)
        return false;
    for (int i = all.room; i < room; i++)
        more[i].used = false;
    all.at = more;
    all.room = room;
    return true;
}

static bool attends(int fd, const struct kept *kept)
{
    struct epoll_event event = {.events = kept_events(kept), .data.fd = fd};
    return epoll_ctl(all.set, EPOLL_CTL_MOD, fd, &event) == 0 ||
           epoll_ctl(all.set, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool has_place(int fd)
{
    return make_set() && make_room(fd);
}

/* It is ours from now on: a duplicate would take a second number for each of thousands. */
static bool put(int fd)
{
    if (!attends(fd, &all.at[fd].kept))
        return false;
    copies_leave(fd);
    all.at[fd].used = true;
    all.count++;
    return true;
}

bool keeper_discard(int fd)
{
    if (!has_place(fd))
        return false;
    kept_linger_off(fd);
    kept_make_ours(fd);
    kept_discard(&all.at[fd].kept);
    return put(fd) && shutdown(fd, SHUT_WR) == 0;
}

bool keeper_flush(int fd)
{
    if (!has_place(fd))
        return false;
    kept_flush(&all.at[fd].kept, true);
    kept_arm_delivered(fd);
    return put(fd);
}

bool keeper_has_any(void)
{
    return all.count > 0;
}

static void look_at(int fd)
{
    struct place *place = &all.at[fd];
    const bool was_deaf = place->kept.deaf;
    const enum kept_outcome outcome = kept_look(fd, &place->kept);
    if (outcome == KEPT_WAITS) {
        if (place->kept.deaf != was_deaf)
            attends(fd, &place->kept);
        return;
    }
    if (outcome == KEPT_LIMIT)
        atomic_fetch_add(&record_limits, 1);
    kept_prepare_close(fd, &place->kept, outcome);
    place->used = false;
    all.count--;
    close(fd);
}

static void attend(int fd, uint32_t events)
{
    if (events & EPOLLERR)
        kept_discard_messages(fd, &all.at[fd].kept);
    look_at(fd);
}

static void look_at_some(uint32_t now)
{
    int looks = 0;
    for (int i = 0; i < all.room && looks < SLICE; i++) {
        const int fd = all.next++ % all.room;
        all.next %= all.room;
        if (all.at[fd].used && (int32_t)(now - all.at[fd].kept.due) >= 0) {
            look_at(fd);
            looks++;
        }
    }
}

/* Milliseconds until one is due: at most KEPT_TICK. */
static int until_due(uint32_t now)
{
    int least = KEPT_TICK;
    for (int fd = 0; fd < all.room && least > 0; fd++) {
        const int32_t left = (int32_t)(all.at[fd].kept.due - now);
        if (all.at[fd].used && left < least)
            least = left > 0 ? left : 0;
    }
    return least;
}

void keeper_look(bool rests)
{
    struct epoll_event events[TAKEN];
    struct signalfd_siginfo info;
    if (all.count == 0)
        return;
    const int count = epoll_wait(all.set, events, TAKEN, rests ? until_due(raw_now()) : 0);
    for (int i = 0; i < count; i++) {
        const int fd = events[i].data.fd;
        if (fd == all.signals)
            while (read(fd, &info, sizeof info) > 0)
                ;
        else if (all.at[fd].used)
            attend(fd, events[i].events);
    }
    look_at_some(raw_now());
}
