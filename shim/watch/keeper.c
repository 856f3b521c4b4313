#include "keeper.h"

#include "clock.h"
#include "config.h"
#include "copies.h"
#include "kept/kept.h"
#include "report/record.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TAKEN = 64, SLICE = 256, LEAST_ROOM = 256 };
enum {
    SOON = 10
}; /* milliseconds: most peers end what has ended within that, and need no place in the set */

struct place {
    bool used;
    bool attended; /* in the set */
    struct kept kept;
};

static struct {
    struct place *at; /* each at the number of its descriptor */
    int room;
    int count;
    int next;     /* where the next slice begins */
    int set;      /* of epoll(7); 0 before the first connection */
    uint32_t due; /* none is due before that */
} all;

/* It is there for as long as the side-car. */
static bool make_set(void)
{
    if (all.set == 0)
        all.set = epoll_create1(EPOLL_CLOEXEC);
    if (all.set < 0)
        all.set = 0;
    return all.set > 0;
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

static bool attends(int fd, struct place *place)
{
    struct epoll_event event = {.events = kept_events(&place->kept), .data.fd = fd};
    place->attended = epoll_ctl(all.set, place->attended ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) == 0 ||
                      place->attended;
    return place->attended;
}

static bool has_place(int fd)
{
    return make_set() && make_room(fd);
}

static void note_due(uint32_t due)
{
    if ((int32_t)(due - all.due) < 0)
        all.due = due;
}

/* It is ours from now on: a duplicate would take a second number for each of thousands. */
static void put(int fd)
{
    copies_leave(fd);
    all.at[fd].used = true;
    if (all.count++ == 0)
        all.due = clock_now() + KEPT_TICK;
    note_due(all.at[fd].kept.due);
}

static bool put_into_set(int fd)
{
    all.at[fd].attended = false;
    if (!attends(fd, &all.at[fd]))
        return false;
    put(fd);
    return true;
}

bool keeper_discard(int fd)
{
    if (!has_place(fd))
        return false;
    kept_linger_off(fd);
    kept_make_ours(fd);
    kept_discard(&all.at[fd].kept);
    return put_into_set(fd) && shutdown(fd, SHUT_WR) == 0;
}

bool keeper_discard_later(int fd)
{
    if (!has_place(fd))
        return false;
    kept_silence(fd);
    kept_discard(&all.at[fd].kept);
    all.at[fd].attended = false;
    all.at[fd].kept.due =
        clock_now() + (SOON < config.linger.milliseconds ? SOON : config.linger.milliseconds);
    put(fd);
    shutdown(fd, SHUT_WR);
    return true;
}

bool keeper_flush(int fd)
{
    if (!has_place(fd))
        return false;
    kept_flush(&all.at[fd].kept, true);
    kept_arm_delivered(fd);
    return put_into_set(fd);
}

static void end(int fd, enum kept_outcome outcome)
{
    if (outcome == KEPT_LIMIT)
        atomic_fetch_add(&record_limits, 1);
    kept_prepare_close(fd, &all.at[fd].kept, outcome);
    all.at[fd].used = false;
    all.count--;
    close(fd);
}

/* The first look at one that has not ended soon. */
static bool begin_to_attend(int fd, struct place *place)
{
    kept_make_ours(fd);
    place->kept.due = place->kept.ends;
    return attends(fd, place);
}

static void look_at(int fd)
{
    struct place *place = &all.at[fd];
    const bool was_deaf = place->kept.deaf;
    const enum kept_outcome outcome = kept_look(fd, &place->kept);
    if (outcome != KEPT_WAITS) {
        end(fd, outcome);
        return;
    }
    if (!place->attended && !begin_to_attend(fd, place)) {
        end(fd, KEPT_LIMIT);
        return;
    }
    if (place->kept.deaf != was_deaf)
        attends(fd, place);
    note_due(place->kept.due);
}

static void attend(int fd, uint32_t events)
{
    if (events & EPOLLERR)
        kept_discard_messages(fd, &all.at[fd].kept);
    look_at(fd);
}

static bool is_due(int fd, uint32_t now)
{
    return all.at[fd].used && (int32_t)(now - all.at[fd].kept.due) >= 0;
}

/* When all have been looked at, or the next slice is due at once. */
static void find_due(uint32_t now)
{
    all.due = now + KEPT_TICK;
    for (int fd = 0; fd < all.room; fd++)
        if (all.at[fd].used)
            note_due(all.at[fd].kept.due);
}

static void look_at_some(uint32_t now)
{
    int looks = 0;
    for (int i = 0; i < all.room && looks < SLICE; i++) {
        const int fd = all.next++ % all.room;
        all.next %= all.room;
        if (is_due(fd, now)) {
            look_at(fd);
            looks++;
        }
    }
    find_due(now);
}

bool keeper_has_any(void)
{
    return all.count > 0;
}

int keeper_set(void)
{
    return all.count > 0 ? all.set : -1;
}

int keeper_until_due(void)
{
    const int32_t left = (int32_t)(all.due - clock_now());
    return left > KEPT_TICK ? KEPT_TICK : left > 0 ? left : 0;
}

void keeper_look(bool heard)
{
    struct epoll_event events[TAKEN];
    if (all.count == 0)
        return;
    const int count = heard ? epoll_wait(all.set, events, TAKEN, 0) : 0;
    for (int i = 0; i < count; i++)
        if (all.at[events[i].data.fd].used)
            attend(events[i].data.fd, events[i].events);
    const uint32_t now = clock_now();
    if (all.count > 0 && (int32_t)(now - all.due) >= 0)
        look_at_some(now);
}
