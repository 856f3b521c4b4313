#include "proc.h"

#include "process/asked.h"
#include "process/links.h"
#include "turns.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREAD_TOO = O_EXCL }; /* PIDFD_THREAD, Linux 6.9 */
enum { PATH_SIZE = 64, LINE_SIZE = 256, STATUS_SIZE = 64 << 10, MOST_PASSED = 1024, ENTRIES_SIZE = 4096 };
enum { DESCRIPTOR_SIZE = 24 }; /* "fdinfo/" and a number */
enum { MOST_AUXILIARY = 128 }; /* AT_VECTOR_SIZE is below 60 */

/* Reads the file at PATH as text, as much as fits. */
static bool read_text(char *out, size_t size, const char *path)
{
    size_t length = 0;
    ssize_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    while (length < size - 1 && (got = read(fd, out + length, size - 1 - length)) > 0)
        length += (size_t)got;
    close(fd);
    out[length] = '\0';
    return length > 0;
}

static bool read_of(char *out, size_t size, pid_t pid, const char *what)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, PROC_ROOT "/%d/%s", pid, what);
    return read_text(out, size, path);
}

/*
 * The value of a field in the text of /proc/PID/status; NULL if there is none. The first line is the name of
 * the program, in which the kernel writes a newline as "\n" (fs/proc/array.c).
 */
static char *find(char *text, const char *name)
{
    char wanted[PATH_SIZE];
    int size = snprintf(wanted, sizeof wanted, "\n%s:\t", name);
    char *found = strstr(text, wanted);
    return found ? found + size : NULL;
}

static char status[STATUS_SIZE];

/* The same of PID's. Valid until the next call. */
static char *field(pid_t pid, const char *name)
{
    return read_of(status, sizeof status, pid, "status") ? find(status, name) : NULL;
}

static pid_t to_pid(const char *value)
{
    return value ? (pid_t)strtol(value, NULL, 10) : 0;
}

pid_t proc_pid(pid_t pid, const char *name)
{
    return to_pid(field(pid, name));
}

pid_t proc_traced(pid_t tid)
{
    const pid_t tracer = proc_pid(tid, "TracerPid");
    return tracer == getpid() ? to_pid(find(status, "Tgid")) : 0;
}

/* Is the signal in a set of PID's? */
static bool has_signal(pid_t pid, const char *set, int number, bool unknown)
{
    const char *value = field(pid, set);
    return value ? strtoull(value, NULL, 16) >> (number - 1) & 1 : unknown;
}

bool proc_handles(pid_t pid, int number)
{
    return has_signal(pid, "SigCgt", number, false);
}

/* A word for each page (admin-guide/mm/pagemap.rst in the kernel's documentation). */
bool proc_was_asked(pid_t thread)
{
    const uint64_t in_memory = (uint64_t)1 << 63;
    const uint64_t swapped_out = (uint64_t)1 << 62;
    char path[PATH_SIZE];
    uint64_t page = 0;
    snprintf(path, sizeof path, "/proc/%d/pagemap", thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (pread(fd, &page, sizeof page, (off_t)(ASKED_AT / (uintptr_t)getpagesize() * sizeof page)) !=
        sizeof page)
        page = 0;
    close(fd);
    return page & (in_memory | swapped_out);
}

bool proc_blocks(pid_t thread, int number)
{
    return has_signal(thread, "SigBlk", number, true);
}

/* For process 1 of a pid namespace the kernel has no other default than to ignore (pid_namespaces(7)). */
bool proc_ignores(pid_t pid, int number)
{
    if (has_signal(pid, "SigCgt", number, true))
        return false;
    return number == SIGCHLD || number == SIGCONT || number == SIGURG || number == SIGWINCH ||
           has_signal(pid, "SigIgn", number, false) || (number != SIGSTOP && proc_is_init(pid));
}

/* The field has a number for each namespace, the innermost last. */
bool proc_is_init(pid_t pid)
{
    char *value = field(pid, "NStgid");
    if (!value)
        return false;
    value[strcspn(value, "\n")] = '\0';
    const char *last = strrchr(value, '\t');
    return strtol(last ? last : value, NULL, 10) == 1;
}

int proc_open(pid_t thread, pid_t tgid)
{
    int fd = (int)syscall(SYS_pidfd_open, thread, THREAD_TOO);
    return fd >= 0 ? fd : (int)syscall(SYS_pidfd_open, tgid, 0);
}

long proc_syscall(pid_t thread)
{
    char text[LINE_SIZE];
    char *end = text;
    if (!read_of(text, sizeof text, thread, "syscall"))
        return -1;
    long number = strtol(text, &end, 10);
    return end == text ? -1 : number;
}

void proc_name(char out[PROC_NAME], pid_t pid)
{
    if (read_of(out, PROC_NAME, pid, "comm"))
        out[strcspn(out, "\n")] = '\0';
    else
        memcpy(out, "?", sizeof "?");
}

bool proc_path(char *out, size_t size, pid_t pid)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, PROC_ROOT "/%d/exe", pid);
    ssize_t length = readlink(path, out, size - 1);
    out[length < 0 ? 0 : length] = '\0';
    return length > 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void proc_program(char *out, size_t size, pid_t pid)
{
    char path[PATH_MAX];
    snprintf(out, size, "%s", proc_path(path, sizeof path, pid) ? base_name(path) : "");
}

static FILE *open_of(pid_t pid, const char *what)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, PROC_ROOT "/%d/%s", pid, what);
    return fopen(path, "re");
}

bool proc_variable(char **value, pid_t pid, const char *name)
{
    char *text = NULL;
    size_t room = 0;
    const size_t length = strlen(name);
    FILE *environment = open_of(pid, "environ");
    *value = NULL;
    if (!environment)
        return false;
    while (!*value && getdelim(&text, &room, '\0', environment) > 0)
        if (strncmp(text, name, length) == 0 && text[length] == '=')
            *value = strdup(text + length + 1);
    fclose(environment);
    free(text);
    return true;
}

/* -1: not set, or unknown. */
static long variable(pid_t pid, const char *name)
{
    char *text = NULL;
    proc_variable(&text, pid, name);
    const long value = text ? strtol(text, NULL, 10) : -1;
    free(text);
    return value;
}

int proc_listen_fds(pid_t pid)
{
    long count = variable(pid, "LISTEN_PID") == pid ? variable(pid, "LISTEN_FDS") : 0;
    return count > 0 && count <= MOST_PASSED ? (int)count : 0;
}

bool proc_auxiliary(struct auxiliary *out, pid_t pid)
{
    Elf64_auxv_t vector[MOST_AUXILIARY] = {{.a_type = AT_NULL}};
    bool is_ours = false;
    *out = (struct auxiliary){0};
    if (!read_of((char *)vector, sizeof vector, pid, "auxv"))
        return false;
    for (int i = 0; i < MOST_AUXILIARY && vector[i].a_type != AT_NULL; i++) {
        const uint64_t value = vector[i].a_un.a_val;
        is_ours |= vector[i].a_type == AT_PHENT && value == sizeof(Elf64_Phdr);
        if (vector[i].a_type == AT_BASE)
            out->linker = value;
        if (vector[i].a_type == AT_SECURE)
            out->secure = value;
    }
    return is_ours;
}

/* "7f0123456000-7f0123457000 r--p 00000000 fd:00 1234   /path" */
bool proc_file_at(char *out, size_t size, pid_t pid, uint64_t start)
{
    char *line = NULL;
    size_t room = 0;
    bool found = false;
    FILE *maps = open_of(pid, "maps");
    while (maps && !found && getline(&line, &room, maps) > 0) {
        const char *path = strchr(line, '/');
        found = path && strtoull(line, NULL, 16) == start;
        if (found)
            snprintf(out, size, "%.*s", (int)strcspn(base_name(path), "\n"), base_name(path));
    }
    if (maps)
        fclose(maps);
    free(line);
    return found;
}

/* Real, effective, saved, and of file systems. */
static bool differ(const char *value)
{
    char *end = NULL;
    return value && strtoul(value, &end, 10) != strtoul(end, NULL, 10);
}

bool proc_has_other_ids(pid_t pid)
{
    const char *user = field(pid, "Uid");
    return differ(user) || (user && differ(find(status, "Gid")));
}

bool proc_preloads_everywhere(const char *library)
{
    char text[PATH_MAX];
    return read_text(text, sizeof text, "/etc/ld.so.preload") && strstr(text, library);
}

bool proc_is_ours(void)
{
    char target[PATH_SIZE];
    ssize_t length = readlink("/proc/self", target, sizeof target - 1);
    target[length < 0 ? 0 : length] = '\0';
    return strtol(target, NULL, 10) == getpid();
}

long proc_number(const char *path)
{
    char text[PATH_SIZE];
    return read_text(text, sizeof text, path) ? strtol(text, NULL, 10) : -1;
}

/* The kernel says it of Unix sockets alone. */
int proc_in_flight(pid_t pid, int fd)
{
    char what[DESCRIPTOR_SIZE];
    char text[LINE_SIZE];
    snprintf(what, sizeof what, "fdinfo/%d", fd);
    const char *count = read_of(text, sizeof text, pid, what) ? strstr(text, "scm_fds:") : NULL;
    return count ? (int)strtol(count + sizeof "scm_fds:" - 1, NULL, 10) : -1;
}

/* One that ends has given up its memory first, and belongs to root from then on. */
bool proc_is_hidden(pid_t pid)
{
    return (errno == EACCES || errno == EPERM) && proc_pid(pid, "VmSize");
}

bool proc_each(pid_t pid, const char *what, void (*see)(void *data, int directory, const char *name),
               void *data)
{
    _Alignas(uint64_t) char buffer[ENTRIES_SIZE];
    char path[PATH_SIZE];
    const char *name;
    snprintf(path, sizeof path, PROC_ROOT "/%d/%s", pid, what);
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return false;
    struct links links = {.directory = directory, .buffer = buffer, .room = sizeof buffer};
    while ((name = links_next(&links))) {
        see(data, directory, name);
        turns_rest();
    }
    close(directory);
    return !links.failed;
}
