/*
 * agent: one process of a random tree (see README.md). It connects back to the driver over an AF_UNIX socket,
 * says "ready PID", then carries out one command per message and answers with one message: a number, or
 * "error ERRNO". Commands that end the process, or replace it, are not answered. It does nothing on its own:
 * every descriptor and every child that it has, the driver knows of.
 *
 * Descriptors that every agent starts with, above all that a tree uses: see the enum.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
    LISTENER = 890,   /* listens for the tree's accepted connections */
    MAIL_OUT = 891,   /* SCM_RIGHTS leave here ... */
    MAIL_IN = 892,    /* ... and arrive here */
    NOTHING = 893,    /* /dev/null */
    LAST_TREE = 889,  /* the highest number that a tree uses */
    CHANNEL = 900,    /* to the driver; close-on-exec */
    WORDS = 24,       /* in a command */
    ACTIONS = 8,      /* of a process that fails */
    PATIENCE = 2000,  /* milliseconds that any condition may take */
    EXEC_FAILED = 127 /* status of a child that could not exec */
};

static char *words[WORDS + 1]; /* of the command; NULL behind the last one */
static int word_count;
static bool called_back; /* while carrying out this command */
static bool fails;       /* it ends at once: from now on it waits for nothing */

static _Noreturn void give_up(const char *what)
{
    dprintf(STDERR_FILENO, "agent: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void answer(long value)
{
    char text[64];
    int length = value < 0 ? snprintf(text, sizeof text, "error %d", errno)
                           : snprintf(text, sizeof text, "%ld", value);

    /* It goes on: where closes are deferred, what it has closed is closed before the driver knows. */
    poll(NULL, 0, 0);
    if (write(CHANNEL, text, (size_t)length) != length)
        give_up("answer");
}

/* What the driver has put into the environment. */
static const char *setting(const char *name)
{
    const char *value = getenv(name);

    if (!value)
        give_up(name);
    return value ? value : "";
}

/* A fresh channel: at the start of a program or of a forked child, and after closefrom(3). */
static void connect_back(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *name = setting("TREES_DRIVER");
    char hello[32];

    if (strlen(name) >= sizeof address.sun_path - 1)
        give_up("TREES_DRIVER");
    memcpy(address.sun_path + 1, name, strlen(name)); /* abstract: the first byte stays zero */
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, size) != 0)
        give_up("connect_back");
    if (dup3(fd, CHANNEL, O_CLOEXEC) != CHANNEL || close(fd) != 0)
        give_up("channel");
    int length = snprintf(hello, sizeof hello, "ready %ld", (long)syscall(SYS_getpid));
    if (write(CHANNEL, hello, (size_t)length) != length)
        give_up("hello");
    called_back = true;
}

static const char *word(int index)
{
    return index < word_count ? words[index] : "";
}

static bool is(int index, const char *text)
{
    return strcmp(word(index), text) == 0;
}

static int number(int index)
{
    return (int)strtol(word(index), NULL, 10);
}

/* --- Connections --- */

/* accept plain|nb|cloexec|old */
static long do_accept(void)
{
    if (is(1, "old"))
        return accept(LISTENER, NULL, NULL);
    return accept4(LISTENER, NULL, NULL,
                   (is(1, "nb") ? SOCK_NONBLOCK : 0) | (is(1, "cloexec") ? SOCK_CLOEXEC : 0));
}

/* connect plain|nb|cloexec PORT */
static long do_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)number(2))};
    int fd = socket(
        AF_INET, SOCK_STREAM | (is(1, "nb") ? SOCK_NONBLOCK : 0) | (is(1, "cloexec") ? SOCK_CLOEXEC : 0), 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    if (errno != EINPROGRESS)
        return -1;
    struct pollfd writable = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof errno;
    if (poll(&writable, 1, PATIENCE) != 1 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &errno, &size) != 0 ||
        errno != 0)
        return -1;
    return fd;
}

/* await FD N: until N bytes are there to be read */
static long do_await(void)
{
    for (int i = 0; i < PATIENCE; i++) {
        int there = 0;
        if (ioctl(number(1), FIONREAD, &there) != 0)
            return -1;
        if (there >= number(2))
            return there;
        poll(NULL, 0, 1);
    }
    errno = ETIMEDOUT;
    return -1;
}

/* read FD N: they are there, do_await has seen them */
static long do_read(void)
{
    static char buffer[65536];
    return recv(number(1), buffer, (size_t)number(2), MSG_DONTWAIT);
}

/* write FD N. The kernel has room for all of it: see scripts/trees. */
static long do_write(void)
{
    static char buffer[1 << 20];
    return write(number(1), buffer, (size_t)number(2));
}

static long do_shutdown(void)
{
    return shutdown(number(1), SHUT_WR);
}

/* --- Descriptors --- */

/* dup FD dup|fdupfd|cloexec|high */
static long do_dup(void)
{
    if (is(2, "dup"))
        return dup(number(1));
    if (is(2, "high"))
        return fcntl(number(1), F_DUPFD, 200);
    return fcntl(number(1), is(2, "cloexec") ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
}

/* dup2 FD TARGET dup2|dup3|cloexec */
static long do_dup2(void)
{
    if (is(3, "dup2"))
        return dup2(number(1), number(2));
    return dup3(number(1), number(2), is(3, "cloexec") ? O_CLOEXEC : 0);
}

/* close FD close|range|fclose|syscall|null */
static long do_close(void)
{
    int fd = number(1);

    if (is(2, "range"))
        return close_range((unsigned)fd, (unsigned)fd, 0);
    if (is(2, "fclose")) {
        FILE *stream = fdopen(fd, "r+");
        return stream ? fclose(stream) : -1;
    }
    if (is(2, "syscall"))
        return syscall(SYS_close, fd);
    if (is(2, "null"))
        return dup2(NOTHING, fd) == fd ? 0 : -1;
    return close(fd);
}

/* closeall closefrom|max|range|cloexec|loop|sysrange: all from 3 up; the first two take the channel too */
static long do_closeall(void)
{
    if (is(1, "closefrom")) {
        closefrom(3);
        if (!fails)
            connect_back();
        return 0;
    }
    if (is(1, "max")) {
        if (close_range(3, ~0U, 0) != 0)
            return -1;
        if (!fails)
            connect_back();
        return 0;
    }
    if (is(1, "loop")) {
        for (int fd = 3; fd < 256; fd++)
            close(fd);
        return 0;
    }
    if (is(1, "sysrange"))
        return syscall(SYS_close_range, 3, LAST_TREE, 0);
    return close_range(3, LAST_TREE, is(1, "cloexec") ? CLOSE_RANGE_CLOEXEC : 0);
}

/* --- Descriptors in messages --- */

union rights {
    struct cmsghdr header;
    char space[CMSG_SPACE(sizeof(int))];
};

static long do_send(void)
{
    char byte = 'x';
    int fd = number(1);
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    union rights control = {0};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    return sendmsg(MAIL_OUT, &message, 0);
}

static long do_recv(void)
{
    char byte;
    int fd = -1;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    union rights control = {0};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

    if (recvmsg(MAIL_IN, &message, MSG_DONTWAIT) != 1)
        return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

/* --- Processes --- */

/* fork fork|_Fork|raw|clone */
static long do_fork(void)
{
    long pid;

    if (is(1, "_Fork"))
        pid = _Fork();
    else if (is(1, "raw"))
        pid = syscall(SYS_fork);
    else if (is(1, "clone"))
        pid = syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    else
        pid = fork();
    if (pid == 0)
        connect_back();
    return pid;
}

/* Of test/programs/libraries/slow-fork.c, where it is loaded. */
void slow_fork(int is_on) __attribute__((weak));

static void set_slow_fork(bool on)
{
    if (slow_fork)
        slow_fork(on);
}

/* How a process of an overtaking fork ends: a status, or KILL. */
static void end_as(const char *end)
{
    if (strcmp(end, "KILL") == 0)
        raise(SIGKILL);
    _exit(atoi(end)); /* NOLINT */
}

/*
 * overtake END OTHER_END: forks a child that forks before this fork has returned, and then ends as END says.
 * Its own child ends as OTHER_END says while the child is still ending, or with "-" lives on and calls back.
 */
static long do_overtake(void)
{
    bool lives = is(2, "-");
    siginfo_t info;
    int ends[2]; /* reads as ended when both are gone */
    char none;

    if (!lives && pipe(ends) != 0)
        return -1;
    set_slow_fork(true);
    pid_t child = fork();
    if (child == 0) {
        if (fork() != 0) {
            set_slow_fork(!lives);
            end_as(word(1));
        }
        if (!lives)
            end_as(word(2));
        set_slow_fork(false);
        connect_back();
        return 0;
    }
    long result = child < 0 ? -1 : waitid(P_PID, (id_t)child, &info, WEXITED);
    set_slow_fork(false);
    if (!lives) {
        close(ends[1]);
        if (read(ends[0], &none, 1) != 0)
            result = -1;
        close(ends[0]);
    }
    return result;
}

static char *no_arguments[] = {(char[]){"agent"}, NULL};

/* The program that a word names, and the environment that it gets. */
struct program {
    const char *path;
    char **environment;
};

static char **without_preload(const char *instead)
{
    static char *copy[64];
    static char replaced[128];
    size_t count = 0;

    for (char **entry = environ; *entry && count < 62; entry++)
        if (strncmp(*entry, "LD_PRELOAD=", 11) != 0)
            copy[count++] = *entry;
    if (instead) {
        snprintf(replaced, sizeof replaced, "LD_PRELOAD=%s", instead);
        copy[count++] = replaced;
    }
    copy[count] = NULL;
    return copy;
}

/* shim|static|scrub|replace|script|missing|denied|folder */
static struct program find_program(int index)
{
    struct program found = {.path = setting("TREES_AGENT"), .environment = environ};

    if (is(index, "static"))
        found.path = setting("TREES_STATIC");
    if (is(index, "script"))
        found.path = setting("TREES_SCRIPT");
    if (is(index, "missing"))
        found.path = "/nonexistent/agent";
    if (is(index, "denied"))
        found.path = "/dev/null";
    if (is(index, "folder"))
        found.path = "/";
    if (is(index, "scrub"))
        found.environment = without_preload(NULL);
    if (is(index, "replace"))
        found.environment = without_preload("libm.so.6");
    return found;
}

/* exec PROGRAM HOW. Returns only when it failed. */
static long do_exec(void)
{
    struct program program = find_program(1);
    const char *path = program.path;
    char **kept = environ;

    if (is(2, "execve"))
        return execve(path, no_arguments, program.environment);
    if (is(2, "execvpe"))
        return execvpe(path, no_arguments, program.environment);
    if (is(2, "execle"))
        return execle(path, "agent", (char *)NULL, program.environment);
    if (is(2, "fexecve") || is(2, "execveat")) {
        /* An interpreter opens the script by this number: it has to survive the exec. */
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            return -1;
        if (is(2, "fexecve"))
            fexecve(fd, no_arguments, program.environment);
        else
            execveat(fd, "", no_arguments, program.environment, AT_EMPTY_PATH);
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    environ = program.environment;
    if (is(2, "execv"))
        execv(path, no_arguments);
    else if (is(2, "execvp"))
        execvp(path, no_arguments);
    else if (is(2, "execl"))
        execl(path, "agent", (char *)NULL);
    else if (is(2, "execlp"))
        execlp(path, "agent", (char *)NULL);
    else
        syscall(SYS_execve, path, no_arguments, environ);
    environ = kept;
    return -1;
}

/*
 * launch vfork|spawn|spawnp PROGRAM ACTION...: an action is "A>B" (dup2), "xA" (close), "r" (close 3 to
 * LAST_TREE), "F" (close all from 3 up).
 */
static long do_vfork(void)
{
    struct program program = find_program(2);
    long pid = vfork(); /* NOLINT: what is tested */

    if (pid != 0)
        return pid;
    /* NOLINTBEGIN(clang-analyzer-unix.Vfork): what CPython's subprocess does in such a child */
    for (int i = 3; i < word_count; i++) {
        char *rest = NULL;
        if (words[i][0] == 'x')
            close(atoi(words[i] + 1)); /* NOLINT */
        else if (words[i][0] == 'r')
            close_range(3, LAST_TREE, 0);
        else if (words[i][0] == 'F')
            close_range(3, ~0U, 0);
        else {
            int from = (int)strtol(words[i], &rest, 10);
            dup2(from, (int)strtol(rest + 1, NULL, 10));
        }
    }
    execve(program.path, no_arguments, program.environment);
    _exit(EXEC_FAILED);
    /* NOLINTEND(clang-analyzer-unix.Vfork) */
}

static long do_launch(void)
{
    struct program program = find_program(2);
    posix_spawn_file_actions_t actions;
    pid_t pid = -1;

    if (is(1, "vfork"))
        return do_vfork();
    posix_spawn_file_actions_init(&actions);
    for (int i = 3; i < word_count; i++) {
        char *rest = NULL;
        if (words[i][0] == 'x')
            posix_spawn_file_actions_addclose(&actions, atoi(words[i] + 1)); /* NOLINT */
        else if (words[i][0] == 'F')
            posix_spawn_file_actions_addclosefrom_np(&actions, 3);
        else {
            int from = (int)strtol(words[i], &rest, 10);
            posix_spawn_file_actions_adddup2(&actions, from, (int)strtol(rest + 1, NULL, 10));
        }
    }
    int error = is(1, "spawnp")
                    ? posix_spawnp(&pid, program.path, &actions, NULL, no_arguments, program.environment)
                    : posix_spawn(&pid, program.path, &actions, NULL, no_arguments, program.environment);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        errno = error;
        return -1;
    }
    return pid;
}

/* vforkexit STATUS FD...: a vfork child that closes what it is told, fails to exec, and exits. Answers its
 * wait status. */
static long do_vforkexit(void)
{
    int status = -1;
    int code = number(1);
    pid_t pid = vfork(); /* NOLINT: what is tested */

    if (pid == 0) {
        for (int i = 2; i < word_count; i++) /* NOLINT(clang-analyzer-unix.Vfork) */
            close(atoi(words[i]));           /* NOLINT */
        execve("/nonexistent/agent", no_arguments, environ);
        _exit(code);
    }
    return waitpid(pid, &status, 0) == pid ? status : -1;
}

static long do_wait(void)
{
    int status = -1;
    return waitpid(number(1), &status, 0) < 0 ? -1 : status;
}

/* system COMMAND WORD... */
static long do_system(void)
{
    char text[256] = "";
    size_t length = 0;

    for (int i = 1; i < word_count && length < sizeof text; i++)
        length += (size_t)snprintf(text + length, sizeof text - length, "%s ", words[i]);
    return system(text); /* NOLINT: what is tested */
}

/* exit exit|_exit|_Exit|quick_exit|syscall STATUS; "return" is main's. */
static long do_exit(void)
{
    int status = number(2);

    if (is(1, "_exit"))
        _exit(status);
    if (is(1, "_Exit"))
        _Exit(status);
    if (is(1, "quick_exit"))
        quick_exit(status);
    if (is(1, "syscall"))
        syscall(SYS_exit_group, status);
    exit(status);
}

static long do_abort(void)
{
    abort();
}

/* raise SIGNAL */
static long do_raise(void)
{
    return raise(number(1));
}

/* trap: a real fault */
static long do_trap(void)
{
    __builtin_trap();
}

/* life poll|select|sleep|signal|vfork|spawn: something that shows, while it fails, that it goes on for now */
static long do_life(void)
{
    const struct timespec none = {0};
    sigset_t usr1;

    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    if (is(1, "poll"))
        return poll(NULL, 0, 0);
    if (is(1, "select"))
        return select(0, NULL, NULL, NULL, &(struct timeval){0});
    if (is(1, "sleep"))
        return nanosleep(&none, NULL);
    if (is(1, "signal"))
        return sigtimedwait(&usr1, NULL, &none) < 0 && errno == EAGAIN ? 0 : -1;
    if (is(1, "spawn"))
        return -posix_spawn(&(pid_t){0}, "/bin/true", NULL, NULL, no_arguments, (char *[]){NULL});
    pid_t pid = vfork(); /* NOLINT: what is tested */
    if (pid == 0)
        _exit(0);
    return pid;
}

static const struct {
    const char *name;
    long (*run)(void);
} commands[] = {
    {"accept", do_accept},       {"connect", do_connect},   {"await", do_await},       {"read", do_read},
    {"write", do_write},         {"shutdown", do_shutdown}, {"dup", do_dup},           {"dup2", do_dup2},
    {"close", do_close},         {"closeall", do_closeall}, {"send", do_send},         {"recv", do_recv},
    {"fork", do_fork},           {"exec", do_exec},         {"wait", do_wait},         {"launch", do_launch},
    {"vforkexit", do_vforkexit}, {"system", do_system},     {"exit", do_exit},         {"abort", do_abort},
    {"raise", do_raise},         {"trap", do_trap},         {"overtake", do_overtake}, {"life", do_life},
};

static long run_one(void)
{
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (is(0, commands[i].name))
            return commands[i].run();
    errno = ENOSYS;
    return -1;
}

static void split(char *line, const char *at)
{
    char *state = NULL;

    word_count = 0;
    for (char *word = strtok_r(line, at, &state); word && word_count < WORDS;
         word = strtok_r(NULL, at, &state))
        words[word_count++] = word;
    words[word_count] = NULL;
}

/* fail ACTION...: commands with ":" for the blanks, of which the last one ends the process. Nothing is waited for between. */
static long do_fail(void)
{
    char *actions[ACTIONS];
    const int count = word_count - 1 < ACTIONS ? word_count - 1 : ACTIONS;

    memcpy(actions, words + 1, (size_t)count * sizeof *actions);
    fails = true;
    for (int i = 0; i < count; i++) {
        split(actions[i], ":");
        if (run_one() < 0)
            give_up(word(0));
    }
    return -1;
}

static long run_command(void)
{
    return is(0, "fail") ? do_fail() : run_one();
}

int main(void)
{
    static char line[512];

    set_slow_fork(false);
    connect_back();
    called_back = false;
    for (;;) {
        ssize_t length = read(CHANNEL, line, sizeof line - 1);
        if (length <= 0) /* the driver is gone */
            _exit(98);
        line[length] = '\0';
        split(line, " ");
        if (is(0, "exit") && is(1, "return"))
            return number(2);
        long value = run_command();
        /* A new channel's "ready" is the answer of a forked child, and after the old one was closed. */
        if (!called_back)
            answer(value);
        called_back = false;
    }
}
