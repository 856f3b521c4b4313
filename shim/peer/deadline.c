#include "deadline.h"

#include "fail.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

short wait_for(int fd, short want, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_ns();
        if (left <= 0)
            return 0;
        struct pollfd p = {.fd = fd, .events = want};
        /* Rounded up, or the last millisecond would be spent in a busy loop. */
        int n = poll(&p, 1, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
        if (n > 0)
            return p.revents;
        if (n < 0 && errno != EINTR)
            fail(EXIT_UNCONNECTED, "poll: %s", strerror(errno));
    }
}

static void give_up(int signal)
{
    (void)signal;
    static const char text[] = "truefin peer: time-out in a name lookup or a write\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(EXIT_TIMEOUT);
}

void guard_blocking_calls(unsigned timeout_ms)
{
    enum { GRACE_MS = 250 };
    unsigned ms = timeout_ms + GRACE_MS;
    struct sigaction action = {.sa_handler = give_up};
    struct itimerval timer = {.it_value = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}
