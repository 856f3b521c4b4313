/*
 * A program that has no handler is in a system call while a child rains signals on it that it ignores, and
 * says what the call has given it:
 *
 *     interrupted OPERATION [SIGNAL]
 *
 * SIGNAL is a number, WINCH unless told; HUP is ignored. The operations are in the table at the end.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { WHOLE = 8 << 20, PART = 64 << 10, SMALL = 100, BUFFERS = 64 << 10, THREADS = 8, FAILED = 99 };
enum { TIME_MS = 200, LATE_MS = 1500, RAIN_MS = 3000, DROP_MS = 5, EARLY = 20 };
enum { US_PER_MS = 1000, MS_PER_S = 1000, NS_PER_MS = 1000000 };

static unsigned char data[WHOLE];
static int drop = SIGWINCH;
static int pause_ms; /* of the child between two parts */

/* --- The child --- */

/* The thread that is in the system call. */
struct target {
    pid_t pid;
    pid_t tid;
};

static struct target self(void)
{
    return (struct target){getpid(), gettid()};
}

static void hit(struct target target, int number)
{
    if (syscall(SYS_tgkill, target.pid, target.tid, number) != 0)
        err(FAILED, "tgkill");
}

static void pass(int milliseconds)
{
    usleep((useconds_t)milliseconds * US_PER_MS);
}

static void rain(struct target target, int milliseconds)
{
    for (int i = 0; i < milliseconds / DROP_MS; i++) {
        pass(DROP_MS);
        hit(target, drop);
    }
}

static size_t read_part(int fd, unsigned char *into, size_t size)
{
    size_t length = 0;
    ssize_t got = 0;
    while (length < size && (got = read(fd, into + length, size - length)) > 0)
        length += (size_t)got;
    if (got < 0)
        err(FAILED, "read");
    return length;
}

/* Each part lets the writer go on a little way, and there the next signal hits it. */
static size_t read_in_rain(int fd, struct target target, size_t until)
{
    static unsigned char part[PART];
    size_t length = 0;
    size_t got = PART;
    while (length < until && got == sizeof part) {
        pass(pause_ms);
        hit(target, drop);
        got = read_part(fd, part, sizeof part);
        if (memcmp(part, data + length, got) != 0)
            errx(FAILED, "wrong bytes after %zu", length);
        length += got;
    }
    return length;
}

/* --- What both share --- */

struct pair {
    int ours;
    int theirs;
};

static void limit(int fd, int option)
{
    const int size = BUFFERS;
    if (setsockopt(fd, SOL_SOCKET, option, &size, sizeof size) != 0)
        err(FAILED, "setsockopt");
}

static void limit_time(int fd, int option)
{
    const struct timeval time = {.tv_usec = (suseconds_t)TIME_MS * US_PER_MS};
    if (setsockopt(fd, SOL_SOCKET, option, &time, sizeof time) != 0)
        err(FAILED, "setsockopt");
}

static int listening(struct sockaddr_in *address, int backlog)
{
    socklen_t size = sizeof *address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    limit(listener, SO_RCVBUF);
    if (bind(listener, (void *)address, size) != 0 || listen(listener, backlog) != 0 ||
        getsockname(listener, (void *)address, &size) != 0)
        err(FAILED, "listen");
    return listener;
}

static struct pair connected(void)
{
    struct sockaddr_in address;
    struct pair pair;
    int listener = listening(&address, 1);
    pair.ours = socket(AF_INET, SOCK_STREAM, 0);
    limit(pair.ours, SO_SNDBUF);
    if (connect(pair.ours, (void *)&address, sizeof address) != 0)
        err(FAILED, "connect");
    pair.theirs = accept(listener, NULL, NULL);
    close(listener);
    return pair;
}

static struct pair piped(void)
{
    int ends[2];
    if (pipe(ends) != 0)
        err(FAILED, "pipe");
    return (struct pair){.ours = ends[1], .theirs = ends[0]};
}

static _Thread_local pid_t child;

/* A child that does not outlive the thread. True in the child. */
static bool split(void)
{
    fflush(stdout);
    child = fork();
    if (child < 0)
        err(FAILED, "fork");
    if (child == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return child == 0;
}

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * MS_PER_S + time.tv_nsec / NS_PER_MS;
}

static void say(const char *what, long result)
{
    printf("%s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerrorname_np(errno) : "");
}

static void child_ended_well(void)
{
    int status = 0;
    if (waitpid(child, &status, 0) < 0 || status != 0)
        errx(FAILED, "the child: status %d", status);
}

/* --- Transfers --- */

typedef ssize_t send_all(int fd);

static ssize_t by_write(int fd)
{
    return write(fd, data, sizeof data);
}

static ssize_t by_send(int fd)
{
    return send(fd, data, sizeof data, MSG_NOSIGNAL);
}

static ssize_t by_sendfile(int fd)
{
    FILE *file = tmpfile();
    off_t from = 0;
    if (!file || fwrite(data, sizeof data, 1, file) != 1 || fflush(file) != 0)
        err(FAILED, "a temporary file");
    return sendfile(fd, fileno(file), &from, sizeof data);
}

static void transfer(struct pair pair, send_all *how)
{
    const struct target target = self();
    if (split())
        _exit(read_in_rain(pair.theirs, target, WHOLE) == WHOLE ? 0 : FAILED);
    say("sent", how(pair.ours));
    child_ended_well();
}

static void operate_write(void)
{
    transfer(connected(), by_write);
}

static void operate_send(void)
{
    transfer(connected(), by_send);
}

static void operate_sendfile(void)
{
    transfer(connected(), by_sendfile);
}

static void operate_pipe(void)
{
    transfer(piped(), by_write);
}

static void operate_terminal(void)
{
    struct pair pair;
    struct termios raw;
    if (openpty(&pair.theirs, &pair.ours, NULL, NULL, NULL) != 0 || tcgetattr(pair.ours, &raw) != 0)
        err(FAILED, "openpty");
    cfmakeraw(&raw);
    if (tcsetattr(pair.ours, TCSANOW, &raw) != 0)
        err(FAILED, "tcsetattr");
    transfer(pair, by_write);
}

/* Each wait is within the time, all of them are not. */
static void operate_trickle(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
        err(FAILED, "socketpair");
    limit_time(ends[0], SO_SNDTIMEO);
    pause_ms = DROP_MS;
    transfer((struct pair){ends[0], ends[1]}, by_write);
}

static void *in_thread(void *unused)
{
    transfer(connected(), by_write);
    return unused;
}

static void operate_threads(void)
{
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, in_thread, NULL) != 0)
            errx(FAILED, "pthread_create");
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static void operate_receive(void)
{
    const struct pair pair = connected();
    const struct target target = self();
    unsigned char got[SMALL];
    if (split()) {
        for (int i = 0; i < SMALL; i++) {
            rain(target, DROP_MS);
            if (write(pair.theirs, data + i, 1) != 1)
                err(FAILED, "write");
        }
        _exit(0);
    }
    say("received", recv(pair.ours, got, sizeof got, MSG_WAITALL));
    printf("%s\n", memcmp(got, data, sizeof got) == 0 ? "as sent" : "other bytes");
    child_ended_well();
}

static void on_signal(int number)
{
    (void)number;
}

/* Signals that are ignored, and one with a handler right behind the last: that one ends the call. */
static void operate_handled(void)
{
    const struct pair pair = connected();
    const struct target target = self();
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    int told[2];
    ssize_t result = 0;
    if (pipe(told) != 0)
        err(FAILED, "pipe");
    if (split()) {
        close(pair.ours);
        size_t length = read_in_rain(pair.theirs, target, WHOLE / 2);
        hit(target, drop);
        hit(target, SIGUSR1);
        if (read(told[0], &result, sizeof result) != sizeof result)
            err(FAILED, "read");
        static unsigned char rest[WHOLE];
        size_t more = read_part(pair.theirs, rest, sizeof rest);
        bool same = memcmp(rest, data + length, more) == 0;
        _exit(same && length + more == (size_t)result ? 0 : FAILED);
    }
    result = by_write(pair.ours);
    close(pair.ours);
    printf("%s\n", result >= WHOLE / 2 && result < WHOLE ? "a part" : "all or too little");
    if (write(told[1], &result, sizeof result) != sizeof result)
        err(FAILED, "write");
    child_ended_well();
}

/* The peer goes away after half of it; after a FIN it is EPIPE that its RST gives. */
static void start_leaving(struct pair pair, bool fin_first)
{
    const struct target target = self();
    if (split()) {
        close(pair.ours);
        if (fin_first)
            shutdown(pair.theirs, SHUT_WR);
        read_in_rain(pair.theirs, target, WHOLE / 2);
        _exit(0);
    }
    close(pair.theirs);
}

static ssize_t left_alone(bool fin_first)
{
    const struct pair pair = connected();
    start_leaving(pair, fin_first);
    ssize_t result = by_write(pair.ours);
    child_ended_well();
    return result < 0 ? result : recv(pair.ours, data, 1, 0);
}

/* It must not stay pending. */
static void operate_blocked_pipe_signal(void)
{
    const struct pair pair = connected();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    sigprocmask(SIG_BLOCK, &set, NULL);
    start_leaving(pair, true);
    ssize_t result = by_write(pair.ours);
    close(pair.ours);
    child_ended_well();
    sigpending(&set);
    printf("%s, SIGPIPE %s\n", result > 0 && result < WHOLE ? "a part" : "all or nothing",
           sigismember(&set, SIGPIPE) ? "pending" : "not pending");
}

/* Only the first part of the memory is there: what was sent must not be told as a failure. */
static void operate_fault(void)
{
    const struct pair pair = connected();
    const struct target target = self();
    unsigned char *memory = mmap(NULL, WHOLE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        err(FAILED, "mmap");
    memcpy(memory, data, WHOLE / 2);
    munmap(memory + WHOLE / 2, WHOLE / 2);
    if (split()) {
        close(pair.ours);
        _exit(read_in_rain(pair.theirs, target, WHOLE) ? 0 : FAILED);
    }
    ssize_t result = write(pair.ours, memory, WHOLE);
    close(pair.ours);
    child_ended_well();
    printf("%s\n", result > 0 && result <= WHOLE / 2 ? "a part" : "all or nothing");
}

/* A signal comes with the urgent byte, before which the call is to end. */
static void operate_urgent(void)
{
    const struct pair pair = connected();
    fcntl(pair.ours, F_SETOWN, getpid());
    if (split()) {
        for (int i = 0; i < 3; i++) {
            pass(DROP_MS);
            if (send(pair.theirs, data, i == 1 ? 1 : SMALL / 2, i == 1 ? MSG_OOB : 0) < 0)
                err(FAILED, "send");
        }
        _exit(0);
    }
    say("received", recv(pair.ours, data, SMALL, MSG_WAITALL));
    child_ended_well();
}

static void operate_broken(void)
{
    say("then", left_alone(true));
}

static void operate_reset(void)
{
    say("told", left_alone(false));
}

/* --- Registers --- */

#ifdef __x86_64__
/* What a compiler that inlines the instruction relies on. */
static void operate_registers(void)
{
    const struct pair pair = connected();
    const struct target target = self();
    if (split())
        _exit(read_in_rain(pair.theirs, target, WHOLE) == WHOLE ? 0 : FAILED);
    long result = SYS_write;
    unsigned char *buffer = data;
    long length = WHOLE;
    long socket = pair.ours;
    register long r10 __asm__("r10") = 10;
    register long r8 __asm__("r8") = 8;
    register long r9 __asm__("r9") = 9;
    __asm__ volatile("syscall"
                     : "+a"(result), "+D"(socket), "+S"(buffer), "+d"(length), "+r"(r10), "+r"(r8), "+r"(r9)
                     :
                     : "rcx", "r11", "memory");
    bool same = socket == pair.ours && buffer == data && length == WHOLE && r10 == 10 && r8 == 8 && r9 == 9;
    say("sent", result);
    printf("registers %s\n", same ? "kept" : "changed");
    child_ended_well();
}
#endif

/* --- Waiting --- */

static void start_rain(void)
{
    const struct target target = self();
    if (!split())
        return;
    rain(target, RAIN_MS);
    _exit(0);
}

static int64_t started;

static void begin(void)
{
    start_rain();
    started = now();
}

static void timely(const char *what, long result)
{
    say(what, result);
    const int64_t took = now() - started;
    printf("%s\n", took < TIME_MS - EARLY ? "early" : took > LATE_MS ? "late" : "in time");
}

static const struct timespec TIME = {.tv_nsec = (long)TIME_MS * NS_PER_MS};

static struct pair with_time(int option)
{
    const struct pair pair = connected();
    limit_time(pair.ours, option);
    return pair;
}

static void operate_epoll(void)
{
    const struct target target = self();
    const struct pair pair = piped();
    struct epoll_event event = {.events = EPOLLIN};
    int set = epoll_create1(0);
    epoll_ctl(set, EPOLL_CTL_ADD, pair.theirs, &event);
    if (split()) {
        rain(target, TIME_MS);
        _exit(write(pair.ours, "", 1) == 1 ? 0 : FAILED);
    }
    say("ready", epoll_wait(set, &event, 1, -1));
    child_ended_well();
}

/* Job control ends it, untraced too. */
static void operate_stopped(void)
{
    const struct target target = self();
    struct epoll_event event;
    int set = epoll_create1(0);
    if (split()) {
        pass(TIME_MS);
        hit(target, SIGSTOP);
        pass(TIME_MS);
        hit(target, SIGCONT);
        _exit(0);
    }
    say("ready", epoll_wait(set, &event, 1, RAIN_MS));
}

static volatile sig_atomic_t entered;
static volatile sig_atomic_t left;

static void on_toggled(int number)
{
    (void)number;
    entered++;
    getppid();
    left++;
}

static void *toggle(void *unused)
{
    for (;;) {
        signal(SIGUSR1, SIG_IGN);
        signal(SIGUSR1, on_toggled);
    }
    return unused;
}

/* What is ignored when it comes may have a handler when it is delivered. */
static void operate_toggle(void)
{
    struct epoll_event event;
    pthread_t thread;
    int set = epoll_create1(0);
    int wrong = 0;
    const struct target target = self();
    signal(SIGUSR1, SIG_IGN);
    if (split())
        for (;;) {
            usleep(US_PER_MS / 10);
            hit(target, SIGUSR1);
        }
    if (pthread_create(&thread, NULL, toggle, NULL) != 0)
        errx(FAILED, "pthread_create");
    for (int64_t end = now() + LATE_MS; now() < end;)
        if (epoll_wait(set, &event, 1, DROP_MS) > 0 || entered != left)
            wrong++;
    printf("wrong: %d\n", wrong);
}

/* EINTR may have another cause than a signal. */
static void operate_filtered(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_epoll_pwait2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINTR),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
    struct epoll_event event;
    int set = epoll_create1(0);
    start_rain();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
        err(FAILED, "seccomp");
    int interrupted = 0;
    int calls = 0;
    for (int64_t end = now() + TIME_MS; now() < end; calls++)
        interrupted += syscall(SYS_epoll_pwait2, set, &event, 1, NULL, NULL, 0L) < 0 && errno == EINTR;
    printf("interrupted: %s\n", interrupted == calls ? "all" : "some");
}

/* A signal that looks like a stop of ptrace(2), for the exit. */
static void operate_forged(void)
{
    siginfo_t info = {.si_signo = SIGUSR1, .si_code = SIGTRAP | 6 << 8};
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGUSR1, &action, NULL);
    say("queued", syscall(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, &info));
}

static void operate_random(void)
{
    start_rain();
    say("random", getrandom(data, sizeof data, 0));
}

static void operate_epoll_time(void)
{
    struct epoll_event event;
    int set = epoll_create1(0);
    begin();
    timely("ready", epoll_wait(set, &event, 1, TIME_MS));
}

static void operate_epoll2_time(void)
{
    struct epoll_event event;
    int set = epoll_create1(0);
    begin();
    timely("ready", syscall(SYS_epoll_pwait2, set, &event, 1, &TIME, NULL, 0L));
}

static void operate_receive_time(void)
{
    const struct pair pair = with_time(SO_RCVTIMEO);
    begin();
    timely("received", read(pair.ours, data, 1));
}

static void operate_send_time(void)
{
    const struct pair pair = with_time(SO_SNDTIMEO);
    begin();
    ssize_t result = by_write(pair.ours);
    timely("sent a part", result > 0 && result < WHOLE);
}

static void operate_accept_time(void)
{
    struct sockaddr_in address;
    int listener = listening(&address, 1);
    limit_time(listener, SO_RCVTIMEO);
    begin();
    timely("accepted", accept(listener, NULL, NULL));
}

/* To a listener that accepts nobody, and has one waiting already. The only signal is that the child ends. */
static void operate_connect_time(void)
{
    struct sockaddr_in address;
    listening(&address, 0);
    int first = socket(AF_INET, SOCK_STREAM, 0);
    int second = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(first, (void *)&address, sizeof address) != 0)
        err(FAILED, "connect");
    limit_time(second, SO_SNDTIMEO);
    started = now();
    if (split())
        _exit(usleep(US_PER_MS * TIME_MS / 2));
    timely("connected", connect(second, (void *)&address, sizeof address));
}

static void operate_sigwait_time(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    begin();
    timely("waited", sigtimedwait(&set, NULL, &TIME));
}

static void operate_semaphore_time(void)
{
    struct sembuf take = {.sem_op = -1};
    int set = semget(IPC_PRIVATE, 1, 0600);
    begin();
    int result = semtimedop(set, &take, 1, &TIME);
    const int error = errno;
    semctl(set, 0, IPC_RMID);
    errno = error;
    timely("taken", result);
}

static void operate_aio_time(void)
{
    aio_context_t context = 0;
    struct io_event event;
    if (syscall(SYS_io_setup, 1, &context) != 0)
        err(FAILED, "io_setup");
    begin();
    timely("events", syscall(SYS_io_getevents, context, 1L, 1L, &event, &TIME));
}

/* --- */

static const struct {
    const char *name;
    void (*operate)(void);
} operations[] = {
    {"write", operate_write},
    {"send", operate_send},
    {"sendfile", operate_sendfile},
    {"pipe", operate_pipe},
    {"threads", operate_threads},
    {"terminal", operate_terminal},
    {"trickle", operate_trickle},
    {"receive", operate_receive},
    {"urgent", operate_urgent},
    {"random", operate_random},
    {"handled", operate_handled},
    {"broken", operate_broken},
    {"reset", operate_reset},
    {"blocked-sigpipe", operate_blocked_pipe_signal},
    {"fault", operate_fault},
    {"stopped", operate_stopped},
    {"toggle", operate_toggle},
    {"filtered", operate_filtered},
    {"forged", operate_forged},
#ifdef __x86_64__
    {"registers", operate_registers},
#endif
    {"epoll", operate_epoll},
    {"epoll-time", operate_epoll_time},
    {"epoll2-time", operate_epoll2_time},
    {"receive-time", operate_receive_time},
    {"send-time", operate_send_time},
    {"accept-time", operate_accept_time},
    {"connect-time", operate_connect_time},
    {"sigwait-time", operate_sigwait_time},
    {"semaphore-time", operate_semaphore_time},
    {"aio-time", operate_aio_time},
};

int main(int argc, char **argv)
{
    if (argc > 2)
        drop = (int)strtol(argv[2], NULL, 10);
    signal(SIGHUP, SIG_IGN);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (unsigned char)(i * 2654435761U >> 13);
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++)
        if (argc > 1 && strcmp(argv[1], operations[i].name) == 0) {
            operations[i].operate();
            return EXIT_SUCCESS;
        }
    errx(FAILED, "what operation?");
}
