/*
 * A server that closes its connections where no preload library can see it:
 *
 *     unseen inline|ring [hold]
 *
 * inline: by a system call instruction of its own. ring: by io_uring (IORING_OP_CLOSE). Prints "port N";
 * answers each connection with "Hello." and closes it. hold: keeps the first one open.
 */
#include "../../shim/kept/raw.h"

#include <arpa/inet.h>
#include <err.h>
#include <linux/io_uring.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static void close_inline(int fd)
{
    raw_call(SYS_close, fd, 0, 0, 0, 0, 0);
}

/* The smallest ring: one entry, submitted and waited for in one call (io_uring_enter(2)). */
static struct {
    int fd;
    struct io_uring_params params;
    struct io_uring_sqe *entries;
    char *submission;
    char *completion;
} ring;

static void *map(size_t size, off_t what)
{
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, ring.fd, what);
    if (at == MAP_FAILED)
        err(99, "mmap");
    return at;
}

static void open_ring(void)
{
    ring.fd = (int)raw_call(SYS_io_uring_setup, 1, (long)&ring.params, 0, 0, 0, 0);
    if (ring.fd < 0)
        errx(99, "io_uring_setup: %s", strerror(-ring.fd));
    ring.submission =
        map(ring.params.sq_off.array + ring.params.sq_entries * sizeof(unsigned), IORING_OFF_SQ_RING);
    ring.completion = map(ring.params.cq_off.cqes + ring.params.cq_entries * sizeof(struct io_uring_cqe),
                          IORING_OFF_CQ_RING);
    ring.entries = map(ring.params.sq_entries * sizeof(struct io_uring_sqe), IORING_OFF_SQES);
}

static void close_by_ring(int fd)
{
    _Atomic unsigned *tail = (void *)(ring.submission + ring.params.sq_off.tail);
    _Atomic unsigned *head = (void *)(ring.completion + ring.params.cq_off.head);
    memset(ring.entries, 0, sizeof *ring.entries);
    ring.entries->opcode = IORING_OP_CLOSE;
    ring.entries->fd = fd;
    *(unsigned *)(void *)(ring.submission + ring.params.sq_off.array) = 0;
    atomic_fetch_add(tail, 1);
    raw_call(SYS_io_uring_enter, ring.fd, 1, 1, IORING_ENTER_GETEVENTS, 0, 0);
    atomic_fetch_add(head, 1);
}

int main(int argc, char **argv)
{
    if (argc < 2)
        errx(2, "usage: unseen inline|ring [hold]");
    const int by_ring = strcmp(argv[1], "ring") == 0;
    int hold = argc > 2;
    if (by_ring)
        open_ring();
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    if (bind(listener, (struct sockaddr *)&name, size) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &size) != 0)
        err(99, "listen");
    printf("port %d\n", ntohs(name.sin_port));
    fflush(stdout);
    for (int i = 0; i < 1000; i++) {
        int fd = accept(listener, NULL, NULL);
        if (write(fd, "Hello.", 6) != 6)
            err(99, "write");
        if (hold) {
            hold = 0;
            continue;
        }
        if (by_ring)
            close_by_ring(fd);
        else
            close_inline(fd);
    }
    return 0;
}
