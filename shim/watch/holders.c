#include "holders.h"

#include "notices.h"
#include "proc.h"
#include "process/links.h"
#include "sockets.h"
#include "turns.h"

#include <limits.h>
#include <linux/kcmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST = 256, ABOVE = 0 };

struct holder {
    ino_t inode;
    pid_t pid; /* ABOVE: the process above the first one, which is not watched */
    int fd;
};

struct holders {
    struct holder *at; /* sorted by inode */
    size_t count;
    size_t room;
    bool failed;
};

static struct {
    struct holders found;  /* by the last look that has ended */
    struct holders coming; /* by the one that goes on */
    unsigned long begun;   /* looks */
    unsigned long ended;
    bool is_fresh; /* the last one that began did so in this round */
} looks;

static pid_t above_first; /* the parent of the first process; 0: none, or gone */

/* What processes have that are not watched. */
static struct {
    ino_t *at; /* sorted */
    size_t count;
} outside;

static void note(ino_t inode, pid_t pid, int fd)
{
    struct holders *to = &looks.coming;
    if (to->count == to->room) {
        size_t room = to->room ? 2 * to->room : FIRST;
        struct holder *more = realloc(to->at, room * sizeof *more);
        if (!more) {
            to->failed = true;
            return;
        }
        to->at = more;
        to->room = room;
    }
    to->at[to->count++] = (struct holder){.inode = inode, .pid = pid, .fd = fd};
}

static void see_link(void *data, int directory, const char *name)
{
    const pid_t *pid = data;
    ino_t inode = links_socket(directory, name);
    if (inode)
        note(inode, *pid, (int)strtol(name, NULL, 10));
    else if (proc_is_hidden(*pid))
        looks.coming.failed = true;
}

/* PID is the process or, where that tells nothing, one of its threads. */
static void see_links(pid_t pid, pid_t process)
{
    if (!proc_each(pid, "fd", see_link, &process) && proc_is_hidden(pid))
        looks.coming.failed = true;
}

static void see_thread(void *data, int directory, const char *name)
{
    const pid_t *process = data;
    (void)directory;
    see_links((pid_t)strtol(name, NULL, 10), *process);
}

/* When the first thread has ended, /proc tells nothing of the process as a whole. */
static void see_process(pid_t pid)
{
    const struct task *first = task_find(pid);
    if (first && !first->exiting && first->seen)
        see_links(pid, pid);
    else if (first)
        proc_each(pid, "task", see_thread, &pid);
}

static struct {
    pid_t *at;
    size_t count;
    size_t room;
} pids;

static void list(struct process *process)
{
    if (pids.count == pids.room) {
        size_t room = pids.room ? 2 * pids.room : FIRST;
        pid_t *more = realloc(pids.at, room * sizeof *more);
        if (!more) {
            looks.coming.failed = true;
            return;
        }
        pids.at = more;
        pids.room = room;
    }
    pids.at[pids.count++] = process->first.tid;
}

static int by_inode(const void *left, const void *right)
{
    const struct holder *a = left;
    const struct holder *b = right;
    return a->inode < b->inode ? -1 : a->inode > b->inode;
}

/* What the first process was born with, this one may have too. Nothing comes to it later. */
static void see_above(void)
{
    pid_t none = ABOVE;
    if (notices_are_on() && above_first)
        proc_each(above_first, "fd", see_link, &none);
}

/* The list first: tasks come and go while this rests. */
static void look(void)
{
    looks.begun++;
    looks.is_fresh = true;
    looks.coming = (struct holders){0};
    pids.count = 0;
    task_each_process(list);
    for (size_t i = 0; i < pids.count; i++) {
        see_process(pids.at[i]);
        turns_rest();
    }
    see_above();
    free(pids.at);
    memset(&pids, 0, sizeof pids);
    if (looks.coming.count > 1)
        qsort(looks.coming.at, looks.coming.count, sizeof *looks.coming.at, by_inode);
    free(looks.found.at);
    looks.found = looks.coming;
    looks.coming = (struct holders){0};
    looks.ended = looks.begun;
}

void holders_look(void)
{
    const unsigned long wanted = looks.is_fresh ? looks.begun : looks.begun + 1;
    while (looks.ended < wanted)
        if (looks.begun > looks.ended)
            turns_wait();
        else
            look();
}

static size_t first_of(ino_t inode)
{
    size_t low = 0;
    size_t high = looks.found.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (looks.found.at[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int by_number(const void *left, const void *right)
{
    const ino_t *a = left;
    const ino_t *b = right;
    return *a < *b ? -1 : *a > *b;
}

bool holders_have(ino_t inode, pid_t but)
{
    const struct holders *found = &looks.found;
    if (outside.count && bsearch(&inode, outside.at, outside.count, sizeof inode, by_number))
        return true;
    for (size_t i = first_of(inode); i < found->count && found->at[i].inode == inode; i++)
        if (found->at[i].pid != but && task_lives(found->at[i].pid))
            return true;
    return found->failed;
}

static bool is_foreign(const struct process *process, ino_t inode)
{
    for (size_t i = 0; process->foreign && i < process->foreign->count; i++)
        if (process->foreign->at[i] == inode)
            return true;
    return process->first.is_unknown;
}

static bool same_table(pid_t one, pid_t other)
{
    return syscall(SYS_kcmp, one, other, KCMP_FILES, 0, 0) == 0;
}

void holders_see_birth(struct process *child, struct process *parent)
{
    if (child != parent && notices_are_on() && same_table(child->first.tid, parent->first.tid))
        child->shares_table = parent->shares_table = true;
}

static struct process *process_of(pid_t pid)
{
    return (struct process *)task_find(pid);
}

/* What the look says of a process that was said to share: nothing of it is elsewhere, and nothing can have gone there. */
static struct {
    unsigned long since; /* task_now() before the look began */
    bool flies;          /* something is on its way */
} sharing;

static bool has_neighbour(const struct holders *found, size_t i)
{
    const ino_t inode = found->at[i].inode;
    return (i > 0 && found->at[i - 1].inode == inode) ||
           (i + 1 < found->count && found->at[i + 1].inode == inode) ||
           (outside.count && bsearch(&inode, outside.at, outside.count, sizeof inode, by_number));
}

static void unmark(struct process *process)
{
    if (process->changed <= sharing.since) {
        process->has_unix = process->shares_table;
        process->may_share = process->shares_table;
    }
}

static void mark_again(void)
{
    const struct holders *found = &looks.found;
    for (size_t i = 0; i < found->count; i++) {
        struct process *process = process_of(found->at[i].pid);
        if (!process || found->at[i].pid == ABOVE)
            continue;
        process->has_unix |= process->held_unix;
        process->may_share |=
            process->has_unix || has_neighbour(found, i) || is_foreign(process, found->at[i].inode);
    }
}

static void forget_unix(struct process *process)
{
    process->held_unix = false;
}

/* Unix sockets at 0, 1 and 2 are standard streams, of a log as a rule: nobody sends descriptors there. */
static void ask_unix(void)
{
    const struct holders *found = &looks.found;
    task_each_process(forget_unix);
    sharing.flies = false;
    for (size_t i = 0; i < found->count; i++) {
        struct process *process = process_of(found->at[i].pid);
        if (found->at[i].pid == ABOVE || !process || !process->has_unix || found->at[i].fd <= STDERR_FILENO)
            continue;
        const int count = proc_in_flight(found->at[i].pid, found->at[i].fd);
        process->held_unix |= count >= 0;
        sharing.flies |= count > 0;
    }
}

static void look_again(void)
{
    looks.is_fresh = false;
    const unsigned long wanted = looks.begun + 1;
    while (looks.ended < wanted) {
        if (looks.begun > looks.ended) {
            turns_wait();
            continue;
        }
        const unsigned long since = task_now();
        look();
        sharing.since = since;
        ask_unix();
        if (!looks.found.failed) {
            task_each_process(unmark);
            mark_again();
        }
    }
}

/* It may have forked, say, while the look went on. */
static bool look_for(pid_t pid)
{
    enum { TRIES = 3 };
    for (int i = 0; i < TRIES; i++) {
        look_again();
        const struct process *process = process_of(pid);
        if (!process || looks.found.failed)
            return false;
        if (process->changed <= sharing.since)
            return true;
    }
    return false;
}

bool holders_have_other(ino_t inode, pid_t pid, int fd)
{
    const bool is_known = look_for(pid);
    const struct holders *found = &looks.found;
    const struct process *process = process_of(pid);
    if (!is_known || sharing.flies || is_foreign(process, inode) ||
        (outside.count && bsearch(&inode, outside.at, outside.count, sizeof inode, by_number)))
        return true;
    for (size_t i = first_of(inode); i < found->count && found->at[i].inode == inode; i++) {
        const struct holder *other = &found->at[i];
        const bool is_it = other->fd == fd && (other->pid == pid || same_table(other->pid, pid));
        if (!is_it && (other->pid == ABOVE || task_lives(other->pid)))
            return true;
    }
    return false;
}

bool holders_are_hidden(void)
{
    return looks.found.failed;
}

static void share(const struct sockets *sockets, bool excluded)
{
    ino_t *more = realloc(outside.at, (outside.count + sockets->count) * sizeof *more);
    if (!more)
        return;
    outside.at = more;
    for (size_t i = 0; i < sockets->count; i++)
        if (sockets->at[i].excluded || !excluded)
            outside.at[outside.count++] = sockets->at[i].inode;
    qsort(outside.at, outside.count, sizeof *outside.at, by_number);
}

void holders_share(pid_t pid)
{
    struct sockets sockets;
    sockets_of(&sockets, pid, 0, UINT_MAX);
    if (sockets.count)
        share(&sockets, false);
    free(sockets.at);
}

static bool is_hidden(pid_t pid)
{
    struct sockets sockets;
    bool hidden = !sockets_of(&sockets, pid, 0, UINT_MAX) && proc_is_hidden(pid);
    free(sockets.at);
    return hidden;
}

void holders_begin(pid_t pid)
{
    struct sockets sockets;
    pid_t above = proc_pid(pid, "PPid");
    above_first = above;
    sockets_of(&sockets, pid, 0, UINT_MAX);
    if (sockets.count) {
        const bool hidden = above && is_hidden(above);
        while (above && (above = proc_pid(above, "PPid")))
            sockets_exclude(&sockets, above);
        share(&sockets, !hidden);
    }
    free(sockets.at);
}

void holders_forget(void)
{
    looks.is_fresh = false;
    if (turns_are_due())
        return;
    free(looks.found.at);
    looks.found = (struct holders){0};
}
