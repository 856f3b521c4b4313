#include "holders.h"

#include "proc.h"
#include "sockets.h"
#include "task.h"

#include <stdlib.h>

enum { FIRST = 256 };

struct holder {
    ino_t inode;
    pid_t pid;
};

static struct {
    struct holder *at; /* sorted by inode */
    size_t count;
    size_t room;
    bool known;
    bool failed;
} all;

/* What processes have that are not watched. */
static struct {
    ino_t *at;
    size_t count;
} outside;

static void note(ino_t inode, pid_t pid)
{
    if (all.count == all.room) {
        size_t room = all.room ? 2 * all.room : FIRST;
        struct holder *more = realloc(all.at, room * sizeof *more);
        if (!more) {
            all.failed = true;
            return;
        }
        all.at = more;
        all.room = room;
    }
    all.at[all.count++] = (struct holder){.inode = inode, .pid = pid};
}

static void see_link(void *data, int directory, const char *name)
{
    const struct process *process = data;
    ino_t inode = sockets_inode(directory, name);
    if (inode)
        note(inode, process->first.tid);
    else if (proc_is_hidden(process->first.tid))
        all.failed = true;
}

/* PID is the process or, where that tells nothing, one of its threads. */
static void see_links(pid_t pid, struct process *process)
{
    if (!proc_each(pid, "fd", see_link, process) && proc_is_hidden(pid))
        all.failed = true;
}

static void see_thread(void *data, int directory, const char *name)
{
    (void)directory;
    see_links((pid_t)strtol(name, NULL, 10), data);
}

/* When the first thread has ended, /proc tells nothing of the process as a whole. */
static void see_process(struct process *process)
{
    if (process->first.exiting || !process->first.seen)
        proc_each(process->first.tid, "task", see_thread, process);
    else
        see_links(process->first.tid, process);
}

static int by_inode(const void *left, const void *right)
{
    const struct holder *a = left;
    const struct holder *b = right;
    return a->inode < b->inode ? -1 : a->inode > b->inode;
}

static void look(void)
{
    task_each_process(see_process);
    if (all.count > 1)
        qsort(all.at, all.count, sizeof *all.at, by_inode);
    all.known = true;
}

static size_t first_of(ino_t inode)
{
    size_t low = 0;
    size_t high = all.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (all.at[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool holders_have(ino_t inode, pid_t but)
{
    for (size_t i = 0; i < outside.count; i++)
        if (outside.at[i] == inode)
            return true;
    if (!all.known)
        look();
    for (size_t i = first_of(inode); i < all.count && all.at[i].inode == inode; i++)
        if (all.at[i].pid != but && task_lives(all.at[i].pid))
            return true;
    return all.failed;
}

bool holders_are_hidden(void)
{
    return all.failed;
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
}

void holders_share(pid_t pid)
{
    struct sockets sockets;
    sockets_of(&sockets, pid, 0);
    if (sockets.count)
        share(&sockets, false);
    free(sockets.at);
}

static bool is_hidden(pid_t pid)
{
    struct sockets sockets;
    bool hidden = !sockets_of(&sockets, pid, 0) && proc_is_hidden(pid);
    free(sockets.at);
    return hidden;
}

void holders_begin(pid_t pid)
{
    struct sockets sockets;
    pid_t above = proc_pid(pid, "PPid");
    sockets_of(&sockets, pid, 0);
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
    free(all.at);
    all.at = NULL;
    all.count = all.room = 0;
    all.known = all.failed = false;
}
