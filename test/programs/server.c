/*
 * A server that does what its arguments say, one after the other, so that a test reads like its claim:
 *
 *     server accept write:Hello. exit:3
 *
 * An operation is NAME or NAME:ARGUMENT; the table at the end of this file lists them all. Most act on "the
 * connection": the one that accept or connect gave last. After the last operation main returns 0.
 * `thread{ ... }` runs the operations between in a thread and joins it, `fork{ ... }` in a child that exits
 * 0. On standard output: "port N" when listening, "ready" when pausing, and what an operation finds out. A
 * call that fails where it should not ends the program with status 99.
 */
#include "../../shim/kept/raw.h"

#include <arpa/inet.h>
#include <assert.h>
#include <err.h>
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 99, BUFFER = 65536 };

static int listener = -1;
static int connection = -1;
static int spare = -1; /* a second descriptor for the connection, or an older connection: see dup, swap */
static FILE *stream;
static char **script; /* all operations, for again */
static unsigned rounds;

static void run(char **ops);

static int must(int result, const char *what)
{
    if (result < 0) {
        dprintf(STDERR_FILENO, "server: %s: %s\n", what, strerrorname_np(errno));
        _exit(FAILED);
    }
    return result;
}

static int number(const char *text)
{
    char *end = NULL;
    long value = strtol(text, &end, 10);
    if (end == text || value < 0 || value > 1 << 30) {
        dprintf(STDERR_FILENO, "server: not a number: %s\n", text);
        _exit(FAILED);
    }
    return (int)value;
}

/* "TERM", "TERM:rest" or "15" */
static int signal_number(const char *text)
{
    size_t length = strcspn(text, ":");
    for (int i = 1; i < NSIG; i++) {
        const char *name = sigabbrev_np(i);
        if (name != NULL && strlen(name) == length && strncmp(name, text, length) == 0)
            return i;
    }
    return number(text);
}

static sigset_t one_signal(const char *name)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number(name));
    return set;
}

static const char *after_colon(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon == NULL ? "nothing" : colon + 1;
}

static void nothing(const char *arg)
{
    (void)arg;
}

/* --- Listening and connecting --- */

static void listen_at(int family, int protocol, const char *arg)
{
    union {
        struct sockaddr any;
        struct sockaddr_in four;
        struct sockaddr_in6 six;
    } at = {.any = {.sa_family = (sa_family_t)family}};
    in_port_t port = htons((in_port_t)(*arg ? number(arg) : 0));
    socklen_t size = family == AF_INET ? sizeof(at.four) : sizeof(at.six);
    int yes = 1;

    if (family == AF_INET)
        at.four.sin_port = port;
    else
        at.six.sin6_port = port;
    listener = must(socket(family, SOCK_STREAM, protocol), "socket");
    must(setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), "SO_REUSEADDR");
    must(bind(listener, &at.any, size), "bind");
    must(listen(listener, SOMAXCONN), "listen");
    must(getsockname(listener, &at.any, &size), "getsockname");
    dprintf(STDOUT_FILENO, "port %u\n", ntohs(family == AF_INET ? at.four.sin_port : at.six.sin6_port));
}

static void listen_ipv4(const char *arg)
{
    listen_at(AF_INET, 0, arg);
}

static void listen_ipv6(const char *arg)
{
    listen_at(AF_INET6, 0, arg);
}

static void listen_mptcp(const char *arg)
{
    listen_at(AF_INET, IPPROTO_MPTCP, arg);
}

static void do_accept(const char *arg)
{
    (void)arg;
    if (listener < 0)
        listen_ipv4("");
    connection = must(accept(listener, NULL, NULL), "accept");
}

static void do_accept4(const char *arg)
{
    (void)arg;
    if (listener < 0)
        listen_ipv4("");
    connection = must(accept4(listener, NULL, NULL, SOCK_CLOEXEC), "accept4");
}

static void connect_by(int protocol, const char *arg)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)number(arg))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection = must(socket(AF_INET, SOCK_STREAM, protocol), "socket");
    must(connect(connection, (struct sockaddr *)&to, sizeof(to)), "connect");
}

static void connect_ipv4(const char *arg)
{
    connect_by(0, arg);
}

static void connect_mptcp(const char *arg)
{
    connect_by(IPPROTO_MPTCP, arg);
}

static void connect_ipv6(const char *arg)
{
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((in_port_t)number(arg))};
    to.sin6_addr = in6addr_loopback;
    connection = must(socket(AF_INET6, SOCK_STREAM, 0), "socket");
    must(connect(connection, (struct sockaddr *)&to, sizeof(to)), "connect");
}

static void connect_nonblock(const char *arg)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((in_port_t)number(arg))};
    int error = 0;
    socklen_t size = sizeof(error);

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connection = must(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), "socket");
    if (connect(connection, (struct sockaddr *)&to, sizeof(to)) < 0 && errno != EINPROGRESS)
        must(-1, "connect");
    must(poll(&(struct pollfd){.fd = connection, .events = POLLOUT}, 1, -1), "poll");
    must(getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &size), "SO_ERROR");
    errno = error;
    must(-(error != 0), "connect");
}

static void nonblock(const char *arg)
{
    (void)arg;
    must(fcntl(connection, F_SETFL, fcntl(connection, F_GETFL) | O_NONBLOCK), "fcntl");
}

/* --- Talking --- */

static void do_write(const char *arg)
{
    must((int)write(connection, arg, strlen(arg)), "write");
}

static void fill(const char *arg)
{
    static const char block[BUFFER];
    for (size_t left = (size_t)number(arg); left > 0;) {
        size_t part = left < sizeof(block) ? left : sizeof(block);
        left -= (size_t)must((int)write(connection, block, part), "write");
    }
}

/* The kernel takes at most net.core.wmem_max. */
static void sndbuf(const char *arg)
{
    const int size = number(arg);
    must(setsockopt(connection, SOL_SOCKET, SO_SNDBUF, &size, sizeof size), "SO_SNDBUF");
}

/* Milliseconds: TCP_USER_TIMEOUT of tcp(7). */
static void user_timeout(const char *arg)
{
    const unsigned time = (unsigned)number(arg);
    must(setsockopt(connection, IPPROTO_TCP, TCP_USER_TIMEOUT, &time, sizeof time), "TCP_USER_TIMEOUT");
}

static void do_read(const char *arg)
{
    char buffer[BUFFER];
    must((int)recv(connection, buffer, (size_t)number(arg), MSG_WAITALL), "recv");
}

/* Until N bytes are there to be read, and leaves them there. */
static void await_unread(const char *arg)
{
    char buffer[BUFFER];
    must((int)recv(connection, buffer, (size_t)number(arg), MSG_PEEK | MSG_WAITALL), "recv");
}

static void shutdown_wr(const char *arg)
{
    (void)arg;
    must(shutdown(connection, SHUT_WR), "shutdown");
}

static void shutdown_rd(const char *arg)
{
    (void)arg;
    must(shutdown(connection, SHUT_RD), "shutdown");
}

static void shutdown_both(const char *arg)
{
    (void)arg;
    must(shutdown(connection, SHUT_RDWR), "shutdown");
}

static void do_fdopen(const char *arg)
{
    stream = fdopen(connection, arg);
    must(-(stream == NULL), "fdopen");
}

static void do_fprintf(const char *arg)
{
    must(fprintf(stream, "%s", arg), "fprintf");
}

static void do_fflush(const char *arg)
{
    (void)arg;
    must(fflush(stream), "fflush");
}

/* One line; what came with it stays in the stream's buffer. */
static void do_fgets(const char *arg)
{
    char line[BUFFER];
    (void)arg;
    must(-(fgets(line, sizeof(line), stream) == NULL), "fgets");
}

/* --- SO_LINGER --- */

static void set_linger(int fd, const char *arg)
{
    struct linger value = {.l_onoff = number(arg), .l_linger = number(strchr(arg, ',') + 1)};
    must(setsockopt(fd, SOL_SOCKET, SO_LINGER, &value, sizeof(value)), "SO_LINGER");
}

static void print_linger(int fd)
{
    struct linger value = {0};
    socklen_t size = sizeof(value);
    must(getsockopt(fd, SOL_SOCKET, SO_LINGER, &value, &size), "SO_LINGER");
    dprintf(STDOUT_FILENO, "linger %d,%d size %u\n", value.l_onoff, value.l_linger, (unsigned)size);
}

static void linger(const char *arg)
{
    set_linger(connection, arg);
}

static void getlinger(const char *arg)
{
    (void)arg;
    print_linger(connection);
}

static void listener_linger(const char *arg)
{
    if (listener < 0)
        listen_ipv4("");
    set_linger(listener, arg);
}

static void listener_getlinger(const char *arg)
{
    (void)arg;
    print_linger(listener);
}

/* --- Giving up a descriptor --- */

static int dev_null(void)
{
    return must(open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null");
}

static void do_close(const char *arg)
{
    (void)arg;
    must(close(connection), "close");
}

static void close_listener(const char *arg)
{
    (void)arg;
    must(close(listener), "close");
}

static void do_fclose(const char *arg)
{
    int result = fclose(stream);
    (void)arg;
    must(result, "fclose");
}

static void do_freopen(const char *arg)
{
    (void)arg;
    // cppcheck-suppress leakReturnValNotUsed  ; it is the stream again
    must(-(freopen("/dev/null", "r", stream) == NULL), "freopen");
}

static void do_dup(const char *arg)
{
    (void)arg;
    spare = must(dup(connection), "dup");
}

static void dup_fcntl(const char *arg)
{
    (void)arg;
    spare = must(fcntl(connection, F_DUPFD_CLOEXEC, 50), "F_DUPFD_CLOEXEC");
}

/* Moves the connection to descriptor N, as inetd does. */
static void move(const char *arg)
{
    int to = must(dup2(connection, number(arg)), "dup2");
    must(close(connection), "close");
    connection = to;
}

static void swap(const char *arg)
{
    int other = spare;
    (void)arg;
    spare = connection;
    connection = other;
}

static void dup2_over(const char *arg)
{
    (void)arg;
    must(dup2(dev_null(), connection), "dup2");
}

static void dup3_over(const char *arg)
{
    (void)arg;
    must(dup3(dev_null(), connection, O_CLOEXEC), "dup3");
}

/* The kernel refuses flags that it does not know, and puts nothing over the connection. */
static void dup3_refused(const char *arg)
{
    (void)arg;
    must(-(dup3(dev_null(), connection, O_APPEND) >= 0), "dup3 with bad flags");
}

/* dup2 of a descriptor onto itself changes nothing. */
static void dup2_self(const char *arg)
{
    (void)arg;
    must(dup2(connection, connection), "dup2");
}

static void do_close_range(const char *arg)
{
    (void)arg;
    must(close_range((unsigned)connection, (unsigned)connection, 0), "close_range");
}

static void close_range_cloexec(const char *arg)
{
    (void)arg;
    must(close_range(3, ~0U, CLOSE_RANGE_CLOEXEC), "close_range");
}

static void close_range_all(const char *arg)
{
    (void)arg;
    must(close_range(3, ~0U, 0), "close_range");
}

static void close_range_unshare(const char *arg)
{
    (void)arg;
    must(close_range(3, ~0U, CLOSE_RANGE_UNSHARE), "close_range");
}

static void do_closefrom(const char *arg)
{
    (void)arg;
    closefrom(3);
}

static void syscall_close(const char *arg)
{
    (void)arg;
    must((int)syscall(SYS_close, connection), "close");
}

static void syscall_close_range(const char *arg)
{
    (void)arg;
    must((int)syscall(SYS_close_range, connection, connection, 0), "close_range");
}

static void syscall_dup3(const char *arg)
{
    (void)arg;
    must((int)syscall(SYS_dup3, dev_null(), connection, 0), "dup3");
}

/* A number that has six arguments: all must arrive. */
static void syscall_sendto(const char *arg)
{
    must((int)syscall(SYS_sendto, connection, arg, strlen(arg), MSG_NOSIGNAL, NULL, 0), "sendto");
}

/* A system call that waits, by its number, for a hundredth of a second at most; WAKE, which waits for nothing. */
static void syscall_wait(const char *arg)
{
    struct timespec tick = {.tv_nsec = 10000000};
    int word = 0;
    char byte;
    int ends[2];
    must(pipe(ends), "pipe");
    const int set = must(epoll_create1(0), "epoll_create1");
    if (strcmp(arg, "futex") == 0)
        syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 0, &tick);
    else if (strcmp(arg, "futex_wake") == 0)
        syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
    else if (strcmp(arg, "epoll_pwait") == 0)
        syscall(SYS_epoll_pwait, set, &(struct epoll_event){0}, 1, 10, NULL);
    else if (strcmp(arg, "ppoll") == 0)
        syscall(SYS_ppoll, NULL, 0, &tick, NULL);
    else if (strcmp(arg, "pselect6") == 0)
        syscall(SYS_pselect6, 0, NULL, NULL, NULL, &tick, NULL);
    else if (strcmp(arg, "nanosleep") == 0)
        syscall(SYS_nanosleep, &tick, NULL);
    else if (strcmp(arg, "read") == 0 && write(ends[1], "", 1) == 1)
        syscall(SYS_read, ends[0], &byte, 1);
    else
        must(-1, "syscall_wait");
}

/* One that has the value N; a thousandth of a second at most. */
static void wait_semaphore(const char *arg)
{
    sem_t semaphore;
    struct timespec end;
    must(sem_init(&semaphore, 0, (unsigned)number(arg)), "sem_init");
    clock_gettime(CLOCK_REALTIME, &end);
    sem_timedwait(&semaphore, &end);
}

/* Opens and closes a file N times. */
static void files(const char *arg)
{
    for (int left = number(arg); left > 0; left--)
        must(close(dev_null()), "close");
}

/* close and its errno on a descriptor that is not open */
static void close_bad(const char *arg)
{
    int result = close(number(arg));
    dprintf(STDOUT_FILENO, "close %d %s\n", result, strerrorname_np(errno));
}

/* The number that the next descriptor will get. */
static void lowest(const char *arg)
{
    int fd = dev_null();
    (void)arg;
    close(fd);
    dprintf(STDOUT_FILENO, "lowest %d\n", fd);
}

/* Closes 3 to N-1 one by one, as old daemons do, and says how many were open. */
static void sweep(const char *arg)
{
    int open = 0;
    for (int fd = 3; fd < number(arg); fd++)
        open += close(fd) == 0;
    dprintf(STDOUT_FILENO, "swept %d\n", open);
}

/* Closes N and all above it, up to 1023, one by one. */
static void sweep_from(const char *arg)
{
    for (int fd = number(arg); fd < 1024; fd++)
        close(fd);
}

/* Memory of its own, which it has: the kernel refuses that to a process with threads (unshare(2)). Says
 * whether it did. */
static void unshare_memory(const char *arg)
{
    (void)arg;
    dprintf(STDOUT_FILENO, "unshare %s\n", unshare(CLONE_VM) == 0 ? "good" : strerrorname_np(errno));
}

/* Opens a file until no more numbers are left: by open(2), which is given none of truefin's. */
static void use_up(const char *arg)
{
    (void)arg;
    while (open("/dev/null", O_RDONLY) >= 0)
        ;
    dprintf(STDOUT_FILENO, "no more\n");
}

/* Sends N bytes in the way that leaves a message of the kernel's to be read: socket(7), SO_ZEROCOPY. */
static void send_zerocopy(const char *arg)
{
    static const char block[BUFFER];
    const int yes = 1;
    must(setsockopt(connection, SOL_SOCKET, SO_ZEROCOPY, &yes, sizeof(yes)), "SO_ZEROCOPY");
    must((int)send(connection, block, (size_t)number(arg), MSG_ZEROCOPY), "send");
}

/* Closes 3 to N-1 where no hook sees it. */
static void sweep_unseen(const char *arg)
{
    for (int fd = 3; fd < number(arg); fd++)
        raw_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* --- Ending the process --- */

static void do_exit(const char *arg)
{
    exit(number(arg));
}

static void do__exit(const char *arg)
{
    _exit(number(arg));
}

static void do__Exit(const char *arg)
{
    _Exit(number(arg));
}

static void do_quick_exit(const char *arg)
{
    quick_exit(number(arg));
}

static void do_err(const char *arg)
{
    err(number(arg), "err");
}

static void do_error(const char *arg)
{
    error(number(arg), 0, "error");
}

static void syscall_exit_group(const char *arg)
{
    syscall(SYS_exit_group, number(arg));
}

/* A filter kills this thread, and no other, for its next call of getppid(2). */
static void die_alone(const char *arg)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getppid, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_THREAD),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    (void)arg;
    must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS");
    must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), "PR_SET_SECCOMP");
    getppid();
}

/* Are there filters? The kernel says EFAULT, and sets none (prctl(2)). */
static void ask_seccomp(const char *arg)
{
    (void)arg;
    must(-(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, NULL) == 0), "PR_SET_SECCOMP");
}

/* The last thread's end is the process's, with status 0. */
/* Where no hook sees it. */
static void raw_exit_group(const char *arg)
{
    raw_call(SYS_exit_group, number(arg), 0, 0, 0, 0, 0);
}

/* Until the kernel has no more for us, and kills. */
static void use_memory(const char *arg)
{
    enum { PIECE = 1 << 20 };
    (void)arg;
    for (;;) {
        char *piece = mmap(NULL, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        must(-(piece == MAP_FAILED), "mmap");
        memset(piece, 1, PIECE);
    }
}

/* From the next cancellation point on. */
static void cancel_self(const char *arg)
{
    (void)arg;
    must(-(pthread_cancel(pthread_self()) != 0), "pthread_cancel");
}

static void do_pthread_exit(const char *arg)
{
    (void)arg;
    pthread_exit(NULL);
}

static void close_connection(void)
{
    close(connection);
}

static void cancel(const char *arg)
{
    (void)arg;
    pthread_cancel(pthread_self());
    pthread_testcancel();
}

static void atexit_close(const char *arg)
{
    (void)arg;
    must(-atexit(close_connection), "atexit");
}

static void serve_late(void)
{
    do_accept("");
    do_write("Hello.");
    do_close("");
}

/* When exit(3) has begun it accepts once more, writes "Hello." and closes. */
static void atexit_serve(const char *arg)
{
    (void)arg;
    must(-atexit(serve_late), "atexit");
}

static void do_abort(const char *arg)
{
    (void)arg;
    abort();
}

static void fail_assert(const char *arg)
{
    (void)arg;
    assert(!"reached");
}

static void double_free(const char *arg)
{
    void *volatile block = malloc(4096);
    (void)arg;
    free(block);
    // cppcheck-suppress doubleFree
    free(block); // NOLINT: this is what it is for
}

static void segv(const char *arg)
{
    (void)arg;
    volatile char *page = mmap(NULL, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 0;
}

static void trap(const char *arg)
{
    (void)arg;
    __builtin_trap();
}

static void do_raise(const char *arg)
{
    must(-raise(signal_number(arg)), "raise");
}

static void kill_self(const char *arg)
{
    must(kill(getpid(), signal_number(arg)), "kill");
}

/* --- Signals --- */

static const char *on_signal[NSIG];

static void perform(const char *text);

static void handler(int number)
{
    perform(on_signal[number]);
}

/* on:TERM:exit:1 performs exit:1 in the handler; on:TERM only returns. */
static void on(const char *arg)
{
    struct sigaction action = {.sa_handler = handler};
    on_signal[signal_number(arg)] = after_colon(arg);
    must(sigaction(signal_number(arg), &action, NULL), "sigaction");
}

/* The same by signal(2). */
static void on_by_signal(const char *arg)
{
    on_signal[signal_number(arg)] = after_colon(arg);
    must(-(signal(signal_number(arg), handler) == SIG_ERR), "signal");
}

static void ignore(const char *arg)
{
    must(-(signal(signal_number(arg), SIG_IGN) == SIG_ERR), "signal");
}

/* What signal(2) says was set before; sets the default. */
static void set_default(const char *arg)
{
    void (*before)(int) = signal(signal_number(arg), SIG_DFL);
    must(-(before == SIG_ERR), "signal");
    dprintf(STDOUT_FILENO, "was %s\n",
            before == SIG_DFL   ? "default"
            : before == SIG_IGN ? "ignored"
                                : "handled");
}

static void block(const char *arg)
{
    sigset_t set = one_signal(arg);
    must(sigprocmask(SIG_BLOCK, &set, NULL), "sigprocmask");
}

static void unblock(const char *arg)
{
    sigset_t set = one_signal(arg);
    must(sigprocmask(SIG_UNBLOCK, &set, NULL), "sigprocmask");
}

static void print_sigaction(const char *arg)
{
    struct sigaction action;
    must(sigaction(signal_number(arg), NULL, &action), "sigaction");
    dprintf(STDOUT_FILENO, "sigaction %s %s\n", arg,
            action.sa_handler == SIG_DFL   ? "default"
            : action.sa_handler == SIG_IGN ? "ignored"
            : action.sa_handler == handler ? "own"
                                           : "foreign");
}

static void ready(void)
{
    dprintf(STDOUT_FILENO, "ready\n");
}

static void got(int number)
{
    dprintf(STDOUT_FILENO, "got %s\n", sigabbrev_np(number));
}

static void do_sigwait(const char *arg)
{
    sigset_t set = one_signal(arg);
    int number = 0;
    block(arg);
    ready();
    must(-sigwait(&set, &number), "sigwait");
    got(number);
}

static void do_sigwaitinfo(const char *arg)
{
    sigset_t set = one_signal(arg);
    block(arg);
    ready();
    got(must(sigwaitinfo(&set, NULL), "sigwaitinfo"));
}

static void do_sigtimedwait(const char *arg)
{
    sigset_t set = one_signal(arg);
    block(arg);
    ready();
    got(must(sigtimedwait(&set, NULL, &(struct timespec){.tv_sec = 20}), "sigtimedwait"));
}

static void do_signalfd(const char *arg)
{
    sigset_t set = one_signal(arg);
    struct signalfd_siginfo info;
    int fd = 0;
    block(arg);
    fd = must(signalfd(-1, &set, SFD_CLOEXEC), "signalfd");
    ready();
    must((int)read(fd, &info, sizeof(info)), "read");
    got((int)info.ssi_signo);
    close(fd);
}

static void do_pause(const char *arg)
{
    (void)arg;
    ready();
    pause();
}

/* Does nothing but compute for so many milliseconds. */
static void compute(const char *arg)
{
    const uint32_t end = raw_now() + (uint32_t)number(arg);
    dprintf(STDOUT_FILENO, "computing\n");
    while ((int32_t)(raw_now() - end) < 0)
        ;
}

/* --- Structure --- */

static void say(const char *arg)
{
    dprintf(STDOUT_FILENO, "%s\n", arg);
}

static void wait_child(const char *arg)
{
    (void)arg;
    must(wait(NULL), "wait");
}

static pid_t parent; /* as it was at the fork */

/* Waits, ten seconds at most, until the parent is gone and another process has taken its place. */
static void await_orphaned(const char *arg)
{
    (void)arg;
    for (int i = 0; getppid() == parent; i++) {
        must(-(i == 10000), "await_orphaned");
        usleep(1000);
    }
}

/* A pipe that this process and all forked from here on have, and its end of file, when all others are gone.
 */
static int others[2];

static void watch_others(const char *arg)
{
    (void)arg;
    must(pipe(others), "pipe");
}

static void await_others(const char *arg)
{
    char none;
    (void)arg;
    close(others[1]);
    must(-(read(others[0], &none, 1) != 0), "await_others");
}

/* As daemons do once they listen: from then on nobody but root may look into this process (proc(5),
 * dumpable). */
static void drop_root(const char *arg)
{
    const id_t nobody = 65534;
    (void)arg;
    must(setgroups(0, NULL), "setgroups");
    must(setgid(nobody), "setgid");
    must(setuid(nobody), "setuid");
}

/* --- Other programs, and other places in the tree --- */

/* As a program without the right to read its own file: others may not look at it (ptrace(2)). */
static void hide(const char *arg)
{
    (void)arg;
    must(prctl(PR_SET_DUMPABLE, 0), "PR_SET_DUMPABLE");
}

static void do_daemon(const char *arg)
{
    (void)arg;
    parent = getpid();
    must(daemon(1, 0), "daemon");
}

static void do_setsid(const char *arg)
{
    (void)arg;
    must(setsid(), "setsid");
}

static void do_system(const char *arg)
{
    must(system(arg), "system"); // NOLINT(cert-env33-c): what a shell gets is to be seen
}

/* Runs a shell's command, reads all that it writes, and waits for it. */
static void do_popen(const char *arg)
{
    char buffer[BUFFER];
    FILE *command = popen(arg, "r"); // NOLINT(cert-env33-c)
    must(-(command == NULL), "popen");
    while (fgets(buffer, sizeof buffer, command) != NULL)
        ;
    must(pclose(command), "pclose");
}

/* The same, but goes on as soon as it has written a line. */
static void popen_left(const char *arg)
{
    char buffer[BUFFER];
    FILE *command = popen(arg, "r"); // NOLINT(cert-env33-c)
    must(-(command == NULL || fgets(buffer, sizeof buffer, command) == NULL), "popen");
}

/* The connection is the one that this program was given at N. */
static void inherit(const char *arg)
{
    connection = number(arg);
}

/* Puts the connection at N, and only there. */
static void onto(const char *arg)
{
    const int old = connection;
    connection = must(dup2(old, number(arg)), "dup2");
    must(close(old), "close");
}

/* As systemd passes a connection on: at 3, and the new program is told by its environment. */
static void as_listen_fd(const char *arg)
{
    char pid[16];
    (void)arg;
    if (connection != 3)
        onto("3");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    must(setenv("LISTEN_PID", pid, 1), "setenv");
    must(setenv("LISTEN_FDS", "1", 1), "setenv");
}

/* exec:PROGRAM ARGUMENT..., divided by blanks. */
static void do_exec(const char *arg)
{
    enum { MOST = 32, LONGEST = 4096 };
    static char text[LONGEST];
    char *words[MOST + 1] = {NULL};
    char *rest = text;
    must(-(strlen(arg) >= LONGEST), "exec");
    snprintf(text, sizeof text, "%s", arg);
    for (int i = 0; i < MOST && (words[i] = strsep(&rest, " ")) != NULL; i++)
        ;
    must(execvp(words[0], words), "exec");
}

/* Starts over at the first accept or connect, until that has run N times. */
static void again(const char *arg)
{
    char **first = script;
    while (*first != NULL && strncmp(*first, "accept", 6) != 0 && strncmp(*first, "connect", 7) != 0)
        first++;
    while ((int)++rounds < number(arg))
        run(first);
}

static const struct operation {
    const char *name;
    void (*perform)(const char *arg);
} operations[] = {
    {"listen", listen_ipv4},
    {"listen_ipv6", listen_ipv6},
    {"listen_mptcp", listen_mptcp},
    {"accept", do_accept},
    {"accept4", do_accept4},
    {"connect", connect_ipv4},
    {"connect_mptcp", connect_mptcp},
    {"connect_ipv6", connect_ipv6},
    {"connect_nonblock", connect_nonblock},
    {"nonblock", nonblock},
    {"write", do_write},
    {"fill", fill},
    {"sndbuf", sndbuf},
    {"user_timeout", user_timeout},
    {"read", do_read},
    {"await_unread", await_unread},
    {"shutdown_wr", shutdown_wr},
    {"shutdown_rd", shutdown_rd},
    {"shutdown_both", shutdown_both},
    {"fdopen", do_fdopen},
    {"fprintf", do_fprintf},
    {"fflush", do_fflush},
    {"fgets", do_fgets},
    {"linger", linger},
    {"getlinger", getlinger},
    {"listener_linger", listener_linger},
    {"listener_getlinger", listener_getlinger},
    {"close", do_close},
    {"close_listener", close_listener},
    {"fclose", do_fclose},
    {"freopen", do_freopen},
    {"dup", do_dup},
    {"dup_fcntl", dup_fcntl},
    {"move", move},
    {"swap", swap},
    {"dup2_over", dup2_over},
    {"dup3_over", dup3_over},
    {"dup3_refused", dup3_refused},
    {"dup2_self", dup2_self},
    {"close_range", do_close_range},
    {"close_range_cloexec", close_range_cloexec},
    {"close_range_all", close_range_all},
    {"close_range_unshare", close_range_unshare},
    {"closefrom", do_closefrom},
    {"syscall_close", syscall_close},
    {"syscall_close_range", syscall_close_range},
    {"syscall_dup3", syscall_dup3},
    {"syscall_sendto", syscall_sendto},
    {"syscall_wait", syscall_wait},
    {"semaphore", wait_semaphore},
    {"files", files},
    {"close_bad", close_bad},
    {"lowest", lowest},
    {"unshare_memory", unshare_memory},
    {"sweep", sweep},
    {"sweep_from", sweep_from},
    {"sweep_unseen", sweep_unseen},
    {"send_zerocopy", send_zerocopy},
    {"use_up", use_up},
    {"exit", do_exit},
    {"_exit", do__exit},
    {"_Exit", do__Exit},
    {"quick_exit", do_quick_exit},
    {"err", do_err},
    {"error", do_error},
    {"syscall_exit_group", syscall_exit_group},
    {"raw_exit_group", raw_exit_group},
    {"use_memory", use_memory},
    {"cancel_self", cancel_self},
    {"pthread_exit", do_pthread_exit},
    {"cancel", cancel},
    {"atexit_close", atexit_close},
    {"atexit_serve", atexit_serve},
    {"die_alone", die_alone},
    {"ask_seccomp", ask_seccomp},
    {"abort", do_abort},
    {"assert", fail_assert},
    {"double_free", double_free},
    {"segv", segv},
    {"trap", trap},
    {"raise", do_raise},
    {"kill_self", kill_self},
    {"on", on},
    {"signal", on_by_signal},
    {"ignore", ignore},
    {"default", set_default},
    {"block", block},
    {"unblock", unblock},
    {"print_sigaction", print_sigaction},
    {"sigwait", do_sigwait},
    {"sigwaitinfo", do_sigwaitinfo},
    {"sigtimedwait", do_sigtimedwait},
    {"signalfd", do_signalfd},
    {"pause", do_pause},
    {"compute", compute},
    {"say", say},
    {"wait", wait_child},
    {"await_orphaned", await_orphaned},
    {"watch_others", watch_others},
    {"await_others", await_others},
    {"drop_root", drop_root},
    {"hide", hide},
    {"daemon", do_daemon},
    {"setsid", do_setsid},
    {"system", do_system},
    {"popen", do_popen},
    {"popen_left", popen_left},
    {"inherit", inherit},
    {"onto", onto},
    {"as_listen_fd", as_listen_fd},
    {"exec", do_exec},
    {"again", again},
    {"nothing", nothing},
};

static void perform(const char *text)
{
    size_t length = strcspn(text, ":");
    for (size_t i = 0; i < sizeof(operations) / sizeof(*operations); i++) {
        const struct operation *op = &operations[i];
        if (strlen(op->name) == length && strncmp(op->name, text, length) == 0) {
            op->perform(text[length] == ':' ? text + length + 1 : "");
            return;
        }
    }
    // NOLINTNEXTLINE(bugprone-signal-handler): only for a mistake in a test
    dprintf(STDERR_FILENO, "server: unknown operation: %s\n", text);
    _exit(FAILED);
}

static void *run_thread(void *ops)
{
    run(ops);
    return NULL;
}

/* Performs what stands before the closing brace or the end of the script. */
static void run_fork(char **ops)
{
    const pid_t self = getpid();
    if (must(fork(), "fork") != 0)
        return;
    parent = self;
    run(ops);
    exit(0);
}

/* Where the block that begins at OPS ends; others may be nested in it. */
static char **end_of_block(char **ops)
{
    int depth = 0;
    for (; *ops != NULL; ops++) {
        depth += strcmp(*ops, "fork{") == 0 || strcmp(*ops, "thread{") == 0;
        depth -= strcmp(*ops, "}") == 0;
        if (depth == 0)
            return ops;
    }
    must(-1, "block without }");
    return ops;
}

static void run(char **ops)
{
    for (; *ops != NULL && strcmp(*ops, "}") != 0; ops++) {
        bool thread = strcmp(*ops, "thread{") == 0;
        if (!thread && strcmp(*ops, "fork{") != 0) {
            perform(*ops);
            continue;
        }
        if (thread) {
            pthread_t id;
            must(-pthread_create(&id, NULL, run_thread, ops + 1), "pthread_create");
            must(-pthread_join(id, NULL), "pthread_join");
        } else {
            run_fork(ops + 1);
        }
        ops = end_of_block(ops);
    }
}

/* return:N, only as the last operation, is the one that cannot be a function. */
int main(int argc, char **argv)
{
    char *last = argc > 1 ? argv[argc - 1] : NULL;
    bool returns = last != NULL && strncmp(last, "return:", 7) == 0;

    if (returns)
        argv[argc - 1] = NULL;
    script = argv + 1;
    run(script);
    return returns ? number(last + 7) : 0;
}
