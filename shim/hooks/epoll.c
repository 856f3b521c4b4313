#include "hooks/epoll.h"

#include "config.h"
#include "connection/epoll_sets.h"
#include "libc.h"
#include "process/process.h"

#include <sys/epoll.h>

/* Done by the hook below this one: a library behind us may make the call by syscall(2). */
static __thread bool counted;

void epoll_begin(void)
{
    counted = false;
}

int epoll_changed(int set, int operation, int fd, int result)
{
    if (result != 0 || !config.keeps || operation == EPOLL_CTL_MOD || counted)
        return result;
    counted = true;
    struct connection *record = table_find(fd);
    if (record && process_enter() && operation == EPOLL_CTL_ADD)
        epoll_sets_added(set, record);
    else if (record && process_enter())
        epoll_sets_removed(record);
    return result;
}

HOOK int epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
    epoll_begin();
    return epoll_changed(set, operation, fd, real(epoll_ctl)(set, operation, fd, event));
}
