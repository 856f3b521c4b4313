/*
 * options SEED COUNT: COUNT random calls of setsockopt and getsockopt for SO_LINGER, by name and by number,
 * with usual and odd values, sizes and pointers, on all kinds of descriptors that come, are shared, and go
 * meanwhile. Prints what each of them answers. With a library that stands in between, it must print the same
 * as without.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

enum { SLOTS = 12, BACKLOG = 64 };

/* What this program knows of a descriptor: answers may depend on how the other side has ended. */
enum kind { OTHER, FRESH, LISTENER, CONNECTED };

static int slots[SLOTS]; /* descriptors, or -1 */
static enum kind kinds[SLOTS];
static uint64_t state;
static unsigned serial; /* of the operation */

static unsigned below(unsigned limit)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(state >> 33) % limit;
}

#define ANY(list) ((list)[below(sizeof(list) / sizeof *(list))])

/* --- Memory: usual, read-only, at the end of what there is, and none --- */

static char *page; /* written at will; behind it nothing */
static char *constant;

static void get_memory(void)
{
    const size_t size = (size_t)sysconf(_SC_PAGESIZE);
    page = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    constant = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED || constant == MAP_FAILED || mprotect(page + size, size, PROT_NONE) != 0)
        err(99, "memory");
    memset(constant, 4, size);
    mprotect(constant, size, PROT_READ);
    page += size;
}

/* Where a value goes to or comes from; some are not aligned, some have room for half of it only. */
static char *any_place(void)
{
    switch (below(24)) {
    case 0:
        return NULL;
    case 1:
        return (char *)8; // NOLINT(performance-no-int-to-ptr)
    case 2:
        return (char *)UINTPTR_MAX - 3; // NOLINT(performance-no-int-to-ptr)
    case 3:
        return page - 4;
    case 4:
        return constant + 16;
    case 5:
        return page - 8;
    case 6:
        return page - 33;
    default:
        return page - 64;
    }
}

/* Can SIZE bytes be written there? */
static bool has_room(const char *place, size_t size)
{
    return place >= page - 128 && place <= page - size;
}

static socklen_t any_size(void)
{
    static const socklen_t sizes[] = {0,  1,  2,  3,    4,       5,        7,          9,
                                      12, 16, 64, 4096, INT_MAX, UINT_MAX, 0x80000000U};
    return below(3) ? sizeof(struct linger) : ANY(sizes);
}

/* 21076 and its like are times by which the library marks what it releases. */
static struct linger any_linger(void)
{
    static const int switches[] = {0, 0, 1, 1, 1, 1, 2, -1, 256, 65536, INT_MAX, INT_MIN};
    static const int seconds[] = {0,           0,          0,       1,     5,     60,    21075,   21076,
                                  21077,       21078,      21079,   32767, 65535, 65536, 1 << 20, 2097153,
                                  INT_MAX / 2, 2147483646, INT_MAX, -1,    -2,    -100,  INT_MIN};
    return (struct linger){.l_onoff = ANY(switches), .l_linger = ANY(seconds)};
}

/* --- Descriptors --- */

static int any_descriptor(void)
{
    static const int odd[] = {-1, -2, INT_MAX, INT_MIN, STDOUT_FILENO, 1023, 1 << 20};
    return below(16) ? slots[below(SLOTS)] : ANY(odd);
}

/* Gives it a place, from which another one may have to go. The close of one that lingers must not wait. */
static void keep(int fd, enum kind kind)
{
    unsigned place = below(SLOTS);
    int *slot = &slots[place];
    const struct linger none = {0};
    if (*slot >= 0) {
        if (below(2))
            setsockopt(*slot, SOL_SOCKET, SO_LINGER, &none, sizeof none);
        if (below(4))
            close(*slot);
        else
            syscall(SYS_close, *slot);
    }
    *slot = fd;
    kinds[place] = kind;
}

static int tcp(int protocol)
{
    return below(2) ? socket(AF_INET, SOCK_STREAM, protocol)
                    : (int)syscall(SYS_socket, AF_INET, SOCK_STREAM, protocol);
}

static void make_listener(void)
{
    int fd = tcp(below(4) ? 0 : IPPROTO_MPTCP);
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof name) != 0 || listen(fd, BACKLOG) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
        err(99, "listener");
    keep(fd, LISTENER);
}

/* After a shutdown(2) it is none any more. */
static bool is_listener(int slot)
{
    int listens = 0;
    socklen_t size = sizeof listens;
    return kinds[slot] == LISTENER &&
           getsockopt(slots[slot], SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens;
}

/* A new socket, which may have a linger already, goes to the first listener that there is. */
static void make_client(void)
{
    struct sockaddr_in name = {0};
    socklen_t size = sizeof name;
    int fd = tcp(0);
    enum kind kind = FRESH;
    const struct linger linger = any_linger();
    if (below(3) == 0)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    for (int i = 0; i < SLOTS; i++)
        if (is_listener(i) && getsockname(slots[i], (struct sockaddr *)&name, &size) == 0 &&
            name.sin_family == AF_INET) {
            if (connect(fd, (struct sockaddr *)&name, size) != 0)
                err(99, "connect");
            kind = CONNECTED;
            break;
        }
    keep(fd, kind);
}

static void take_client(void)
{
    for (int i = 0; i < SLOTS; i++)
        if (is_listener(i)) {
            int fd =
                below(2) ? accept(slots[i], NULL, NULL) : (int)syscall(SYS_accept4, slots[i], NULL, NULL, 0);
            if (fd >= 0)
                keep(fd, CONNECTED);
            printf(" %s", fd >= 0 ? "one" : "none");
            return;
        }
}

static void make_other(void)
{
    int pair[2];
    switch (below(4)) {
    case 0:
        keep(socket(AF_INET, SOCK_DGRAM, 0), OTHER);
        break;
    case 1:
        keep(open("/dev/null", O_RDWR), OTHER);
        break;
    case 2:
        keep(socket(AF_INET6, SOCK_STREAM, 0), OTHER);
        break;
    default:
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
            err(99, "socketpair");
        keep(pair[0], OTHER);
        keep(pair[1], OTHER);
    }
}

static void duplicate(void)
{
    unsigned from = below(SLOTS);
    unsigned onto = below(SLOTS);
    if (below(3)) {
        int fd = below(2) ? dup(slots[from]) : fcntl(slots[from], F_DUPFD_CLOEXEC, 0);
        if (fd >= 0)
            keep(fd, kinds[from]);
    } else if (slots[from] >= 0 && slots[onto] >= 0) {
        dup2(slots[from], slots[onto]);
        kinds[onto] = kinds[from];
    }
}

/* The descriptor of a connection goes through a Unix socket, back to this process. */
static void pass(void)
{
    int pair[2];
    unsigned from = below(SLOTS);
    int fd = slots[from];
    char byte = 0;
    char control[CMSG_SPACE(sizeof fd)] = {0};
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {
        .msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *part = CMSG_FIRSTHDR(&message);
    if (kinds[from] != CONNECTED || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
        return;
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(part), &fd, sizeof fd);
    if (sendmsg(pair[0], &message, 0) != 1 || recvmsg(pair[1], &message, 0) != 1)
        err(99, "pass");
    memcpy(&fd, CMSG_DATA(part), sizeof fd);
    close(pair[0]);
    close(pair[1]);
    keep(fd, CONNECTED);
}

static void change(void)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    unsigned slot = below(SLOTS);
    int fd = slots[slot];
    switch (below(3)) {
    case 0:
        shutdown(fd, (int)below(3));
        break;
    case 1:
        (void)connect(fd, &nowhere, sizeof nowhere);
        if (kinds[slot] == CONNECTED)
            kinds[slot] = OTHER;
        break;
    default:
        if (kinds[slot] == FRESH && listen(fd, -1) == 0 && fcntl(fd, F_SETFL, O_NONBLOCK) == 0)
            kinds[slot] = LISTENER;
    }
}

/* --- The two calls --- */

static void told(long result)
{
    printf(" %ld %s", result, result < 0 ? strerrorname_np(errno) : "-");
}

static void set(int fd)
{
    const struct linger linger = any_linger();
    char *value = any_place();
    socklen_t size = any_size();
    int level = below(20) ? SOL_SOCKET : SOL_SOCKET + 4;
    if (has_room(value, sizeof linger))
        memcpy(value, &linger, sizeof linger);
    printf(" {%d,%d} size %u", linger.l_onoff, linger.l_linger, size);
    told(below(2) ? setsockopt(fd, level, SO_LINGER, value, size)
                  : syscall(SYS_setsockopt, fd, level, SO_LINGER, value, size));
}

static char *any_place_for_size(char *value)
{
    switch (below(12)) {
    case 0:
        return any_place();
    case 1:
        return value + 4; /* they overlap: the size is written last */
    case 2:
        return page - 97;
    default:
        return page - 128;
    }
}

/* What EFAULT leaves behind is nobody's to rely on. */
static void get(int fd)
{
    static const char fresh[16] = "abcdefghijklmnop";
    struct {
        int first, second;
    } seen;
    char *value = any_place();
    char *at = any_place_for_size(value);
    socklen_t size = any_size();
    if (has_room(value, sizeof seen))
        memcpy(value, fresh, sizeof seen);
    if (has_room(at, sizeof size))
        memcpy(at, &size, sizeof size);
    else
        size = 0;
    printf(" size %u", size);
    socklen_t *pointer = (void *)at;
    long result = below(2) ? getsockopt(fd, SOL_SOCKET, SO_LINGER, value, pointer)
                           : syscall(SYS_getsockopt, fd, SOL_SOCKET, SO_LINGER, value, pointer);
    told(result);
    if (result != 0 && errno == EFAULT)
        return;
    if (has_room(value, sizeof seen)) {
        memcpy(&seen, value, sizeof seen);
        printf(" {%d,%d}", seen.first, seen.second);
    }
    if (result == 0) {
        memcpy(&size, at, sizeof size);
        printf(" size %u", size);
    }
}

/* A child reads what this process has set, and sets some of its own. */
static void fork_child(void)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        get(any_descriptor());
        int own = tcp(0);
        for (int i = 0; i < 4; i++) {
            set(own);
            get(own);
        }
        fflush(stdout);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void operate(void)
{
    unsigned kind = below(32);
    printf("%u: %u", serial++, kind);
    errno = 0;
    switch (kind) {
    case 0:
        make_listener();
        break;
    case 1:
    case 2:
        make_client();
        break;
    case 3:
    case 4:
        take_client();
        break;
    case 5:
        make_other();
        break;
    case 6:
        duplicate();
        break;
    case 7:
        change();
        break;
    case 8:
        pass();
        break;
    case 9:
        fork_child();
        break;
    default:
        if (kind < 20)
            set(any_descriptor());
        else
            get(any_descriptor());
    }
    printf("\n");
}

/* What all have at the end. */
static void summary(void)
{
    for (int i = 0; i < SLOTS; i++) {
        struct linger linger = {-1, -1};
        socklen_t size = sizeof linger;
        told(getsockopt(slots[i], SOL_SOCKET, SO_LINGER, &linger, &size));
        printf(" {%d,%d}\n", linger.l_onoff, linger.l_linger);
    }
}

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    state = strtoul(arguments[1], NULL, 10);
    get_memory();
    for (int i = 0; i < SLOTS; i++)
        slots[i] = -1;
    for (unsigned i = (unsigned)strtoul(arguments[2], NULL, 10); i > 0; i--)
        operate();
    summary();
    return 0;
}
