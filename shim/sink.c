#include "sink.h"

#include "libc.h"
#include "table.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

enum place { NOWHERE, STDERR, SYSLOG, FILE_AT_PATH };

enum {
    HIGH = 512,                   /* our own descriptor sits above what programs number by hand */
    LOG_DAEMON_INFO = 3 << 3 | 6, /* RFC 3164 section 4.1.1 */
};

/* Written by sink_open(), before main; fd and identity also by reopen(). */
static struct {
    enum place place;
    int fd; /* -1: could not be opened */
    dev_t device;
    ino_t inode;
    char path[PATH_MAX]; /* a copy: programs write over their environment (setproctitle) */
} sink COLD;

static void note_identity(int fd)
{
    struct stat now;
    sink.fd = fd;
    if (fd >= 0 && fstat(fd, &now) == 0) {
        sink.device = now.st_dev;
        sink.inode = now.st_ino;
    }
}

static bool reopen(void)
{
    int fd = open(sink.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    int high = fd < 0 ? -1 : real(fcntl)(fd, F_DUPFD_CLOEXEC, HIGH);
    if (high >= 0)
        real(close)(fd);
    note_identity(high >= 0 ? high : fd);
    return sink.fd >= 0;
}

bool sink_stderr_is_client(void)
{
    struct stat input;
    struct stat error;
    return fstat(STDIN_FILENO, &input) == 0 && fstat(STDERR_FILENO, &error) == 0 && S_ISSOCK(error.st_mode) &&
           error.st_ino == input.st_ino;
}

void sink_stderr_closed(void)
{
    if (sink.place == STDERR)
        sink.place = NOWHERE;
}

void sink_open(const char *where)
{
    if (!where)
        return;
    if (strcmp(where, "syslog") == 0) {
        sink.place = SYSLOG;
    } else if (strcmp(where, "stderr") == 0) {
        note_identity(STDERR_FILENO);
        if (sink.inode && !sink_stderr_is_client())
            sink.place = STDERR;
    } else if (strlen(where) < sizeof sink.path) {
        memcpy(sink.path, where, strlen(where) + 1);
        sink.place = FILE_AT_PATH;
        reopen();
    }
}

bool sink_is_open(void)
{
    return sink.place != NOWHERE;
}

/* Is the descriptor what it was when we got it? */
static bool is_same(const struct stat *now)
{
    return now->st_dev == sink.device && now->st_ino == sink.inode;
}

/* Programs send their stderr elsewhere: a terminal, a pipe or a log is one still; any file or socket is not.
 */
static bool is_like_stderr(const struct stat *now)
{
    if (S_ISCHR(now->st_mode) || S_ISFIFO(now->st_mode))
        return true;
    return S_ISREG(now->st_mode) && (real(fcntl)(STDERR_FILENO, F_GETFL) & O_APPEND);
}

static int descriptor(void)
{
    struct stat now;
    bool open = sink.fd >= 0 && fstat(sink.fd, &now) == 0;
    if (sink.place == FILE_AT_PATH)
        return (open && is_same(&now)) || reopen() ? sink.fd : -1;
    return open && !table_find(STDERR_FILENO) && (is_same(&now) || is_like_stderr(&now)) ? sink.fd : -1;
}

/*
 * A reader that is gone, or RLIMIT_FSIZE, must not kill the program: hold both signals back, and take away
 * what we caused.
 */
static bool write_without_signals(int fd, const char *line, size_t size)
{
    sigset_t held;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&held);
    sigaddset(&held, SIGPIPE);
    sigaddset(&held, SIGXFSZ);
    sigpending(&pending);
    sigprocmask(SIG_BLOCK, &held, &before);
    bool written = write(fd, line, size) == (ssize_t)size;
    const struct timespec at_once = {0};
    if (sigismember(&pending, SIGPIPE))
        sigdelset(&held, SIGPIPE);
    if (sigismember(&pending, SIGXFSZ))
        sigdelset(&held, SIGXFSZ);
    if (!written)
        real(sigtimedwait)(&held, NULL, &at_once);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return written;
}

static bool write_to_descriptor(const char *line, size_t size)
{
    int fd = descriptor();
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return fd >= 0 && poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) &&
           write_without_signals(fd, line, size);
}

static bool write_to_syslog(char *line, size_t size)
{
    struct sockaddr_un log = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
    char tag[] = "<30>truefin: ";
    _Static_assert(LOG_DAEMON_INFO == 30, "the tag says so");
    struct iovec parts[] = {{tag, sizeof tag - 1}, {line, size - 1}};
    const struct msghdr message = {
        .msg_name = &log, .msg_namelen = sizeof log, .msg_iov = parts, .msg_iovlen = 2};
    int fd = real(socket)(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool sent = real(sendmsg)(fd, &message, MSG_NOSIGNAL) >= 0;
    real(close)(fd);
    return sent;
}

bool sink_write(char *line, size_t size)
{
    return sink.place == SYSLOG ? write_to_syslog(line, size) : write_to_descriptor(line, size);
}
