/*
 * hooks CASE: calls that fail, or meet unusual values, and must do so under the shim as without it. Prints
 * what it saw.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static int listener, client, server;

static void connection(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    listener = socket(AF_INET, SOCK_STREAM, 0);
    client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&name, size) != 0 || listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &size) != 0 ||
        connect(client, (struct sockaddr *)&name, size) != 0)
        err(99, "connection");
}

static void told(const char *call, long result)
{
    printf("%s %ld %s\n", call, result, result < 0 ? strerrorname_np(errno) : "-");
}

/* A header at the end of the last page that there is, half of it beyond; a pointer or a path in it is bad,
 * too. */
static void *half(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(at, 'a', page);
    mprotect(at + page, page, PROT_NONE);
    return at + page - sizeof(struct msghdr) / 2;
}

static sigjmp_buf escape;

static void faulted(int number)
{
    siglongjmp(escape, number);
}

/* What libc itself reads or writes faults, and must do so with any library before it. */
#define TRY(name, call)                                                                                      \
    do {                                                                                                     \
        if (sigsetjmp(escape, 1) == 0)                                                                       \
            told(name, call);                                                                                \
        else                                                                                                 \
            printf("%s fault\n", name);                                                                      \
    } while (0)

/* One that waits in the backlog: the kernel drops it where it cannot say whose it is. */
static int waiting(void)
{
    struct sockaddr_in name;
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (getsockname(listener, (struct sockaddr *)&name, &size) != 0 ||
        connect(fd, (struct sockaddr *)&name, size) != 0)
        err(99, "connect");
    return listener;
}

static void bad_accepts(void *bad)
{
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    void *const where = &peer;
    void *const bad_place = (char *)bad + 26;
    TRY("accept address", accept(waiting(), bad_place, &size));
    TRY("accept size", accept(waiting(), where, bad_place));
    TRY("accept no size", accept(waiting(), where, NULL));
    TRY("accept4 address", accept4(waiting(), bad_place, &size, SOCK_CLOEXEC));
    TRY("accept4 size", accept4(waiting(), where, bad_place, 0));
    TRY("SYS_accept address", syscall(SYS_accept, waiting(), bad_place, &size));
    TRY("SYS_accept4 size", syscall(SYS_accept4, waiting(), where, bad_place, 0));
    TRY("accept after all", accept(waiting(), NULL, bad) >= 0 ? 0 : -1);
}

static void bad_messages(void *bad)
{
    int pair[2];
    struct msghdr message = {.msg_control = bad, .msg_controllen = 64};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    TRY("sendmsg", sendmsg(pair[0], bad, 0));
    TRY("sendmsg control", sendmsg(pair[0], &message, 0));
    TRY("sendmmsg", sendmmsg(pair[0], bad, 1, 0));
    TRY("SYS_sendmsg", syscall(SYS_sendmsg, pair[0], bad, 0));
    TRY("SYS_sendmsg control", syscall(SYS_sendmsg, pair[0], &message, 0));
    TRY("SYS_sendmmsg", syscall(SYS_sendmmsg, pair[0], bad, 1, 0));
    TRY("recvmsg", recvmsg(pair[1], bad, MSG_DONTWAIT));
    TRY("recvmmsg", recvmmsg(pair[1], bad, 1, MSG_DONTWAIT, NULL));
    TRY("SYS_recvmsg", syscall(SYS_recvmsg, pair[1], bad, MSG_DONTWAIT));
    TRY("SYS_recvmmsg", syscall(SYS_recvmmsg, pair[1], bad, 1, MSG_DONTWAIT, NULL));
}

/* A descriptor comes that there is no room to tell of, then a good message. */
static void bad_room_for_rights(void *bad)
{
    int pair[2];
    int fd = client;
    char byte = 'x';
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr header;
    } control = {0};
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr out = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    struct mmsghdr both[2] = {{.msg_hdr = out}, {.msg_hdr = out}};
    socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    control.header = (struct cmsghdr){CMSG_LEN(sizeof fd), SOL_SOCKET, SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    both[1].msg_hdr.msg_control = bad;
    TRY("sendmmsg one of two", sendmmsg(pair[0], both, 2, 0));
    out.msg_control = bad;
    TRY("recvmsg control", recvmsg(pair[1], &out, MSG_DONTWAIT));
    both[1].msg_hdr.msg_control = &control;
    TRY("sendmmsg two", sendmmsg(pair[0], both, 2, 0));
    both[1].msg_hdr.msg_iov = bad;
    TRY("recvmmsg one of two", recvmmsg(pair[1], both, 2, MSG_DONTWAIT, NULL));
}

static void bad_programs(void *bad)
{
    char name[] = "true";
    char *const arguments[] = {name, NULL};
    const int file = open("/bin/true", O_RDONLY | O_CLOEXEC);
    posix_spawn_file_actions_t actions;
    pid_t child;
    posix_spawn_file_actions_init(&actions);
    TRY("execve", execve(bad, arguments, environ));
    TRY("execve arguments", execve("/bin/true", bad, environ));
    TRY("execve environment", execve("/bin/true", arguments, bad));
    TRY("execv", execv(bad, arguments));
    TRY("execv arguments", execv("/bin/true", bad));
    TRY("execl", execl(bad, "true", NULL));
    TRY("execle", execle("/bin/true", "true", NULL, bad));
    TRY("execvp", execvp(bad, arguments));
    TRY("execvp arguments", execvp("true", bad));
    TRY("execvpe environment", execvpe("true", arguments, bad));
    TRY("execlp", execlp(bad, "true", NULL));
    TRY("execveat", execveat(AT_FDCWD, bad, arguments, environ, 0));
    TRY("execveat arguments", execveat(file, "", bad, environ, AT_EMPTY_PATH));
    TRY("fexecve arguments", fexecve(file, bad, environ));
    TRY("fexecve environment", fexecve(file, arguments, bad));
    TRY("SYS_execve", syscall(SYS_execve, bad, arguments, environ));
    TRY("SYS_execveat", syscall(SYS_execveat, file, "", arguments, bad, AT_EMPTY_PATH));
    TRY("posix_spawn", posix_spawn(&child, bad, NULL, NULL, arguments, environ));
    TRY("posix_spawn with actions", posix_spawn(&child, bad, &actions, NULL, arguments, environ));
    TRY("posix_spawn arguments", posix_spawn(&child, "/bin/true", &actions, NULL, bad, environ));
    TRY("posix_spawnp environment", posix_spawnp(&child, "true", &actions, NULL, arguments, bad));
    posix_spawn_file_actions_destroy(&actions);
    close(file);
}

static void bad_waits(void *beyond)
{
    void *const bad = (char *)beyond + 26;
    siginfo_t info;
    for (int i = 0; i < 6; i++)
        if (fork() == 0)
            _exit(0);
    /* A child is gone although it cannot be told of: so each of them has its own. */
    TRY("wait", wait(bad) > 0);
    TRY("waitpid", waitpid(-1, bad, 0) > 0);
    TRY("wait3", wait3(NULL, 0, bad) > 0);
    TRY("wait4", wait4(-1, bad, 0, NULL) > 0);
    TRY("waitid", waitid(P_ALL, 0, bad, WEXITED));
    while (waitid(P_ALL, 0, &info, WEXITED) == 0)
        ;
    TRY("waitid without a child", waitid(P_ALL, 0, bad, WEXITED));
}

static void bad_signals(void *beyond)
{
    void *const bad = (char *)beyond + 26;
    struct sigaction good = {.sa_handler = SIG_IGN};
    sigset_t none;
    siginfo_t info;
    int number;
    sigemptyset(&none);
    for (int i = 0; i < 2; i++) {
        const int numbers[] = {SIGTERM, SIGUSR1};
        TRY("sigaction", sigaction(numbers[i], bad, NULL));
        TRY("sigaction old", sigaction(numbers[i], NULL, bad));
        TRY("sigaction both", sigaction(numbers[i], &good, bad));
        TRY("signal", signal(numbers[i], bad) == SIG_ERR ? -1 : 0);
        TRY("signal", signal(numbers[i], SIG_DFL) == bad ? 1 : 0);
    }
    TRY("sigwait", sigwait(bad, &number));
    TRY("sigwaitinfo", sigwaitinfo(bad, &info));
    TRY("sigtimedwait", sigtimedwait(bad, &info, NULL));
    TRY("sigtimedwait time", sigtimedwait(&none, &info, bad));
    TRY("signalfd", signalfd(-1, bad, 0));
}

static void bad_clones(void *bad)
{
    void *const place = (char *)bad + 26;
    struct clone_args args = {.flags = CLONE_PIDFD, .pidfd = (uintptr_t)place};
    TRY("clone3", syscall(SYS_clone3, bad, sizeof args));
    TRY("clone3 small", syscall(SYS_clone3, bad, CLONE_ARGS_SIZE_VER0));
    TRY("clone3 too small", syscall(SYS_clone3, bad, CLONE_ARGS_SIZE_VER0 - 1));
    TRY("clone3 large", syscall(SYS_clone3, bad, 1UL << 40));
    TRY("clone3 pidfd", syscall(SYS_clone3, &args, sizeof args));
    TRY("clone pidfd", syscall(SYS_clone, (long)CLONE_PIDFD, 0L, place, 0L, 0L));
}

static void bad_others(void *bad)
{
    struct linger linger = {0};
    int set = epoll_create1(EPOLL_CLOEXEC);
    TRY("connect", connect(socket(AF_INET, SOCK_STREAM, 0), bad, 100));
    TRY("SYS_connect", syscall(SYS_connect, socket(AF_INET, SOCK_STREAM, 0), bad, 16));
    TRY("setsockopt", setsockopt(client, SOL_SOCKET, SO_LINGER, (char *)bad + 26, 8));
    TRY("getsockopt", getsockopt(client, SOL_SOCKET, SO_LINGER, &linger, (void *)((char *)bad + 26)));
    TRY("getsockopt value", getsockopt(client, SOL_SOCKET, SO_LINGER, (char *)bad + 26, &(socklen_t){8}));
    TRY("SYS_getsockopt", syscall(SYS_getsockopt, client, SOL_SOCKET, SO_LINGER, bad, (char *)bad + 26));
    TRY("epoll_ctl add", epoll_ctl(set, EPOLL_CTL_ADD, client, (void *)((char *)bad + 20)));
    TRY("epoll_ctl modify", epoll_ctl(set, EPOLL_CTL_MOD, client, (void *)((char *)bad + 20)));
    TRY("SYS_epoll_ctl", syscall(SYS_epoll_ctl, set, EPOLL_CTL_ADD, client, (char *)bad + 20));
    TRY("epoll_ctl delete", epoll_ctl(set, EPOLL_CTL_DEL, client, (void *)((char *)bad + 20)));
    TRY("fcntl F_SETLK", fcntl(client, F_SETLK, bad));
    TRY("fcntl F_GETLK", fcntl(client, F_GETLK, bad));
    TRY("fcntl F_OFD_SETLK", fcntl(client, F_OFD_SETLK, bad));
    TRY("fcntl F_GETOWN_EX", fcntl(client, F_GETOWN_EX, (char *)bad + 26));
    TRY("SYS_fcntl", syscall(SYS_fcntl, client, F_GETLK, bad));
    TRY("prctl", prctl(PR_SET_NAME, (char *)bad + 26));
    TRY("prctl PR_SET_SECCOMP", prctl(PR_SET_SECCOMP, 2, bad));
    TRY("setgroups", setgroups(16, bad));
}

static void bad_pointers(void *bad)
{
    const struct sigaction catcher = {.sa_handler = faulted, .sa_flags = SA_NODEFER};
    sigaction(SIGSEGV, &catcher, NULL);
    bad_accepts(bad);
    bad_messages(bad);
    bad_room_for_rights(bad);
    bad_programs(bad);
    bad_waits(bad);
    bad_signals(bad);
    bad_clones(bad);
    bad_others(bad);
}

/* The child is killed when this process has closed its copy: else this process would have to judge it. */
static void failed_listen(void)
{
    int closed[2];
    char byte;
    if (pipe(closed) != 0)
        err(99, "pipe");
    if (fork() == 0) {
        close(client);
        close(closed[1]);
        listen(server, 1);
        while (read(closed[0], &byte, 1) > 0)
            ;
        raise(SIGKILL);
    }
    close(server);
    close(closed[1]);
    told("read", read(client, &byte, 1));
}

static void run(const char *name)
{
    struct linger linger = {.l_onoff = 1};
    socklen_t size = sizeof linger;
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    connection();
    if (strcmp(name, "backlog-linger") == 0)
        setsockopt(listener, SOL_SOCKET, SO_LINGER, &linger, size);
    server = accept(listener, NULL, NULL);
    if (strcmp(name, "backlog-linger") == 0) {
        getsockopt(server, SOL_SOCKET, SO_LINGER, &linger, &size);
        printf("%d,%d\n", linger.l_onoff, linger.l_linger);
    } else if (strcmp(name, "bad-pointers") == 0) {
        bad_pointers((void *)8); /* NOLINT: what is tested */
        bad_pointers(half());
    } else if (strcmp(name, "failed-listen") == 0) {
        failed_listen();
    } else if (strcmp(name, "fclose-error") == 0) {
        FILE *stream = fdopen(server, "w");
        if (stream == NULL)
            err(1, "fdopen");
        fputs("answer", stream);
        (void)connect(client, &nowhere, sizeof nowhere);
        int result = fclose(stream);
        told("fclose", result);
    }
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc != 2)
        errx(2, "usage: hooks CASE");
    run(argv[1]);
    return 0;
}
