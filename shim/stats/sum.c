#include "sum.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_SIZE = 32, PATIENCE = 500, TURN = 10000 /* microseconds */, MOST = 64 << 20 /* bytes */ };

#define SUM_MAGIC "truefi+" /* with its NUL 8 bytes */

/* Then come `rows` records, and behind them the names of the pages in them, with a NUL each. */
struct head {
    char magic[8];
    uint32_t version;
    uint32_t row_size;
    uint8_t events, endings, causes, unused;
    uint32_t rows;
    uint32_t names; /* bytes */
};

/* What is being summed up. */
struct work {
    int directory;
    struct rows *rows;
    char *names;
    size_t size;
    size_t removable; /* pages */
};

static bool fails(const char *what)
{
    fprintf(stderr, "truefin: stats: %s: %s\n", what, strerror(errno));
    return false;
}

static void name_of(char name[NAME_SIZE], const char *kind, uid_t uid)
{
    snprintf(name, NAME_SIZE, "%s-%u", kind, (unsigned)uid);
}

int sum_lock(int directory)
{
    char name[NAME_SIZE];
    struct stat now;
    name_of(name, "lock", geteuid());
    const int fd = openat(directory, name, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || fstat(fd, &now) != 0 || now.st_uid != geteuid()) {
        errno = fd < 0 ? errno : EPERM;
        fails(name);
        return -1;
    }
    for (int i = 0; i < PATIENCE; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return fd;
        usleep(TURN);
    }
    fails(name);
    close(fd);
    return -1;
}

/* NULL if there is none, or one of another form. The caller frees it. */
static struct head *read_sum(int directory, uid_t uid)
{
    char name[NAME_SIZE];
    size_t size = 0;
    name_of(name, "sum", uid);
    struct head *head = directory_read(directory, name, uid, MOST, &size);
    if (head && size >= sizeof *head && memcmp(head->magic, SUM_MAGIC, sizeof head->magic) == 0 &&
        head->version == PAGE_VERSION && head->row_size == sizeof(struct row) && head->events == EVENTS &&
        head->endings == ENDINGS && head->causes == CAUSES && head->rows < MOST / sizeof(struct row) &&
        size == sizeof *head + head->rows * sizeof(struct row) + head->names &&
        (head->names == 0 || ((char *)head)[size - 1] == '\0'))
        return head;
    free(head);
    return NULL;
}

/* The rows of a sum; of one that is not root's, only those that are its owner's. */
static bool add_rows(struct rows *rows, const struct head *head, uid_t owner)
{
    const char *at = (const char *)(head + 1);
    for (uint32_t i = 0; i < head->rows; i++) {
        struct row from;
        memcpy(&from, at + i * sizeof from, sizeof from);
        from.program[PAGE_PROGRAM - 1] = '\0';
        if (owner != 0 && from.uid != owner)
            continue;
        struct row *row = rows_find(rows, from.program, from.uid, from.sidecar != 0, 0);
        if (!row)
            return false;
        rows_add(&row->counters, &from.counters);
    }
    return true;
}

/* Those that are in the sum and still there: as long as one is, it would be counted twice. */
static bool remove_named(int directory, const char *names, size_t size)
{
    for (const char *name = names; name < names + size; name += strlen(name) + 1)
        if (*name >= '0' && *name <= '9' && !strchr(name, '/') && unlinkat(directory, name, 0) != 0 &&
            errno != ENOENT)
            return fails(name);
    return true;
}

static bool note_name(struct work *work, const char *name)
{
    const size_t length = strlen(name) + 1;
    char *more = realloc(work->names, work->size + length);
    if (!more)
        return fails("the list of pages");
    memcpy(more + work->size, name, length);
    work->names = more;
    work->size += length;
    work->removable++;
    return true;
}

static bool take(const struct found *found, void *data)
{
    struct work *work = data;
    if (found->life != LIFE_OVER || (found->owner != geteuid() && geteuid() != 0))
        return true;
    struct row *row = rows_find(work->rows, found->page.program, found->owner, found->page.is_sidecar, 0);
    if (!row)
        return false;
    const struct counters left = rows_left_by(found);
    rows_add(&row->counters, &left);
    return note_name(work, found->name);
}

static bool put(int fd, const void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        const ssize_t written = write(fd, (const char *)data + done, size - done);
        if (written <= 0)
            return false;
        done += (size_t)written;
    }
    return true;
}

static bool write_sum(const struct work *work)
{
    const struct head head = {.magic = SUM_MAGIC,
                              .version = PAGE_VERSION,
                              .row_size = sizeof(struct row),
                              .events = EVENTS,
                              .endings = ENDINGS,
                              .causes = CAUSES,
                              .rows = (uint32_t)work->rows->count,
                              .names = (uint32_t)work->size};
    char name[NAME_SIZE];
    char beside[NAME_SIZE];
    name_of(name, "sum", geteuid());
    name_of(beside, "new", geteuid());
    unlinkat(work->directory, beside, 0);
    const int fd =
        openat(work->directory, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return fails(beside);
    const bool good = put(fd, &head, sizeof head) &&
                      put(fd, work->rows->at, work->rows->count * sizeof *work->rows->at) &&
                      put(fd, work->names, work->size);
    if (close(fd) == 0 && good && renameat(work->directory, beside, work->directory, name) == 0)
        return true;
    fails(name);
    unlinkat(work->directory, beside, 0);
    return false;
}

bool sum_up(int directory, struct rows *rows)
{
    struct work work = {.directory = directory, .rows = rows};
    struct head *before = read_sum(directory, geteuid());
    bool good = true;
    if (before) {
        const char *names = (const char *)(before + 1) + before->rows * sizeof(struct row);
        good = remove_named(directory, names, before->names) && add_rows(rows, before, geteuid());
    }
    free(before);
    good = good && directory_each(directory, take, &work);
    if (good && work.removable > 0)
        good = write_sum(&work) && remove_named(directory, work.names, work.size);
    if (good && work.removable > 0) {
        work.size = 0;
        good = write_sum(&work);
    }
    free(work.names);
    return good;
}

bool sum_of_others(int directory, struct rows *rows)
{
    const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;
    bool good = stream != NULL || fails("the directory");
    while (good && (entry = readdir(stream))) {
        char name[NAME_SIZE];
        char *end = NULL;
        const bool is_sum = strncmp(entry->d_name, "sum-", 4) == 0;
        const unsigned long uid = is_sum ? strtoul(entry->d_name + 4, &end, 10) : 0;
        name_of(name, "sum", (uid_t)uid);
        if (!is_sum || uid == geteuid() || strcmp(name, entry->d_name) != 0)
            continue;
        struct head *head = read_sum(directory, (uid_t)uid);
        good = !head || add_rows(rows, head, (uid_t)uid);
        free(head);
    }
    if (stream)
        closedir(stream);
    return good;
}
