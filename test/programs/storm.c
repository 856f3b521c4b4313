/*
 * Threads that open and close descriptors of all kinds, as fast as they can, and count what fails:
 *
 *     storm THREADS [signals] [restart]
 *
 * signals: each thread is bombarded with SIGUSR1, which has a handler without SA_RESTART (restart: with it). Prints "ready"
 * when all threads have gone round once. On SIGTERM they stop, and it prints "rounds N failed N leaked N": calls with another
 * result than they have without anybody who watches, and descriptors that are left over. The first failure is named before.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { MOST = 16, HIGH = 500, APART = 20 };

static atomic_bool ending;
static atomic_ulong rounds, failed;
static atomic_ulong rounds_of[MOST];

static int must(int result, const char *what)
{
    if (result < 0) {
        const int error = errno;
        if (atomic_fetch_add(&failed, 1) == 0)
            dprintf(STDOUT_FILENO, "%s: %s\n", what, strerror(error));
    }
    return result;
}

static void on_signal(int number)
{
    (void)number;
}

/* A call that untouched is interrupted, too. */
static int again(int fd)
{
    return fd < 0 && errno == EINTR;
}

static void connections(void)
{
    int listener = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    must(bind(listener, (struct sockaddr *)&at, sizeof at), "bind");
    must(listen(listener, 1), "listen");
    must(getsockname(listener, (struct sockaddr *)&at, &size), "getsockname");
    int client = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
    if (connect(client, (struct sockaddr *)&at, sizeof at) != 0 && errno == EINTR) {
        struct pollfd done = {.fd = client, .events = POLLOUT};
        while (poll(&done, 1, -1) < 0 && errno == EINTR)
            ;
    }
    int server = -1;
    while (again(server = accept(listener, NULL, NULL)))
        ;
    must(server, "accept");
    must(close(server), "close of an accepted connection");
    must(close(client), "close of a connection");
    must(close(listener), "close of a listener");
}

static void files(int high)
{
    int file = must(open("/dev/null", O_RDONLY), "open");
    int copy = must(dup(file), "dup");
    must(fcntl(file, F_DUPFD_CLOEXEC, high), "F_DUPFD_CLOEXEC");
    must(dup2(file, high + 1), "dup2");
    must(dup2(copy, high + 1), "dup2 over");
    must(dup3(copy, high + 2, O_CLOEXEC), "dup3");
    must((int)syscall(SYS_close_range, high, high + APART - 1, 0), "close_range");
    must(close(copy), "close of a copy");
    must(close(file), "close of a file");
}

static void others(void)
{
    int pair[2];
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), "socketpair");
    must(close(pair[0]), "close of a Unix socket");
    must(close(pair[1]), "close of a Unix socket");
    int set = must(epoll_create1(0), "epoll_create1");
    must(close(set), "close of a set");
}

static void *storm(void *number)
{
    const int self = (int)(size_t)number;
    while (!ending) {
        files(HIGH + self * APART);
        connections();
        others();
        rounds_of[self]++;
        rounds++;
    }
    return NULL;
}

static int descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static bool have_all(int threads)
{
    for (int i = 0; i < threads; i++)
        if (rounds_of[i] == 0)
            return false;
    return true;
}

int main(int argc, char **argv)
{
    pthread_t at[MOST];
    const int threads = argc > 1 ? atoi(argv[1]) : 1; // NOLINT(cert-err34-c)
    const bool signals = argc > 2;
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = argc > 3 ? SA_RESTART : 0};
    const struct timespec moment = {.tv_nsec = signals ? 50000 : 5000000};
    const int before = descriptors();
    sigset_t term;
    bool said = false;
    if (threads < 1 || threads > MOST)
        return 2;
    sigaction(SIGUSR1, &action, NULL);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &term, NULL);
    for (size_t i = 0; i < (size_t)threads; i++)
        pthread_create(&at[i], NULL, storm, (void *)i); // NOLINT(performance-no-int-to-ptr)
    while (sigtimedwait(&term, NULL, &moment) != SIGTERM) {
        for (int i = 0; signals && i < threads; i++)
            pthread_kill(at[i], SIGUSR1);
        if (!said && have_all(threads))
            said = dprintf(STDOUT_FILENO, "ready\n") > 0;
    }
    ending = true;
    for (int i = 0; i < threads; i++)
        pthread_join(at[i], NULL);
    dprintf(STDOUT_FILENO, "rounds %lu failed %lu leaked %d\n", rounds, failed, descriptors() - before);
    return 0;
}
