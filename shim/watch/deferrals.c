#include "deferrals.h"

#include "carry.h"
#include "clock.h"
#include "config.h"
#include "copies.h"
#include "epolls.h"
#include "judge/event.h"
#include "kept/kept.h"
#include "proc.h"
#include "report/record.h"

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

static struct {
    struct deferral *at; /* the one that is due first comes first */
    size_t count;
    size_t room;
} all;

bool deferrals_begin(struct deferral deferral)
{
    if (all.count == all.room) {
        const size_t room = all.room ? 2 * all.room : 64;
        struct deferral *more = realloc(all.at, room * sizeof *more);
        if (!more)
            return false;
        all.at = more;
        all.room = room;
    }
    kept_silence(deferral.fd);
    deferral.due = clock_now() + config.defer_time;
    all.at[all.count++] = deferral;
    return true;
}

bool deferrals_are_there(void)
{
    return all.count > 0;
}

int deferrals_until_due(void)
{
    const int32_t left = (int32_t)(all.at[0].due - clock_now());
    return left > 0 ? left : 0;
}

static void let_go(const struct deferral *it, enum event event, enum ending ending)
{
    const int pidfd = proc_open(it->pid, it->pid);
    carry_record_ending(it->pid, pidfd, it->fd, event, ending);
    if (ending == ENDING_KEEP || !carry_out(it->fd, ending, ending == ENDING_LINGER))
        copies_add(it->fd);
    if (pidfd >= 0)
        close(pidfd);
}

static void believe(const struct deferral *it)
{
    let_go(it, it->event, carry_ending(it->fd, it->endings, it->event));
}

static struct deferral take_out(size_t i)
{
    const struct deferral taken = all.at[i];
    for (all.count--; i < all.count; i++)
        all.at[i] = all.at[i + 1];
    return taken;
}

void deferrals_look(void)
{
    enum { AT_ONCE = 64 };
    const uint32_t now = clock_now();
    int done = 0;
    while (all.count > 0 && done < AT_ONCE && (int32_t)(now - all.at[0].due) >= 0) {
        const struct deferral it = take_out(0);
        believe(&it);
        done++;
    }
    if (done > 0)
        copies_close();
}

/* The next one of PID's. False if there is none. */
static bool take_next(struct deferral *out, pid_t pid)
{
    for (size_t i = 0; i < all.count; i++)
        if (all.at[i].pid == pid) {
            *out = take_out(i);
            return true;
        }
    return false;
}

void deferrals_are_believed(pid_t pid)
{
    struct deferral it;
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

void deferrals_at_death(pid_t pid, int pidfd, const struct inodes *given, enum event event)
{
    struct verdict verdict = {.event = event};
    struct deferral it;
    bool any = false;
    epolls_forget(pid);
    while (take_next(&it, pid)) {
        bool was_given = false;
        for (size_t i = 0; given && i < given->count; i++)
            was_given |= given->at[i] == it.inode;
        const enum event its_event = event_of_session(event, was_given);
        const enum ending ending = carry_ending(it.fd, it.endings, its_event);
        any = true;
        verdict.count[its_event != event][ending]++;
        if (ending == ENDING_KEEP || !carry_out(it.fd, ending, true))
            copies_add(it.fd);
    }
    if (any && record_wanted())
        carry_record(pid, pidfd, say_death, &verdict);
}
