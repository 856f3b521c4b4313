#include "connection/epoll_sets.h"

#include "config.h"
#include "libc.h"
#include "process/ownership.h"

#include <errno.h>
#include <sys/epoll.h>

enum { SETS = 64 }; /* a program with more of them at once gets no lingering for what is in several */

/* Every set in which a connection was ever put. Never taken out: a number that is no set any more answers so.
 */
static _Atomic int sets[SETS] COLD; /* descriptor + 1; 0 is free */

static void remember(int set)
{
    for (int i = 0; i < SETS; i++) {
        int seen = 0;
        if (atomic_compare_exchange_strong(&sets[i], &seen, set + 1) || seen == set + 1)
            return;
    }
}

static void added(int set, struct connection *record)
{
    atomic_store(&record->set, set);
    atomic_fetch_add(&record->sets, 1);
    remember(set);
}

static void removed(struct connection *record)
{
    uint16_t count = atomic_load(&record->sets);
    while (count > 0 && !atomic_compare_exchange_weak(&record->sets, &count, (uint16_t)(count - 1)))
        ;
}

/* Done by the hook below this one: a library behind us may make the call by syscall(2). */
static __thread bool counted;

void epoll_begin(void)
{
    counted = false;
}

int epoll_changed(int set, int operation, int fd, int result)
{
    if (result != 0 || !config.lingers || operation == EPOLL_CTL_MOD || counted)
        return result;
    counted = true;
    struct connection *record = table_find(fd);
    if (record && tree_enter() && operation == EPOLL_CTL_ADD)
        added(set, record);
    else if (record && tree_enter())
        removed(record);
    return result;
}

HOOK int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    epoll_begin();
    return epoll_changed(set, operation, fd, real(epoll_ctl)(set, operation, fd, event));
}

bool epoll_forget(int fd, const struct connection *connection)
{
    int saved = errno;
    int last = atomic_load(&connection->set);
    unsigned left = atomic_load(&connection->sets);
    if (left > 0 && real(epoll_ctl)(last, EPOLL_CTL_DEL, fd, NULL) == 0)
        left--;
    for (int i = 0; left > 0 && i < SETS && atomic_load(&sets[i]); i++)
        if (atomic_load(&sets[i]) != last + 1 &&
            real(epoll_ctl)(atomic_load(&sets[i]) - 1, EPOLL_CTL_DEL, fd, NULL) == 0)
            left--;
    errno = saved;
    return left == 0;
}
