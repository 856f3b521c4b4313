/*
 * Threads that accept, answer and close as fast as they can, while a signal handler, in whichever of them the signal
 * comes to, closes what they have left to it:
 *
 *     closing CONNECTIONS
 *
 * Half of the threads serve, the others are the peers. Prints "N fin, M rst, K other, S sockets": how the peers saw the
 * ends, and how many sockets are open when all have ended, which is the listener. A handler that comes in the middle of
 * a wait closes what nobody shows to be closed: the time of these runs out.
 */
#include "asking.h"

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

enum { THREADS = 8, LEAVE_EVERY = 32, PERIOD = 300 /* microseconds */, MOST_FDS = 1024 };

static int listener;
static atomic_int to_serve;
static atomic_int left_to_handler = -1;

static void close_what_is_left(int number)
{
    const int saved = errno;
    const int fd = atomic_exchange(&left_to_handler, -1);
    (void)number;
    if (fd >= 0)
        close(fd);
    errno = saved;
}

static void *serve(void *unused)
{
    int i;
    while ((i = atomic_fetch_sub(&to_serve, 1)) > 0) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0)
            err(99, "accept");
        if (write(fd, "Hello.", ANSWER) != ANSWER)
            err(99, "write");
        if (i % LEAVE_EVERY == 0)
            fd = atomic_exchange(&left_to_handler, fd);
        if (fd >= 0)
            close(fd);
    }
    return unused;
}

static int sockets(void)
{
    struct stat status;
    int count = 0;
    for (int fd = 0; fd < MOST_FDS; fd++)
        count += fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
    return count;
}

static void set_timer(int microseconds)
{
    const struct itimerval timer = {.it_interval.tv_usec = microseconds, .it_value.tv_usec = microseconds};
    if (setitimer(ITIMER_REAL, &timer, NULL) != 0)
        err(99, "setitimer");
}

int main(int argc, char **argv)
{
    sigset_t alarm;
    pthread_t threads[2 * THREADS];
    socklen_t size = sizeof name;
    const struct sigaction action = {.sa_handler = close_what_is_left, .sa_flags = SA_RESTART};
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&name, size) != 0 || listen(listener, 128) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &size) != 0 || sigaction(SIGALRM, &action, NULL) != 0)
        err(99, "listen");
    to_serve = to_ask = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 1000;
    for (int i = 0; i < 2 * THREADS; i++)
        if (pthread_create(&threads[i], NULL, i % 2 ? serve : ask, NULL) != 0)
            errx(99, "pthread_create");
    sigemptyset(&alarm);
    sigaddset(&alarm, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm, NULL); /* this thread only waits */
    set_timer(PERIOD);
    for (int i = 0; i < 2 * THREADS; i++)
        pthread_join(threads[i], NULL);
    set_timer(0);
    close_what_is_left(SIGALRM);
    usleep(1); /* now this thread has gone on */
    printf("%d fin, %d rst, %d other, %d sockets\n", fins, resets, others, sockets());
    return resets + others > 0;
}
