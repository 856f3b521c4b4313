#include "process/holder.h"

#include "config.h"
#include "keep_errno.h"
#include "libc.h"
#include "own_calls.h"
#include "process/links.h"
#include "text.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { PATH_SIZE = 64, BUFFER_SIZE = 512 };

/* Closed by real(close), so not opened by a library that was loaded besides, which would not hear of the end. */
static int open_file(const char *path, int flags)
{
    return (int)real(syscall)(SYS_openat, AT_FDCWD, path, flags | O_RDONLY | O_CLOEXEC);
}

/* Read in pieces, for a signal handler may have little stack. */
static bool contains(const char *path, const char *text)
{
    char buffer[BUFFER_SIZE + 1];
    size_t kept = 0;
    ssize_t size;
    bool found = false;
    int fd = open_file(path, 0);
    if (fd < 0)
        return false;
    while (!found && (size = own_read(fd, buffer + kept, BUFFER_SIZE - kept)) > 0) {
        size_t end = kept + (size_t)size;
        buffer[end] = '\0';
        found = strstr(buffer, text) != NULL;
        kept = end < strlen(text) ? end : strlen(text);
        memmove(buffer, buffer + end - kept, kept);
    }
    real(close)(fd);
    return found;
}

bool holder_file_has(const char *path, const char *text)
{
    KEEP_ERRNO;
    bool has = contains(path, text);
    return has;
}

bool holder_is_filtered(void)
{
    static _Atomic int8_t known; /* 0 not asked, 1 no, 2 yes */
    if (known == 0)
        known = holder_file_has("/proc/self/status", "\nSeccomp:\t0") ? 1 : 2;
    return known == 2;
}

static enum answer compare(pid_t pid, int theirs, int ours)
{
    if (holder_is_filtered())
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
    ssize_t size = real(readlinkat)(directory, path, out, PATH_SIZE - 1);
    out[size < 0 ? 0 : size] = '\0';
    return size > 0;
}

static enum answer listed(int directory, const char *wanted)
{
    _Alignas(uint64_t) char buffer[BUFFER_SIZE];
    struct links links = {.directory = directory, .buffer = buffer, .room = sizeof buffer};
    const char *name;
    while ((name = links_next(&links))) {
        char link[PATH_SIZE] = "";
        if (link_of(link, directory, name) && strcmp(link, wanted) == 0)
            return YES;
    }
    return links.failed ? UNKNOWN : NO;
}

static enum answer in_proc(pid_t pid, int fd)
{
    char path[PATH_SIZE];
    char wanted[PATH_SIZE] = "";
    proc_path(path, getpid(), "/fd/", fd);
    if (!link_of(wanted, AT_FDCWD, path))
        return UNKNOWN;
    proc_path(path, pid, "/fd", -1);
    int directory = open_file(path, O_DIRECTORY);
    if (directory < 0)
        return UNKNOWN;
    enum answer answer = listed(directory, wanted);
    real(close)(directory);
    return answer;
}

/* What PID is to us: it stays so, for a child is not waited for here (waitid(2), WNOWAIT). */
enum relative { STRANGER, PARENT, CHILD, DEAD_CHILD };

static enum relative relative(pid_t pid)
{
    siginfo_t info = {.si_pid = 0};
    if (pid == real(getppid)())
        return PARENT;
    if (own_waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0)
        return STRANGER;
    return info.si_pid == pid ? DEAD_CHILD : CHILD;
}

int holder_killed_by(pid_t pid)
{
    KEEP_ERRNO;
    siginfo_t info = {.si_pid = 0};
    bool dead = own_waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == pid;
    return dead && (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED) ? info.si_status : 0;
}

static enum answer ask(pid_t pid, int fd)
{
    enum answer answer = compare(pid, fd, fd);
    if (answer == NO && relative(pid) == DEAD_CHILD)
        return NO;
    for (int at = 0; answer == NO && at <= STDERR_FILENO; at++)
        answer = compare(pid, at, fd);
    return answer == YES ? YES : in_proc(pid, fd);
}

enum answer holder_has(pid_t pid, int fd)
{
    KEEP_ERRNO;
    enum answer answer = ask(pid, fd);
    return answer;
}

enum answer holder_claims(pid_t pid, int fd)
{
    KEEP_ERRNO;
    enum answer answer = ask(pid, fd);
    if (answer == UNKNOWN) {
        static const enum answer of[] = {
            [STRANGER] = UNKNOWN, [PARENT] = YES, [CHILD] = YES, [DEAD_CHILD] = NO};
        answer = of[relative(pid)];
    }
    return answer;
}

static struct flock announcement(short type, pid_t pid)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = pid, .l_len = 1};
}

void holder_leaves(int fd)
{
    if (config.observes)
        return;
    KEEP_ERRNO;
    struct flock lock = announcement(F_RDLCK, getpid());
    real(fcntl)(fd, F_SETLK, &lock);
}

bool holder_is_leaving(pid_t pid, int fd)
{
    KEEP_ERRNO;
    struct flock lock = announcement(F_WRLCK, pid);
    bool leaving = real(fcntl)(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    return leaving;
}

ino_t holder_socket(pid_t pid, int at)
{
    KEEP_ERRNO;
    char path[PATH_SIZE];
    proc_path(path, pid, "/fd/", at);
    return links_socket(AT_FDCWD, path);
}

bool holder_loads_us(pid_t pid)
{
    KEEP_ERRNO;
    char path[PATH_SIZE];
    proc_path(path, pid, "/maps", -1);
    bool loads = contains(path, "/libtruefin.so");
    return loads;
}

bool holder_traced_by(const char *tracer)
{
    KEEP_ERRNO;
    char wanted[PATH_SIZE];
    struct text line = text_begin(wanted, sizeof wanted);
    text_put(&line, "\nTracerPid:\t");
    text_put(&line, tracer);
    text_char(&line, '\n');
    bool is = text_end(&line) < sizeof wanted && contains("/proc/self/status", wanted);
    return is;
}

enum answer holder_has_execed(pid_t pid, int fd)
{
    KEEP_ERRNO;
    ino_t wanted = holder_socket(getpid(), fd);
    enum answer answer = UNKNOWN;
    for (int at = 0; wanted && answer != YES && at <= STDERR_FILENO; at++)
        answer = holder_socket(pid, at) == wanted ? YES : UNKNOWN;
    if (answer != YES)
        answer = holder_loads_us(pid) ? NO : ask(pid, fd);
    return answer;
}
