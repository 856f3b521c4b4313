#include "holder.h"

#include "libc.h"
#include "startup.h"
#include "text.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

enum { PATH_SIZE = 64, BUFFER_SIZE = 4096 };

enum answer { NO, YES, UNKNOWN };

/* seccomp(2): a filter that was inherited may kill for kcmp, but not for what every daemon does. */
static bool filtered(void)
{
    static _Atomic int8_t known; /* 0 not asked, 1 no, 2 yes */
    if (known == 0) {
        char text[BUFFER_SIZE];
        int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
        ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
        if (fd >= 0)
            real(close)(fd);
        text[size < 0 ? 0 : size] = '\0';
        known = size >= 0 && strstr(text, "\nSeccomp:\t0") ? 1 : 2;
    }
    return known == 2;
}

static enum answer compare(pid_t pid, int theirs, int ours)
{
    if (filtered())
        return UNKNOWN;
    long result = real(syscall)(SYS_kcmp, getpid(), pid, KCMP_FILE, (long)ours, (long)theirs);
    if (result == 0)
        return YES;
    return result > 0 || errno == EBADF || errno == ESRCH ? NO : UNKNOWN;
}

/* "/proc/PID/WHAT", or "/proc/PID/fd/N" when N is not negative. */
static void proc_path(char out[PATH_SIZE], pid_t pid, const char *what, int n)
{
    struct text path = text_begin(out, PATH_SIZE);
    text_put(&path, "/proc/");
    text_number(&path, (unsigned)pid, 10);
    text_put(&path, what);
    if (n >= 0)
        text_number(&path, (unsigned)n, 10);
    text_end(&path);
}

static bool link_of(char out[PATH_SIZE], int directory, const char *path)
{
    ssize_t size = readlinkat(directory, path, out, PATH_SIZE - 1);
    out[size < 0 ? 0 : size] = '\0';
    return size > 0;
}

struct entry { /* getdents64(2) */
    uint64_t inode;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
};

static bool listed(int directory, const char *wanted)
{
    _Alignas(struct entry) char buffer[BUFFER_SIZE];
    long size;
    while ((size = real(syscall)(SYS_getdents64, directory, buffer, sizeof buffer)) > 0) {
        for (long at = 0; at < size;) {
            const struct entry *entry = (const void *)(buffer + at);
            char link[PATH_SIZE];
            if (link_of(link, directory, entry->name) && strcmp(link, wanted) == 0)
                return true;
            at += entry->size;
        }
    }
    return false;
}

static bool in_proc(pid_t pid, int fd)
{
    char path[PATH_SIZE];
    char wanted[PATH_SIZE];
    proc_path(path, getpid(), "/fd/", fd);
    if (!link_of(wanted, AT_FDCWD, path))
        return false;
    proc_path(path, pid, "/fd", -1);
    int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return false;
    bool found = listed(directory, wanted);
    real(close)(directory);
    return found;
}

bool holder_has(pid_t pid, int fd)
{
    int saved = errno;
    enum answer answer = compare(pid, fd, fd);
    for (int at = 0; answer == NO && at <= STDERR_FILENO; at++)
        answer = compare(pid, at, fd);
    bool has = answer == YES || in_proc(pid, fd);
    errno = saved;
    return has;
}

static bool at_standard(pid_t pid, int fd)
{
    char path[PATH_SIZE];
    char wanted[PATH_SIZE];
    char link[PATH_SIZE];
    proc_path(path, getpid(), "/fd/", fd);
    if (!link_of(wanted, AT_FDCWD, path))
        return false;
    for (int at = 0; at <= STDERR_FILENO; at++) {
        proc_path(path, pid, "/fd/", at);
        if (link_of(link, AT_FDCWD, path) && strcmp(link, wanted) == 0)
            return true;
    }
    return false;
}

/* A fork child that is about to exec still has this library where we have it: that is not the new program's.
 */
static bool is_new_image(const char *line)
{
    char *end;
    uintptr_t low = strtoul(line, &end, 16);
    uintptr_t high = *end == '-' ? strtoul(end + 1, &end, 16) : 0;
    uintptr_t here = (uintptr_t)&is_new_image;
    return !(low <= here && here < high);
}

/* The first line of maps with the library's name, and whether it is the library of an image other than ours.
 */
static bool loaded(int maps)
{
    char buffer[BUFFER_SIZE + 1];
    size_t kept = 0;
    bool seen = false;
    ssize_t size;
    while ((size = read(maps, buffer + kept, BUFFER_SIZE - kept)) > 0) {
        size_t end = kept + (size_t)size;
        char *line = buffer;
        char *newline;
        buffer[end] = '\0';
        while ((newline = memchr(line, '\n', end - (size_t)(line - buffer)))) {
            *newline = '\0';
            if (strstr(line, "/libtruefin.so")) {
                seen = true;
                if (!is_new_image(line))
                    return false;
            }
            line = newline + 1;
        }
        kept = end - (size_t)(line - buffer);
        if (kept == BUFFER_SIZE)
            kept = 0;
        memmove(buffer, line, kept);
    }
    return seen;
}

bool holder_serves(pid_t pid, int fd)
{
    int saved = errno;
    bool serves = false;
    if (at_standard(pid, fd)) {
        char path[PATH_SIZE];
        proc_path(path, pid, "/maps", -1);
        int maps = open(path, O_RDONLY | O_CLOEXEC);
        if (maps >= 0) {
            serves = loaded(maps);
            real(close)(maps);
        }
    }
    errno = saved;
    return serves;
}
