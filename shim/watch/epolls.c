#include "epolls.h"

#include "clock.h"
#include "peek.h"
#include "proc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PROCESSES = 16, SETS = 32, PATH_SIZE = 64 };
enum { SETTLED = 100 }; /* milliseconds: a call that was let go so long ago has made its set */

/* A copy of a set, and the number that the program has for it. */
struct set {
    int number;
    int copy;
};

static struct sets {
    pid_t pid; /* 0 for none */
    int count;
    bool too_many;
    bool has_lost;    /* sets that others may have */
    bool is_known;    /* the list is that of then */
    bool is_read;     /* just now, in turns with all else */
    uint32_t changed; /* clock_now() at the last call that may have made one */
    unsigned version; /* of the list */
    struct set at[SETS];
} all[PROCESSES];

static void drop(struct sets *sets)
{
    for (int i = 0; i < sets->count; i++)
        close(sets->at[i].copy);
    sets->count = 0;
    sets->too_many = false;
    sets->is_known = false;
    sets->version++;
}

static struct sets *find(pid_t pid)
{
    for (int i = 0; i < PROCESSES; i++)
        if (all[i].pid == pid)
            return &all[i];
    return NULL;
}

/* Of one that is not known all may have been made just now. */
static struct sets *get(pid_t pid)
{
    static unsigned next;
    static bool was_full; /* then what is known of the first ones may be forgotten */
    struct sets *sets = find(pid);
    if (sets)
        return sets;
    sets = find(0);
    if (!sets) {
        was_full = true;
        sets = &all[next++ % PROCESSES];
    }
    drop(sets);
    sets->has_lost = was_full;
    sets->pid = pid;
    sets->changed = clock_now();
    return sets;
}

void epolls_change(pid_t pid)
{
    struct sets *sets = get(pid);
    sets->is_known = false;
    sets->version++;
    sets->changed = clock_now();
}

void epolls_close(pid_t pid, bool loses)
{
    struct sets *sets = get(pid);
    sets->has_lost |= loses;
    drop(sets);
}

void epolls_forget(pid_t pid)
{
    struct sets *sets = find(pid);
    if (sets) {
        drop(sets);
        sets->has_lost = false;
        sets->pid = 0;
    }
}

static void see(void *data, int directory, const char *name)
{
    struct sets *sets = data;
    if (!peek_is_set(directory, name))
        return;
    const int number = (int)strtol(name, NULL, 10);
    const int copy =
        sets->count < SETS ? (int)syscall(SYS_pidfd_getfd, peek_pidfd(sets->pid, sets->pid), number, 0) : -1;
    if (copy >= 0)
        sets->at[sets->count++] = (struct set){.number = number, .copy = copy};
    else
        sets->too_many = true;
}

/*
 * The list is read again until the last call that may add to it is surely over. Reading it rests (turns.h): who comes meanwhile
 * is told that nothing is known.
 */
static bool know(struct sets *sets)
{
    if (sets->is_known || sets->is_read)
        return !sets->too_many && !sets->is_read;
    const uint32_t now = clock_now();
    drop(sets);
    const unsigned version = sets->version;
    sets->is_read = true;
    const bool done = proc_each(sets->pid, "fd", see, sets);
    sets->is_read = false;
    if (!done || sets->version != version)
        return false;
    sets->is_known = now - sets->changed > SETTLED;
    return !sets->too_many;
}

/* A set knows what is in it by the file and the number that it had then: COPY must stand at that number here. */
static void take_out_at(const struct sets *sets, int fd)
{
    for (int i = 0; i < sets->count; i++)
        epoll_ctl(sets->at[i].copy, EPOLL_CTL_DEL, fd, NULL);
}

/* What stands there of ours makes room for that long. A set of ours that it is in knows its file, which stays open. */
static bool take_out_in_place(struct sets *sets, int fd, int copy)
{
    const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (own < 0)
        return false;
    struct set *its = NULL;
    for (int i = 0; i < sets->count; i++)
        if (sets->at[i].copy == fd)
            its = &sets->at[i];
    if (its)
        its->copy = own;
    const bool done = dup3(copy, fd, O_CLOEXEC) == fd;
    if (done)
        take_out_at(sets, fd);
    if (its)
        its->copy = fd;
    const bool back = dup3(own, fd, O_CLOEXEC) == fd;
    close(own);
    return done && back;
}

/*
 * The lowest numbers are kept free of what is ours by placeholders, so that COPY can stand for a moment at most numbers that
 * programs use, with three calls.
 */
enum { RESERVED = 1024, SHARE = 4 };

static struct {
    int nothing; /* what stands there; 0 before the first need */
    bool has[RESERVED];
} reserved;

void epolls_begin(void)
{
    struct rlimit limit = {.rlim_cur = 0};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const int end = limit.rlim_cur / SHARE < RESERVED ? (int)(limit.rlim_cur / SHARE) : RESERVED;
    reserved.nothing = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, end);
    int fd = fcntl(reserved.nothing, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    for (; fd >= 0 && fd < end; fd = fcntl(reserved.nothing, F_DUPFD_CLOEXEC, fd + 1))
        reserved.has[fd] = true;
    if (fd >= 0)
        close(fd);
}

/* COPY may stand there itself. */
static bool take_out_at_free(const struct sets *sets, int fd, int copy)
{
    const int number = copy == fd ? fd : fcntl(copy, F_DUPFD_CLOEXEC, fd);
    if (number == fd)
        take_out_at(sets, fd);
    if (number >= 0 && number != copy)
        close(number);
    return number == fd;
}

static bool take_out(struct sets *sets, int fd, int copy)
{
    if (fd < RESERVED && reserved.has[fd]) {
        dup3(copy, fd, O_CLOEXEC);
        take_out_at(sets, fd);
        return dup3(reserved.nothing, fd, O_CLOEXEC) == fd;
    }
    return take_out_at_free(sets, fd, copy) || take_out_in_place(sets, fd, copy);
}

/* "tfd: 7 events: 1 data: 7  pos:0 ino:1c2f sdev:8": a line for each that is in the set. */
static bool has(const struct sets *sets, int set, ino_t inode)
{
    char path[PATH_SIZE];
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    snprintf(path, sizeof path, PROC_ROOT "/%d/fdinfo/%d", sets->pid, set);
    FILE *file = fopen(path, "re");
    while (file && !found && getline(&line, &room, file) > 0) {
        const char *text = strstr(line, " ino:");
        found = text && strtoull(text + sizeof " ino:" - 1, NULL, 16) == inode;
    }
    if (file)
        fclose(file);
    free(line);
    return found || !file;
}

static bool any_has(const struct sets *sets, ino_t inode)
{
    for (int i = 0; i < sets->count; i++)
        if (has(sets, sets->at[i].number, inode))
            return true;
    return false;
}

bool epolls_take_out(pid_t pid, int fd, int copy, ino_t inode, bool has_copies)
{
    struct sets *sets = get(pid);
    if (sets->has_lost || !know(sets))
        return false;
    return (sets->count == 0 || take_out(sets, fd, copy)) && !(has_copies && any_has(sets, inode));
}
