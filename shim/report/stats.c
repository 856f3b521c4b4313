#include "report/stats.h"

#include "config.h"
#include "connection/counters.h"
#include "keep_errno.h"
#include "libc.h"
#include "marker.h"
#include "own_calls.h"
#include "text.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE = 1000, STAT_SIZE = 1024, START_FIELD = 22 };

static struct {
    uint64_t image;              /* when this program was executed */
    _Atomic(struct page *) page; /* the one that is mapped, also if it is the parent's still */
    _Atomic bool making;
    bool sidecar;
    char program[PAGE_PROGRAM];
    char path[PATH_MAX]; /* the directory: programs write over their environment (setproctitle) */
} stats COLD;

const char *stats_refuses(const char *path)
{
    struct stat now;
    if (stat(path, &now) != 0)
        return strerror(errno);
    if (!S_ISDIR(now.st_mode))
        return "no directory";
    if ((now.st_mode & (S_IWGRP | S_IWOTH)) && !(now.st_mode & S_ISVTX))
        return "others can write there, and it is not sticky";
    return now.st_uid == 0 || now.st_uid == geteuid() ? NULL : "it belongs to another user";
}

void stats_open(const char *program, bool sidecar)
{
    struct timespec now;
    const char *name = program ? program : program_invocation_short_name;
    if (!config.stats || strlen(config.stats) >= sizeof stats.path)
        return;
    clock_gettime(CLOCK_MONOTONIC, &now);
    memcpy(stats.path, config.stats, strlen(config.stats) + 1);
    memcpy(stats.program, name, strnlen(name, sizeof stats.program - 1));
    stats.image = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    stats.sidecar = sidecar;
    counters_begin();
}

static void put_long(struct text *text, uint64_t number)
{
    char digits[3 * sizeof number];
    size_t count = 0;
    do
        digits[count++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    while (count > 0)
        text_char(text, digits[--count]);
}

/* Field 22 of /proc/self/stat (proc(5)); the second one is a name, which may hold anything. 0 if it is not to be had. */
static uint64_t start_of_self(void)
{
    char text[STAT_SIZE] = {0};
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    const ssize_t size = own_read(fd, text, sizeof text - 1);
    real(close)(fd);
    text[size > 0 ? size : 0] = '\0';
    const char *at = strrchr(text, ')');
    for (int field = 2; at && field < START_FIELD; field++)
        at = strchr(at + 1, ' ');
    uint64_t start = 0;
    for (at = at ? at + 1 : ""; *at >= '0' && *at <= '9'; at++)
        start = start * 10 + (uint64_t)(*at - '0');
    return start;
}

static void fill(struct page *page)
{
    struct stat namespace = {.st_ino = 0};
    *page = (struct page){.magic = PAGE_MAGIC,
                          .version = PAGE_VERSION,
                          .size = sizeof *page,
                          .events = EVENTS,
                          .endings = ENDINGS,
                          .causes = CAUSES,
                          .is_sidecar = stats.sidecar,
                          .is_watched = config.watched,
                          .state = marker_is_off()   ? PAGE_OFF
                                   : config.observes ? PAGE_OBSERVING
                                   : config.watched  ? PAGE_WATCHED
                                                     : PAGE_ON,
                          .pid = getpid(),
                          .uid = geteuid(),
                          .start = start_of_self(),
                          .made = time(NULL)};
    if (stat("/proc/self/ns/pid", &namespace) == 0)
        page->pid_namespace = namespace.st_ino;
    memcpy(page->program, stats.program, sizeof page->program);
}

static int open_page(const struct page *page)
{
    char path[PATH_MAX + 64];
    struct text name = text_begin(path, sizeof path);
    text_put(&name, stats.path);
    text_char(&name, '/');
    text_number(&name, (unsigned)page->pid, 10);
    text_char(&name, '-');
    put_long(&name, page->start);
    text_char(&name, '-');
    put_long(&name, stats.image);
    text_end(&name);
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

/*
 * The file is written whole, so that a full disk is told now, and not by SIGBUS. The parent's page, which a fork child still
 * has, is mapped over.
 */
static struct page *map(void)
{
    static struct {
        struct page page;
        char rest[PAGE_BYTES - sizeof(struct page)];
    } blank COLD;
    struct page *before = atomic_load(&stats.page);
    fill(&blank.page);
    int fd = open_page(&blank.page);
    if (fd < 0)
        return NULL;
    void *page = MAP_FAILED;
    if (write(fd, &blank, sizeof blank) == (ssize_t)sizeof blank)
        page = mmap(before, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | (before ? MAP_FIXED : 0), fd, 0);
    real(close)(fd);
    return page == MAP_FAILED ? NULL : page;
}

static void make(void)
{
    struct page *page = map();
    if (page) {
        atomic_store(&stats.page, page);
        counters_move_to(page);
    } else {
        atomic_store(&counters_page, NULL);
    }
}

void stats_begin(void)
{
    bool none = false;
    if (!counters_wait())
        return;
    KEEP_ERRNO;
    if (atomic_compare_exchange_strong(&stats.making, &none, true)) {
        if (counters_wait())
            make();
        atomic_store(&stats.making, false);
        return;
    }
    /* Another thread makes it: or the one that this signal handler has interrupted. */
    for (int i = 0; i < PATIENCE && atomic_load(&stats.making); i++)
        real(syscall)(SYS_sched_yield);
}

void stats_new_process(pid_t pid)
{
    (void)pid;
    if (!config.stats)
        return;
    atomic_store(&stats.making, false);
    counters_begin();
}

void stats_moved(void)
{
    struct page *page = atomic_load(&counters_page);
    if (!page || counters_wait())
        return;
    const uint64_t open = atomic_exchange(&page->counters.open, 0);
    const uint64_t armed = atomic_exchange(&page->counters.armed, 0);
    atomic_store(&page->died, EVENT_EXIT + 1);
    counters_begin();
    COUNT_BY(open, open);
    COUNT_BY(armed, armed);
    stats_begin();
}

void stats_died(enum event event)
{
    struct page *page = atomic_load(&counters_page);
    if (!page || counters_wait())
        return;
    counters_move_to(page);
    atomic_store(&page->died, (uint8_t)(event + 1));
}

void stats_execs(bool does)
{
    struct page *page = atomic_load(&counters_page);
    if (page && !counters_wait())
        atomic_store(&page->execed, does);
}
