/*
 * A server around epoll that answers "Hello." as soon as something comes, without reading it, and closes:
 *
 *     looper CONNECTIONS WAY...
 *
 * Ways to register a connection: level, edge, exclusive, oneshot; two (in a second set as well); duplicate
 * (under the number of a second descriptor, closed at once before the first one); forked (in a set that a
 * child shares, and waits in); removed (the program takes it out itself); poll and select do without epoll.
 * After CONNECTIONS it prints "done N" and waits on; for each event of a connection that it has closed it
 * prints "stale", for a registration that fails "failed". On SIGTERM it says "end" and exits.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MOST = 1024 };

static int sets[2];
static int *number_of; /* of connection N; -1 when closed; shared with the child */
static int twin_of[MOST];
static int made;
static volatile sig_atomic_t ending;

static void must(bool good, const char *what)
{
    if (good)
        return;
    dprintf(STDERR_FILENO, "looper: %s: %s\n", what, strerror(errno));
    _exit(99);
}

static void on_term(int number)
{
    (void)number;
    ending = 1;
}

static bool is(const char *way, const char *name)
{
    return strcmp(way, name) == 0;
}

static void add(int set, int fd, uint32_t events, int serial)
{
    struct epoll_event event = {.events = events, .data.u32 = (uint32_t)serial};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0)
        dprintf(STDOUT_FILENO, "failed\n");
}

static void enter(const char *way, int fd, int serial)
{
    uint32_t events = EPOLLIN | EPOLLOUT;
    if (is(way, "edge"))
        events |= EPOLLET;
    if (is(way, "exclusive"))
        events |= EPOLLEXCLUSIVE;
    if (is(way, "oneshot"))
        events |= EPOLLONESHOT;
    twin_of[serial] = is(way, "duplicate") ? dup(fd) : -1;
    add(sets[0], twin_of[serial] >= 0 ? twin_of[serial] : fd, events, serial);
    if (is(way, "two"))
        add(sets[1], fd, events, serial);
}

/* Once there is something to be read, which is left unread. */
static void answer(const char *way, int serial)
{
    char byte;
    int fd = number_of[serial];
    must(recv(fd, &byte, 1, MSG_PEEK) == 1, "recv");
    must(write(fd, "Hello.", 6) == 6, "write");
    if (is(way, "removed"))
        must(epoll_ctl(sets[0], EPOLL_CTL_DEL, fd, NULL) == 0, "EPOLL_CTL_DEL");
    if (twin_of[serial] >= 0)
        must(close(twin_of[serial]) == 0, "close");
    must(close(fd) == 0, "close");
    number_of[serial] = -1;
}

/* How many events there are of connections that are closed. */
static int look_into(int set, int timeout)
{
    struct epoll_event events[16];
    int count = epoll_wait(set, events, 16, timeout);
    int stale = 0;
    for (int i = 0; i < count; i++)
        stale += number_of[events[i].data.u32] < 0;
    return stale;
}

static void say_stale(int count)
{
    if (count > 0)
        dprintf(STDOUT_FILENO, "stale\n");
}

static void wait_for_input(const char *way, int fd)
{
    fd_set readable;
    FD_ZERO(&readable);
    FD_SET(fd, &readable);
    if (is(way, "select"))
        must(select(fd + 1, &readable, NULL, NULL, NULL) == 1, "select");
    else
        must(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1) == 1, "poll");
}

static void serve(int listener, const char *way)
{
    int fd = accept(listener, NULL, NULL);
    int serial = made++;
    must(fd >= 0 && serial < MOST, "accept");
    number_of[serial] = fd;
    if (!is(way, "poll") && !is(way, "select"))
        enter(way, fd, serial);
    else
        twin_of[serial] = -1;
    wait_for_input(way, fd);
    answer(way, serial);
}

/* A connection may be closed between an event and the look at its number, but not twice. */
static pid_t fork_waiter(void)
{
    pid_t child = fork();
    if (child != 0)
        return child;
    signal(SIGTERM, SIG_DFL);
    for (;;)
        if (look_into(sets[0], 10) > 0)
            say_stale(look_into(sets[0], 10));
}

int main(int argc, char **argv)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    struct sigaction action = {.sa_handler = on_term};
    pid_t child = -1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    must(argc >= 3, "usage");
    number_of =
        mmap(NULL, MOST * sizeof *number_of, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(number_of != MAP_FAILED, "mmap");
    sigaction(SIGTERM, &action, NULL);
    must(bind(listener, (struct sockaddr *)&at, sizeof at) == 0 && listen(listener, SOMAXCONN) == 0,
         "listen");
    must(getsockname(listener, (struct sockaddr *)&at, &size) == 0, "getsockname");
    for (int i = 0; i < 2; i++)
        must((sets[i] = epoll_create1(EPOLL_CLOEXEC)) >= 0, "epoll_create1");
    if (is(argv[2], "forked"))
        child = fork_waiter();
    dprintf(STDOUT_FILENO, "port %u\n", ntohs(at.sin_port));
    for (int i = 0; i < atoi(argv[1]); i++) // NOLINT(cert-err34-c)
        serve(listener, argv[2 + i % (argc - 2)]);
    dprintf(STDOUT_FILENO, "done %d\n", made);
    while (!ending) {
        say_stale(look_into(sets[0], 10));
        say_stale(look_into(sets[1], 10));
    }
    if (child > 0) {
        kill(child, SIGTERM);
        waitpid(child, NULL, 0);
    }
    dprintf(STDOUT_FILENO, "end\n");
    return 0;
}
