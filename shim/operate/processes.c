#include "processes.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_SIZE = 64, FIRST_ROOM = 16 << 10, FIRST_COUNT = 512 };

char *processes_read(pid_t pid, const char *what, size_t *size)
{
    static char *text;
    static size_t room;
    char path[PATH_SIZE];
    size_t length = 0;
    ssize_t got = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", pid, what);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    do {
        length += (size_t)got;
        if (length + 1 >= room) {
            char *more = realloc(text, room ? 2 * room : FIRST_ROOM);
            if (!more)
                break;
            text = more;
            room = room ? 2 * room : FIRST_ROOM;
        }
        got = read(fd, text + length, room - length - 1);
    } while (got > 0);
    const int error = errno;
    close(fd);
    errno = error;
    if (got < 0 || !text)
        return NULL;
    text[length] = '\0';
    if (size)
        *size = length;
    return text;
}

pid_t processes_status(pid_t pid, const char *name)
{
    char wanted[PATH_SIZE];
    const int size = snprintf(wanted, sizeof wanted, "\n%s:\t", name);
    const char *text = processes_read(pid, "status", NULL);
    const char *found = text ? strstr(text, wanted) : NULL;
    return found ? (pid_t)strtol(found + size, NULL, 10) : 0;
}

/* "S 1 ...": the ninth field of all is the flags of the kernel (PF_KTHREAD, include/linux/sched.h). */
static bool is_kernel_thread(const char *fields)
{
    enum { FLAGS = 6, KERNEL_THREAD = 0x00200000 };
    for (int i = 0; i < FLAGS && fields; i++) {
        fields = strchr(fields, ' ');
        fields = fields ? fields + 1 : NULL;
    }
    return fields && (strtoul(fields, NULL, 10) & KERNEL_THREAD);
}

/* "12 (a name) S 1 ...": the name may hold anything. False for a thread of the kernel's, and for one that has ended. */
static bool read_process(struct process *process, pid_t pid)
{
    char *text = processes_read(pid, "stat", NULL);
    const char *begin = text ? strchr(text, '(') : NULL;
    char *end = text ? strrchr(text, ')') : NULL;
    if (!begin || !end || strlen(end) < sizeof ") S " - 1 || end[2] == 'Z' || end[2] == 'X' ||
        is_kernel_thread(end + 2))
        return false;
    *end = '\0';
    char *next = end + 4;
    *process = (struct process){.pid = pid};
    process->parent = (pid_t)strtol(next, &next, 10);
    process->group = (pid_t)strtol(next, &next, 10);
    process->session = (pid_t)strtol(next, &next, 10);
    snprintf(process->name, sizeof process->name, "%s", begin + 1);
    process->sidecar = strcmp(process->name, "truefin-watch") == 0;
    return true;
}

static bool make_room(struct processes *all, size_t *room)
{
    if (all->count < *room)
        return true;
    const size_t more = *room ? 2 * *room : FIRST_COUNT;
    struct process *at = realloc(all->at, more * sizeof *at);
    if (!at)
        return false;
    all->at = at;
    *room = more;
    return true;
}

static int by_pid(const void *a, const void *b)
{
    const pid_t first = ((const struct process *)a)->pid;
    const pid_t second = ((const struct process *)b)->pid;
    return (first > second) - (first < second);
}

bool processes_look(struct processes *all)
{
    size_t room = 0;
    const struct dirent *entry;
    DIR *proc = opendir("/proc");
    if (!proc)
        return false;
    free(all->at);
    *all = (struct processes){0};
    while ((entry = readdir(proc)))
        if (isdigit((unsigned char)*entry->d_name) && make_room(all, &room) &&
            read_process(&all->at[all->count], (pid_t)strtol(entry->d_name, NULL, 10)))
            all->count++;
    closedir(proc);
    if (all->count > 1)
        qsort(all->at, all->count, sizeof *all->at, by_pid);
    return all->count > 0;
}

struct process *processes_find(const struct processes *all, pid_t pid)
{
    const struct process wanted = {.pid = pid};
    return all->count ? bsearch(&wanted, all->at, all->count, sizeof wanted, by_pid) : NULL;
}

/* Is PID in the control group of that unit, or below it? In a line "0::/a/b" or "1:name=systemd:/a/b". */
static bool is_in_unit(pid_t pid, const char *unit)
{
    const size_t length = strlen(unit);
    const char *text = processes_read(pid, "cgroup", NULL);
    for (const char *at = text; at && (at = strstr(at, unit)); at += length)
        if (at > text && at[-1] == '/' && (at[length] == '/' || at[length] == '\n' || !at[length]))
            return true;
    return false;
}

static bool is_program(const struct process *process, const char *name)
{
    char path[PATH_SIZE];
    char target[FILENAME_MAX];
    if (strcmp(process->name, name) == 0)
        return true;
    snprintf(path, sizeof path, "/proc/%d/exe", process->pid);
    const ssize_t size = readlink(path, target, sizeof target - 1);
    target[size < 0 ? 0 : size] = '\0';
    const char *slash = strrchr(target, '/');
    return slash && strcmp(slash + 1, name) == 0;
}

/* Kinds of units that have processes (systemd.unit(5)). */
static bool has_suffix(const char *word)
{
    static const char *const suffixes[] = {".service", ".scope", ".slice", ".socket", ".mount"};
    const size_t length = strlen(word);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        const size_t size = strlen(suffixes[i]);
        if (length > size && strcmp(word + length - size, suffixes[i]) == 0)
            return true;
    }
    return false;
}

size_t processes_choose(struct processes *all, const char *word, bool names)
{
    char unit[NAME_MAX + 1];
    size_t count = 0;
    if (word[strspn(word, "0123456789")] == '\0') {
        struct process *process = processes_find(all, (pid_t)strtol(word, NULL, 10));
        if (process)
            process->chosen = true;
        return process != NULL;
    }
    snprintf(unit, sizeof unit, has_suffix(word) ? "%s" : "%s.service", word);
    for (size_t i = 0; i < all->count; i++) {
        struct process *process = &all->at[i];
        if (is_in_unit(process->pid, unit) || (names && is_program(process, word))) {
            process->chosen = true;
            count++;
        }
    }
    return count;
}

/* Until nothing changes: a child may have a lower pid than its parent. */
void processes_choose_descendants(struct processes *all)
{
    bool again = true;
    while (again) {
        again = false;
        for (size_t i = 0; i < all->count; i++) {
            const struct process *parent = all->at[i].chosen ? NULL : processes_find(all, all->at[i].parent);
            if (parent && parent->chosen)
                all->at[i].chosen = again = true;
        }
    }
}
