/*
 * What lingering costs a server. A child is the client: its connections are not accepted ones, so a policy
 * for "accepted" leaves it alone. Clients hold their ends open, so all that the server closes lingers.
 *
 *     linger close N [BYTES]   closes N connections, then times the close of N more
 *     linger loop N [BYTES]    an epoll echo server: round trips before, the turn in which it closes N
 * connections, and round trips after it, with a byte sent on one of the N for each
 *
 * With BYTES so many are written to each before it is closed, which the client, with a small buffer, does not read: for
 * flush-rst.
 *
 * Prints one "NAME NUMBER" a line: times in microseconds, memory in KiB. Ends with 1 on any error.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 20000, TRIPS = 2000 };

static int ends[2 * MOST]; /* the server's or the client's */
static double times[2 * MOST];
static int bytes;

static void must(bool good, const char *what)
{
    if (good)
        return;
    perror(what);
    exit(1);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, int count)
{
    qsort(times, (size_t)count, sizeof *times, ascending);
    printf("%s_median %.1f\n%s_p99 %.1f\n%s_max %.1f\n", name, times[count / 2], name,
           times[count * 99 / 100], name, times[count - 1]);
}

/* "VmRSS:  1234 kB" in /proc/self/status, or "Slab:" in /proc/meminfo. */
static long kilobytes(const char *path, const char *name)
{
    char line[256];
    long value = -1;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        err(1, "%s", path);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            value = strtol(line + strlen(name), NULL, 10);
    fclose(file);
    return value;
}

static void report_descriptors(const char *name)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    must(directory != NULL, "/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    printf("%s %d\n", name, count);
}

static void report_memory(const char *when)
{
    printf("process_%s %ld\n", when, kilobytes("/proc/self/status", "VmRSS:"));
    printf("kernel_%s %ld\n", when, kilobytes("/proc/meminfo", "Slab:"));
}

static int listen_anywhere(struct sockaddr_in *at)
{
    socklen_t size = sizeof *at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    must(fd >= 0 && bind(fd, (struct sockaddr *)at, sizeof *at) == 0 && listen(fd, SOMAXCONN) == 0, "listen");
    must(getsockname(fd, (struct sockaddr *)at, &size) == 0, "getsockname");
    return fd;
}

static void connect_all(const struct sockaddr_in *to, int count)
{
    const int yes = 1;
    const int little = 1;
    for (int i = 0; i < count; i++) {
        ends[i] = socket(AF_INET, SOCK_STREAM, 0);
        if (bytes > 0)
            setsockopt(ends[i], SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
        must(connect(ends[i], (const struct sockaddr *)to, sizeof *to) == 0, "connect");
        setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
}

static void accept_all(int listener, int count)
{
    const int yes = 1;
    for (int i = 0; i < count; i++) {
        ends[i] = accept(listener, NULL, NULL);
        must(ends[i] >= 0, "accept");
        setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    }
}

/* What the kernel takes at once. */
static void fill(int first, int last)
{
    static char block[1 << 16];
    for (int i = first; bytes > 0 && i <= last; i++)
        must(send(ends[i], block, (size_t)bytes, MSG_DONTWAIT) == bytes, "send");
}

static void time_closes(int listener, int count)
{
    accept_all(listener, 2 * count);
    fill(0, 2 * count - 1);
    for (int i = 0; i < count; i++)
        close(ends[i]);
    for (int i = 0; i < count; i++) {
        double before = now();
        close(ends[count + i]);
        times[i] = now() - before;
    }
    report("close", count);
    report_descriptors("close_descriptors");
}

/* The server's loop. Connection 0 is the one that is echoed; 'c' on it closes all others. */
static void echo(int listener, int count)
{
    struct epoll_event event = {.events = EPOLLIN};
    char byte;
    int set = epoll_create1(0);
    accept_all(listener, count + 1);
    for (int i = 0; i <= count; i++) {
        event.data.fd = ends[i];
        must(epoll_ctl(set, EPOLL_CTL_ADD, ends[i], &event) == 0, "epoll_ctl");
    }
    fill(1, count);
    report_memory("before");
    while (epoll_wait(set, &event, 1, -1) == 1) {
        must(event.data.fd == ends[0], "an event of a closed connection");
        if (read(ends[0], &byte, 1) != 1)
            return;
        for (int i = 1; byte == 'c' && i <= count; i++)
            close(ends[i]);
        must(write(ends[0], &byte, 1) == 1, "write");
        if (byte == 'c')
            report_memory("after");
        if (byte == 'c')
            report_descriptors("descriptors");
    }
}

static void trip(char byte)
{
    must(write(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1, "echo");
}

static void time_trips(const char *name, int others)
{
    for (int i = 0; i < TRIPS; i++) {
        double before;
        if (others && write(ends[1 + i % others], "x", 1) < 0)
            continue; /* without lingering it is reset */
        before = now();
        trip('.');
        times[i] = now() - before;
    }
    report(name, TRIPS);
}

static void probe(int count)
{
    double before;
    time_trips("before", 0);
    before = now();
    trip('c');
    printf("turn %.1f\n", now() - before);
    time_trips("after", count);
}

int main(int argc, char **argv)
{
    struct sockaddr_in at;
    struct rlimit limit;
    int count = argc >= 3 ? atoi(argv[2]) : 0; // NOLINT(cert-err34-c)
    bool loop = argc >= 3 && strcmp(argv[1], "loop") == 0;
    int listener = 0;
    int status = 0;
    pid_t client = 0;

    bytes = argc > 3 ? atoi(argv[3]) : 0; // NOLINT(cert-err34-c)
    must(count > 0 && count <= MOST && bytes <= 1 << 16, "usage: linger close|loop COUNT [BYTES]");
    must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "RLIMIT_NOFILE");
    limit.rlim_cur = limit.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "RLIMIT_NOFILE");
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, _IOLBF, 0);
    listener = listen_anywhere(&at);
    client = fork();
    if (client == 0) {
        connect_all(&at, loop ? count + 1 : 2 * count);
        if (loop)
            probe(count);
        else
            pause();
        return 0;
    }
    if (loop)
        echo(listener, count);
    else
        time_closes(listener, count);
    if (!loop)
        kill(client, SIGKILL);
    waitpid(client, &status, 0);
    return loop && status != 0;
}
