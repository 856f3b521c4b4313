/* The peers of a server of many threads: threads that ask it, and count how its answers end. */
#ifndef ASKING_H
#define ASKING_H

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum { ANSWER = 6 }; /* bytes */

static struct sockaddr_in name = {.sin_family = AF_INET};
static atomic_int to_ask;
static atomic_int fins, resets, others;

/*
 * Reads all. Returns 0 at the FIN, -1 with errno set at another end. A connection that is reset before
 * connect has returned is reported by connect itself: made and over, not refused.
 */
static ssize_t read_all(int fd, ssize_t *all)
{
    char answer[2 * ANSWER];
    ssize_t got = connect(fd, (struct sockaddr *)&name, sizeof name);
    if (got != 0 && errno != ECONNRESET)
        err(99, "connect");
    while (got >= 0 && (got = read(fd, answer, sizeof answer)) > 0)
        *all += got;
    return got;
}

static void ask_once(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ssize_t all = 0;
    const ssize_t got = read_all(fd, &all);
    if (got == 0 && all == ANSWER)
        atomic_fetch_add(&fins, 1);
    else if (got < 0 && errno == ECONNRESET)
        atomic_fetch_add(&resets, 1);
    else
        atomic_fetch_add(&others, 1);
    close(fd);
}

static void *ask(void *unused)
{
    while (atomic_fetch_sub(&to_ask, 1) > 0)
        ask_once();
    return unused;
}

#endif
