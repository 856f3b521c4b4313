#include "report/sink.h"

#include "connection/table.h"
#include "libc.h"
#include "own_calls.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

enum place { NOWHERE, STDERR, SYSLOG, FILE_AT_PATH };

enum {
    HIGH = 512,                   /* our own descriptor sits above what programs number by hand */
    LOWEST = 10,                  /* what shells number by hand, at the least */
    TRIES = 16,                   /* numbers below a limit, until one is free */
    LOG_DAEMON_INFO = 3 << 3 | 6, /* RFC 3164 section 4.1.1 */
};

/*
 * Which open file it is, told without keeping it open: a copy would hold a pipe's reader and a file's locks.
 * The position is not compared, for others move it.
 */
struct identity {
    dev_t device;
    ino_t inode;
    long generation; /* of the inode: file systems give its number anew. 0 where that is not told */
    int how;         /* access mode and O_APPEND; -1 for nothing */
};

/* Written by sink_open(), before main; fd, identity and torn also later. */
static struct {
    enum place place;
    int fd; /* of a file of our own; -1: not open */
    struct identity identity;
    _Atomic bool torn;   /* the last line that we wrote there has no end */
    char path[PATH_MAX]; /* a copy: programs write over their environment (setproctitle) */
} sink COLD;

/* Keeps a stat of the file for the caller. */
static struct identity identify(int fd, struct stat *now)
{
    struct identity identity = {.how = -1};
    if (fd < 0 || fstat(fd, now) != 0)
        return identity;
    identity.device = now->st_dev;
    identity.inode = now->st_ino;
    identity.how = real(fcntl)(fd, F_GETFL) & (O_ACCMODE | O_APPEND);
    if (S_ISREG(now->st_mode) && ioctl(fd, FS_IOC_GETVERSION, &identity.generation) != 0)
        identity.generation = 0;
    return identity;
}

/* Is the descriptor what it was when we got it? */
static bool is_same(int fd, struct stat *now)
{
    const struct identity is = identify(fd, now);
    return is.how >= 0 && is.how == sink.identity.how && is.device == sink.identity.device &&
           is.inode == sink.identity.inode && is.generation == sink.identity.generation;
}

/*
 * To where programs number nothing by hand and open(2) does not come soon: HIGH or above, or near to a limit
 * below that. -1 if there is nothing free. The old number is closed.
 */
static int move_up(int fd)
{
    struct rlimit limit = {.rlim_cur = 0};
    int high = real(fcntl)(fd, F_DUPFD_CLOEXEC, HIGH);
    getrlimit(RLIMIT_NOFILE, &limit);
    int from = limit.rlim_cur < HIGH ? (int)limit.rlim_cur : HIGH;
    for (int i = 0; high < 0 && i < TRIES && --from >= LOWEST; i++)
        high = real(fcntl)(fd, F_DUPFD_CLOEXEC, from);
    real(close)(fd);
    return high;
}

/*
 * A file is opened for reading too, where that is allowed: does it end within a line? A FIFO must not be: it
 * would have a reader then.
 */
static int open_path(void)
{
    const int flags = O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    struct stat now;
    int fd = open(sink.path, flags | O_WRONLY | O_CREAT, 0640);
    if (fd < 0 || fstat(fd, &now) != 0 || !S_ISREG(now.st_mode))
        return fd;
    int both = open(sink.path, flags | O_RDWR);
    if (both < 0)
        return fd;
    real(close)(fd);
    return both;
}

/* errno, or 0. EMFILE if no number is free that the program would not miss. */
static int reopen(struct stat *now)
{
    int fd = open_path();
    int error = fd < 0 ? errno : 0;
    sink.fd = fd < 0 ? -1 : move_up(fd);
    sink.identity = identify(sink.fd, now);
    return error ? error : sink.fd < 0 ? EMFILE : 0;
}

/* An IP socket that is no part of a service's 0 and 2 is a peer's too. */
static bool is_ip_socket(int fd)
{
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof name;
    return getsockname(fd, (struct sockaddr *)&name, &size) == 0 &&
           (name.ss_family == AF_INET || name.ss_family == AF_INET6);
}

bool sink_stderr_is_client(void)
{
    struct stat input;
    struct stat error;
    if (fstat(STDERR_FILENO, &error) != 0 || !S_ISSOCK(error.st_mode))
        return false;
    return (fstat(STDIN_FILENO, &input) == 0 && error.st_ino == input.st_ino) || is_ip_socket(STDERR_FILENO);
}

static void open_stderr(void)
{
    struct stat now;
    sink.identity = identify(STDERR_FILENO, &now);
    if (sink.identity.how >= 0 && !sink_stderr_is_client())
        sink.place = STDERR;
}

static int open_file(const char *path)
{
    struct stat now;
    if (strlen(path) >= sizeof sink.path)
        return ENAMETOOLONG;
    memcpy(sink.path, path, strlen(path) + 1);
    sink.place = FILE_AT_PATH;
    int error = reopen(&now);
    /* A FIFO has no reader yet (fifo(7)): that may change. */
    return error == ENXIO && stat(path, &now) == 0 && S_ISFIFO(now.st_mode) ? 0 : error;
}

int sink_open(const char *where)
{
    if (!where)
        return 0;
    if (strcmp(where, "syslog") == 0)
        sink.place = SYSLOG;
    else if (strcmp(where, "stderr") == 0)
        open_stderr();
    else
        return open_file(where);
    return 0;
}

bool sink_is_open(void)
{
    return sink.place != NOWHERE;
}

/* Where a record may go now, or -1, and its stat. */
static int descriptor(struct stat *now)
{
    if (sink.place == STDERR)
        return !table_find(STDERR_FILENO) && is_same(STDERR_FILENO, now) ? STDERR_FILENO : -1;
    return is_same(sink.fd, now) || reopen(now) == 0 ? sink.fd : -1;
}

/* Is there a line without an end, of this process or of another one? A full disk and RLIMIT_FSIZE leave such. */
static bool is_torn(int fd, const struct stat *now)
{
    char last;
    if (S_ISREG(now->st_mode) && now->st_size > 0 && pread(fd, &last, 1, now->st_size - 1) == 1)
        return last != '\n';
    return sink.torn;
}

/* One call, so that lines of several processes do not mix. */
static bool write_line(int fd, char *line, size_t size, bool torn)
{
    char newline[] = "\n";
    struct iovec parts[] = {{newline, torn}, {line, size}};
    ssize_t written = writev(fd, parts, 2);
    if (written > 0)
        sink.torn = (size_t)written < size + torn && (size_t)written != torn;
    return written == (ssize_t)(size + torn);
}

static bool write_now(char *line, size_t size)
{
    struct stat now;
    int fd = descriptor(&now);
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return fd >= 0 && own_poll_now(&ready) == 1 && (ready.revents & POLLOUT) &&
           write_line(fd, line, size, is_torn(fd, &now));
}

/*
 * A reader that is gone, or RLIMIT_FSIZE, must not kill the program: hold both signals back, and take away
 * what we caused.
 */
static bool write_without_signals(char *line, size_t size)
{
    sigset_t held;
    sigset_t before;
    sigset_t pending;
    sigemptyset(&held);
    sigaddset(&held, SIGPIPE);
    sigaddset(&held, SIGXFSZ);
    sigpending(&pending);
    sigprocmask(SIG_BLOCK, &held, &before);
    bool written = write_now(line, size);
    if (sigismember(&pending, SIGPIPE))
        sigdelset(&held, SIGPIPE);
    if (sigismember(&pending, SIGXFSZ))
        sigdelset(&held, SIGXFSZ);
    if (!written)
        own_take_signal(&held);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return written;
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
    return sink.place == SYSLOG ? write_to_syslog(line, size) : write_without_signals(line, size);
}
