/*
 * When does a server's FIN arrive?
 *
 *     bench-fin ask PORT COUNT CLIENTS REQUEST   so many connections, from so many processes at once: each sends the
 *                                                request and reads to the end. Prints the medians and the 99th
 *                                                percentiles, in microseconds, of the times from the answer to its end,
 *                                                and from the request to it
 *     bench-fin threads                          a server with a thread for each connection, which ends after its close
 *     bench-fin pool                             a server whose threads wait for work on a condition
 *
 * The servers say "port N", answer a byte to each request, and close. Ends with 1 on any error.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { POOL = 8, QUEUE = 1024, MOST = 100000 };

struct trip {
    double end;   /* from the answer to the FIN */
    double whole; /* from the request to the FIN */
};

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e6 + (double)time.tv_nsec / 1e3;
}

static struct trip ask(const struct sockaddr_in *to, const char *request)
{
    const int yes = 1;
    char data[4096];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof *to) != 0)
        err(1, "connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const double start = now();
    if (write(fd, request, strlen(request)) < 0)
        err(1, "write");
    double answer = 0;
    ssize_t got;
    while ((got = read(fd, data, sizeof data)) > 0)
        answer = now();
    if (got < 0 || answer == 0)
        err(1, "read");
    const double end = now();
    close(fd);
    return (struct trip){end - answer, end - start};
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, double *times, int count)
{
    qsort(times, (size_t)count, sizeof *times, ascending);
    printf("%s %.2f %.2f\n", name, times[count / 2], times[count * 99 / 100]);
}

static void ask_all(int port, int count, int clients, const char *request)
{
    static double ends[MOST];
    static double wholes[MOST];
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((in_port_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int out[2];
    if (count > MOST || clients < 1 || pipe(out) != 0)
        errx(1, "pipe");
    for (int i = 0; i < clients; i++) {
        if (fork() != 0)
            continue;
        for (int left = count / clients; left > 0; left--) {
            const struct trip trip = ask(&to, request);
            if (write(out[1], &trip, sizeof trip) != sizeof trip)
                _exit(1);
        }
        _exit(0);
    }
    close(out[1]);
    int had = 0;
    for (struct trip trip; had < count && read(out[0], &trip, sizeof trip) == sizeof trip; had++) {
        ends[had] = trip.end;
        wholes[had] = trip.whole;
    }
    if (had != count / clients * clients)
        errx(1, "a client failed");
    report("end", ends, had);
    report("whole", wholes, had);
    while (wait(NULL) > 0)
        ;
}

static void answer(int fd)
{
    char byte;
    if (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) != 1)
        err(1, "write");
    close(fd);
}

static void *answer_one(void *fd)
{
    answer((int)(intptr_t)fd);
    return NULL;
}

static struct {
    pthread_mutex_t lock;
    pthread_cond_t some;
    int fds[QUEUE];
    unsigned head, tail;
} work = {.lock = PTHREAD_MUTEX_INITIALIZER, .some = PTHREAD_COND_INITIALIZER};

static void *answer_many(void *unused)
{
    (void)unused;
    for (;;) {
        pthread_mutex_lock(&work.lock);
        while (work.head == work.tail)
            pthread_cond_wait(&work.some, &work.lock);
        const int fd = work.fds[work.head++ % QUEUE];
        pthread_mutex_unlock(&work.lock);
        answer(fd);
    }
    return NULL;
}

static void give(int fd, bool pool)
{
    if (!pool) {
        pthread_t thread;
        void *number = (void *)(intptr_t)fd; /* NOLINT(performance-no-int-to-ptr): it is none */
        if (pthread_create(&thread, NULL, answer_one, number) != 0)
            errx(1, "pthread_create");
        pthread_detach(thread);
        return;
    }
    pthread_mutex_lock(&work.lock);
    work.fds[work.tail++ % QUEUE] = fd;
    pthread_cond_signal(&work.some);
    pthread_mutex_unlock(&work.lock);
}

static void serve(bool pool)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    const int yes = 1;
    const int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&at, size) != 0 || listen(listener, SOMAXCONN) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0)
        err(1, "listen");
    printf("port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (int i = 0; pool && i < POOL; i++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, answer_many, NULL) != 0)
            errx(1, "pthread_create");
    }
    for (;;) {
        const int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            err(1, "accept");
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        give(fd, pool);
    }
}

int main(int argc, char **argv)
{
    if (argc == 6 && strcmp(argv[1], "ask") == 0)
        ask_all(atoi(argv[2]), atoi(argv[3]), atoi(argv[4]), argv[5]);
    else if (argc == 2)
        serve(strcmp(argv[1], "pool") == 0);
    else
        errx(2, "see fin.c");
    return 0;
}
