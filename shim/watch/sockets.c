#include "sockets.h"

#include "proc.h"
#include "process/links.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST = 64 };

struct collection {
    struct sockets *sockets;
    size_t room;
    int from;
    unsigned last;
    bool failed;
};

static void collect(void *data, int directory, const char *name)
{
    struct collection *to = data;
    int fd = (int)strtol(name, NULL, 10);
    if (fd < to->from || (unsigned)fd > to->last)
        return;
    ino_t inode = links_socket(directory, name);
    if (!inode) {
        to->failed |= errno == EACCES || errno == EPERM;
        return;
    }
    if (to->sockets->count == to->room) {
        size_t room = to->room ? 2 * to->room : FIRST;
        struct socket *more = realloc(to->sockets->at, room * sizeof *more);
        if (!more) {
            to->failed = true;
            return;
        }
        to->sockets->at = more;
        to->room = room;
    }
    to->sockets->at[to->sockets->count++] = (struct socket){.inode = inode, .fd = fd};
}

static int by_inode(const void *left, const void *right)
{
    const struct socket *a = left;
    const struct socket *b = right;
    if (a->inode != b->inode)
        return a->inode < b->inode ? -1 : 1;
    return a->fd < b->fd ? -1 : a->fd > b->fd;
}

static void drop_duplicates(struct sockets *sockets)
{
    size_t kept = 0;
    for (size_t i = 0; i < sockets->count; i++)
        if (kept == 0 || sockets->at[kept - 1].inode != sockets->at[i].inode)
            sockets->at[kept++] = sockets->at[i];
    sockets->count = kept;
}

bool sockets_of(struct sockets *out, pid_t thread, int from, unsigned last)
{
    *out = (struct sockets){0};
    struct collection to = {.sockets = out, .from = from, .last = last};
    bool done = proc_each(thread, "fd", collect, &to);
    if (out->count > 1)
        qsort(out->at, out->count, sizeof *out->at, by_inode);
    drop_duplicates(out);
    if (to.failed)
        errno = EACCES;
    return done && !to.failed;
}

static void exclude(struct sockets *sockets, ino_t inode)
{
    size_t low = 0;
    size_t high = sockets->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sockets->at[middle].inode < inode)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < sockets->count && sockets->at[low].inode == inode)
        sockets->at[low].excluded = true;
}

static void exclude_link(void *data, int directory, const char *name)
{
    ino_t inode = links_socket(directory, name);
    if (inode)
        exclude(data, inode);
}

void sockets_exclude(struct sockets *sockets, pid_t pid)
{
    proc_each(pid, "fd", exclude_link, sockets);
}

void sockets_exclude_inodes(struct sockets *sockets, const ino_t *inodes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        exclude(sockets, inodes[i]);
}
