#include "sockets.h"

#include "process/links.h"
#include "processes.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_SIZE = 64, BUFFER_SIZE = 8192, FIRST_ROOM = 1024 };

/* A TCP socket that has a descriptor somewhere. */
struct listed {
    ino_t inode;
    bool is_connection;
};

/* What is listed in one network namespace. */
struct space {
    ino_t id;
    struct listed *at;
    size_t count, room;
    struct space *next;
};

static struct space *spaces;

static bool put(struct space *space, struct listed listed)
{
    if (space->count == space->room) {
        const size_t room = space->room ? 2 * space->room : FIRST_ROOM;
        struct listed *more = realloc(space->at, room * sizeof *more);
        if (!more)
            return false;
        space->at = more;
        space->room = room;
    }
    space->at[space->count++] = listed;
    return true;
}

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000  0 12345 ...": state and inode. */
static void read_line(struct space *space, const char *line)
{
    enum { STATE = 3, INODE = 9 };
    unsigned long state = 0;
    ino_t inode = 0;
    for (int field = 0; *line; field++) {
        line += strspn(line, " ");
        if (field == STATE)
            state = strtoul(line, NULL, 16);
        if (field == INODE) {
            inode = strtoul(line, NULL, 10);
            break;
        }
        line += strcspn(line, " ");
    }
    if (inode)
        put(space,
            (struct listed){.inode = inode, .is_connection = state != TCP_LISTEN && state != TCP_CLOSE});
}

static void read_list(struct space *space, pid_t pid, const char *what)
{
    char *text = processes_read(pid, what, NULL);
    char *line = text ? strchr(text, '\n') : NULL; /* behind the heading */
    while (line && line[1]) {
        char *end = strchr(line + 1, '\n');
        if (end)
            *end = '\0';
        read_line(space, line + 1);
        line = end;
    }
}

static int by_inode(const void *a, const void *b)
{
    const ino_t first = ((const struct listed *)a)->inode;
    const ino_t second = ((const struct listed *)b)->inode;
    return (first > second) - (first < second);
}

/* The one that PID is in. NULL without memory. */
static const struct space *space_of(pid_t pid)
{
    char path[PATH_SIZE];
    struct stat status = {0};
    struct space *space;
    snprintf(path, sizeof path, "/proc/%d/ns/net", pid);
    if (stat(path, &status) != 0)
        return NULL;
    for (space = spaces; space; space = space->next)
        if (space->id == status.st_ino)
            return space;
    space = calloc(1, sizeof *space);
    if (!space)
        return NULL;
    space->id = status.st_ino;
    read_list(space, pid, "net/tcp");
    read_list(space, pid, "net/tcp6");
    if (space->count)
        qsort(space->at, space->count, sizeof *space->at, by_inode);
    space->next = spaces;
    spaces = space;
    return space;
}

static void count_socket(struct tcp_count *count, const struct space *space, ino_t inode)
{
    const struct listed wanted = {.inode = inode};
    const struct listed *found =
        space && space->count ? bsearch(&wanted, space->at, space->count, sizeof wanted, by_inode) : NULL;
    if (found) {
        count->sockets++;
        count->connections += found->is_connection;
    }
}

bool sockets_count(struct tcp_count *count, pid_t pid)
{
    _Alignas(uint64_t) char buffer[BUFFER_SIZE];
    char path[PATH_SIZE];
    const struct space *space = NULL;
    const char *name;
    *count = (struct tcp_count){0};
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return false;
    struct links links = {.directory = directory, .buffer = buffer, .room = sizeof buffer};
    while ((name = links_next(&links))) {
        const ino_t inode = links_socket(directory, name);
        if (inode && !space)
            space = space_of(pid);
        if (inode)
            count_socket(count, space, inode);
    }
    close(directory);
    return true;
}
