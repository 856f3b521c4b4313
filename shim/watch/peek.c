#include "peek.h"

#include "proc.h"
#include "process/links.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { KEPT = 64, PATH_SIZE = 64, NAME_SIZE = 16 };

/* At the thread's number modulo KEPT. Both go on to mean the thread of then, and say so when it is gone. */
static struct place {
    pid_t tid; /* 0 for none */
    int directory;
    int pidfd;
} places[KEPT];

static void leave(struct place *place)
{
    if (place->tid && place->directory >= 0)
        close(place->directory);
    if (place->tid && place->pidfd >= 0)
        close(place->pidfd);
    place->tid = 0;
}

static struct place *open_anew(struct place *place, pid_t tid, pid_t tgid)
{
    char path[PATH_SIZE];
    leave(place);
    snprintf(path, sizeof path, PROC_ROOT "/%d/fd", tid);
    place->directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    place->pidfd = proc_open(tid, tgid);
    place->tid = tid;
    return place;
}

static struct place *place_of(pid_t tid, pid_t tgid)
{
    struct place *place = &places[(unsigned)tid % KEPT];
    return place->tid == tid ? place : open_anew(place, tid, tgid);
}

static ino_t look(const struct place *place, int fd)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%d", fd);
    return links_socket(place->directory, name);
}

/* One that cannot be read may be that of a thread that had the number before. */
ino_t peek_socket(pid_t tid, pid_t tgid, int fd)
{
    struct place *place = place_of(tid, tgid);
    ino_t inode = look(place, fd);
    if (!inode && errno)
        inode = look(open_anew(place, tid, tgid), fd);
    return inode;
}

int peek_pidfd(pid_t tid, pid_t tgid)
{
    return place_of(tid, tgid)->pidfd;
}

bool peek_is_open(pid_t tid, pid_t tgid, int fd)
{
    return peek_socket(tid, tgid, fd) || !errno;
}

bool peek_is_set(int directory, const char *name)
{
    static const char set[] = "anon_inode:[eventpoll]";
    char link[sizeof set];
    const ssize_t length = readlinkat(directory, name, link, sizeof link);
    return length == sizeof set - 1 && memcmp(link, set, sizeof set - 1) == 0;
}

bool peek_has_set(pid_t tid, pid_t tgid, int fd)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%d", fd);
    return peek_is_set(place_of(tid, tgid)->directory, name);
}
