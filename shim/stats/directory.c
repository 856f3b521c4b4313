#include "directory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEXT_SIZE = 4096, START_FIELD = 22, IDS = 4 };

int directory_open(const char *path)
{
    struct stat now = {.st_mode = 0};
    const char *refused = NULL;
    const int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || fstat(directory, &now) != 0)
        refused = strerror(errno);
    else if ((now.st_mode & (S_IWGRP | S_IWOTH)) && !(now.st_mode & S_ISVTX))
        refused = "others can write there, and it is not sticky";
    else if (now.st_uid != 0 && now.st_uid != geteuid() && geteuid() != 0)
        refused = "it belongs to another user";
    if (!refused)
        return directory;
    fprintf(stderr, "truefin: stats: %s: %s\n", path, refused);
    if (directory >= 0)
        close(directory);
    return -1;
}

static bool is_believed(const struct stat *now, uid_t owner)
{
    return S_ISREG(now->st_mode) && now->st_nlink == 1 && !(now->st_mode & (S_IWGRP | S_IWOTH)) &&
           now->st_uid == owner;
}

/* -1 if it is not to be believed. */
static int open_believed(int directory, const char *name, struct stat *now)
{
    const int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (fstat(fd, now) == 0 && is_believed(now, now->st_uid) &&
        (now->st_uid == 0 || now->st_uid == geteuid() || geteuid() == 0))
        return fd;
    close(fd);
    return -1;
}

void *directory_read(int directory, const char *name, uid_t owner, size_t most, size_t *size)
{
    struct stat now;
    const int fd = open_believed(directory, name, &now);
    char *data = NULL;
    if (fd < 0)
        return NULL;
    if (now.st_uid == owner && now.st_size >= 0 && (size_t)now.st_size <= most)
        data = malloc((size_t)now.st_size + 1);
    *size = 0;
    for (ssize_t got = 1; data && *size < (size_t)now.st_size && got > 0; *size += (size_t)got)
        got = pread(fd, data + *size, (size_t)now.st_size - *size, (off_t)*size);
    close(fd);
    return data;
}

/* A file of /proc, with a NUL; false if the process is gone. */
static bool read_proc(char text[TEXT_SIZE], pid_t pid, const char *what)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, what);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t size = fd < 0 ? -1 : read(fd, text, TEXT_SIZE - 1);
    if (fd >= 0)
        close(fd);
    text[size > 0 ? size : 0] = '\0';
    return size > 0;
}

/* Fields 3 and 22 of /proc/PID/stat: a zombie's page is over, too. */
static bool started_at(pid_t pid, uint64_t start)
{
    char text[TEXT_SIZE];
    const char *at = read_proc(text, pid, "stat") ? strrchr(text, ')') : NULL;
    if (!at || at[1] != ' ' || at[2] == 'Z' || at[2] == 'X')
        return false;
    for (int field = 2; at && field < START_FIELD; field++)
        at = strchr(at + 1, ' ');
    return at && (start == 0 || strtoull(at, NULL, 10) == start);
}

static bool is_of(pid_t pid, uid_t owner)
{
    char text[TEXT_SIZE];
    unsigned id[IDS];
    const char *at = read_proc(text, pid, "status") ? strstr(text, "\nUid:") : NULL;
    if (!at || sscanf(at, "\nUid: %u %u %u %u", &id[0], &id[1], &id[2], &id[3]) != IDS)
        return false;
    for (int i = 0; i < IDS; i++)
        if (id[i] == owner)
            return true;
    return false;
}

static uint64_t own_namespace(void)
{
    struct stat now = {.st_ino = 0};
    return stat("/proc/self/ns/pid", &now) == 0 ? now.st_ino : 0;
}

/* Has a living process of /proc this pid namespace? In doubt: true. Process 1 is in the first one. */
static bool is_inhabited(uint64_t namespace)
{
    DIR *stream = opendir("/proc");
    const struct dirent *entry;
    bool found = stream == NULL;
    while (!found && (entry = readdir(stream))) {
        char path[NAME_MAX + 32];
        struct stat now;
        const pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
        if (pid <= 1 || !started_at(pid, 0))
            continue;
        snprintf(path, sizeof path, "/proc/%s/ns/pid", entry->d_name);
        if (stat(path, &now) == 0)
            found = now.st_ino == namespace;
        else
            found = errno != ENOENT && errno != ESRCH;
    }
    if (stream)
        closedir(stream);
    return found;
}

/* Of a process in another pid namespace: only who is in the first one sees all processes there are. */
static bool may_live(uint64_t namespace, uint64_t ours)
{
    enum { FIRST = 0xeffffffcU }; /* PROC_PID_INIT_INO, include/linux/proc_ns.h */
    static uint64_t asked;
    static bool answer;
    if (ours != FIRST)
        return true;
    if (asked != namespace)
        answer = is_inhabited(namespace);
    asked = namespace;
    return answer;
}

/* False if it names a process of somebody else's. */
static bool look_at_life(struct found *found)
{
    const struct page *page = &found->page;
    static uint64_t ours;
    if (!ours)
        ours = own_namespace();
    found->life = LIFE_OVER;
    if (page->pid_namespace && page->pid_namespace != ours) {
        found->life = page->died || !may_live(page->pid_namespace, ours) ? LIFE_OVER : LIFE_ELSEWHERE;
    } else if (!page->execed && started_at(page->pid, page->start)) {
        found->life = LIFE_LIVES;
        return found->owner == 0 || is_of(page->pid, found->owner);
    }
    return true;
}

static bool is_page(const struct page *page)
{
    return memcmp(page->magic, PAGE_MAGIC, sizeof page->magic) == 0 && page->version == PAGE_VERSION &&
           page->size == sizeof *page && page->events == EVENTS && page->endings == ENDINGS &&
           page->causes == CAUSES && page->pid > 0;
}

/* Names of pages begin with a digit. One that is shorter is being made. */
static bool find(struct found *found, int directory, const char *name)
{
    struct stat now;
    const int fd = *name >= '0' && *name <= '9' ? open_believed(directory, name, &now) : -1;
    if (fd < 0)
        return false;
    const bool whole = pread(fd, &found->page, sizeof found->page, 0) == (ssize_t)sizeof found->page;
    close(fd);
    if (!whole || !is_page(&found->page))
        return false;
    found->page.program[PAGE_PROGRAM - 1] = '\0';
    found->owner = now.st_uid;
    snprintf(found->name, sizeof found->name, "%s", name);
    return look_at_life(found);
}

bool directory_each(int directory, bool (*take)(const struct found *found, void *data), void *data)
{
    const int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    const struct dirent *entry;
    bool good = stream != NULL;
    while (good && (entry = readdir(stream))) {
        struct found found;
        if (find(&found, directory, entry->d_name))
            good = take(&found, data);
    }
    if (!stream)
        fprintf(stderr, "truefin: stats: the directory cannot be read: %s\n", strerror(errno));
    else
        closedir(stream);
    return good;
}
