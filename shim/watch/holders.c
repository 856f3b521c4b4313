#include "holders.h"

#include "proc.h"
#include "process/links.h"
#include "sockets.h"
#include "task.h"
#include "turns.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST = 256 };

struct holder {
    ino_t inode;
    pid_t pid;
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

/* What processes have that are not watched. */
static struct {
    ino_t *at; /* sorted */
    size_t count;
} outside;

static void note(ino_t inode, pid_t pid)
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
    to->at[to->count++] = (struct holder){.inode = inode, .pid = pid};
}

static void see_link(void *data, int directory, const char *name)
{
    const pid_t *pid = data;
    ino_t inode = links_socket(directory, name);
    if (inode)
        note(inode, *pid);
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
