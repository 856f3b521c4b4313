/*
 * Unusual things that must work under the shim as they do without it: `odd NAME`. Each prints what it saw.
 * Bats files run the names with as_without (helpers.bash).
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* A connection to ourselves: what the shim has to judge when this process ends. */
static int connection(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&name, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &size) != 0 ||
        connect(client, (struct sockaddr *)&name, size) != 0)
        err(99, "connection");
    return accept(listener, NULL, NULL);
}

/* SIGTERM while the thread has a small alternate stack with a guard page below, and a living heir has to be
 * asked about. */
static int small_stack(void)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *at = mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    stack_t stack = {.ss_sp = at + page, .ss_size = 2 * page};
    if (at == MAP_FAILED || mprotect(at, page, PROT_NONE) != 0 || sigaltstack(&stack, NULL) != 0)
        err(99, "sigaltstack");
    connection();
    const pid_t parent = getpid();
    pid_t heir = fork();
    if (heir == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        while (getppid() == parent)
            pause();
        _exit(0); /* the parent died before the kernel was told */
    }
    raise(SIGTERM);
    return 1;
}

static int clone3_probe(void)
{
    long result = syscall(SYS_clone3, NULL, 0);
    printf("%ld %s\n", result, strerrorname_np(errno));
    return 0;
}

/* TERM is let in by ppoll only: it must kill there, not be interrupted by it. */
static int ppoll_term(void)
{
    sigset_t term;
    sigset_t none;
    connection();
    sigemptyset(&none);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    raise(SIGTERM);
    const struct timespec limit = {.tv_sec = 5};
    printf("ppoll %d\n", ppoll(NULL, 0, &limit, &none));
    return 3;
}

static int went_on;

static void *close_by_number(void *fd)
{
    int state;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state);
    pthread_cancel(pthread_self());
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state);
    syscall(SYS_close, *(int *)fd);
    went_on = 1;
    return NULL;
}

static int cancelled_close(void)
{
    pthread_t thread;
    int fd = connection();
    pthread_create(&thread, NULL, close_by_number, &fd);
    pthread_join(thread, NULL);
    printf(went_on ? "went on\n" : "cancelled\n");
    return 0;
}

static int no_file_size(void)
{
    const struct rlimit none = {0};
    int fd = connection();
    signal(SIGXFSZ, SIG_DFL);
    setrlimit(RLIMIT_FSIZE, &none);
    close(fd);
    if (write(STDOUT_FILENO, "alive\n", 6) != 6)
        return 99;
    return 0;
}

static int nested_vfork(void)
{
    connection();
    pid_t outer = vfork(); /* NOLINT: what is tested */
    if (outer == 0) {
        pid_t inner = vfork(); /* NOLINT */
        if (inner == 0)
            _exit(7);
        int status = 0;
        waitpid(inner, &status, 0);
        _exit(WEXITSTATUS(status) + 1);
    }
    int status = 0;
    waitpid(outer, &status, 0);
    printf("%d\n", WEXITSTATUS(status));
    return 0;
}

static void nothing(int number)
{
    (void)number;
}

/* The child has the parent's memory, but signals of its own. */
static int vfork_signal(void)
{
    struct sigaction action = {.sa_handler = nothing};
    sigaction(SIGTERM, &action, NULL);
    pid_t child = vfork(); /* NOLINT: what is tested */
    if (child == 0) {
        signal(SIGTERM, SIG_DFL); /* NOLINT(clang-analyzer-unix.Vfork): posix_spawn does it, too */
        _exit(0);
    }
    waitpid(child, NULL, 0);
    sigaction(SIGTERM, NULL, &action);
    printf(action.sa_handler == nothing ? "own\n" : "another\n");
    raise(SIGTERM);
    return 0;
}

static int seccomp_probe(void)
{
    connection();
    int result = prctl(PR_SET_SECCOMP, 2, NULL);
    printf("%d %s\n", result, strerrorname_np(errno));
    return 0;
}

static const struct {
    const char *name;
    int (*run)(void);
} oddities[] = {
    {"small-stack", small_stack},         {"clone3-probe", clone3_probe}, {"ppoll-term", ppoll_term},
    {"cancelled-close", cancelled_close}, {"no-file-size", no_file_size}, {"nested-vfork", nested_vfork},
    {"seccomp-probe", seccomp_probe},     {"vfork-signal", vfork_signal},
};

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    for (size_t i = 0; argc == 2 && i < sizeof oddities / sizeof *oddities; i++)
        if (strcmp(argv[1], oddities[i].name) == 0)
            return oddities[i].run();
    warnx("usage: odd NAME");
    return 2;
}
