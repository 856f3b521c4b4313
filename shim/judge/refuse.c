#include "judge/refuse.h"

#include "config.h"
#include "connection/socket.h"
#include "connection/table.h"
#include "keep_errno.h"
#include "libc.h"
#include "marker.h"
#include "own_calls.h"
#include "process/process.h"
#include "report/record.h"

/* POLLRDHUP is the peer's FIN (poll(2)). With an error on the socket the kernel refuses by itself. */
static bool has_fin(int fd)
{
    struct pollfd state = {.fd = fd, .events = POLLRDHUP};
    return own_poll_now(&state) == 1 && (state.revents & (POLLRDHUP | POLLERR)) == POLLRDHUP;
}

HOOK bool truefin_refuses_write(int fd)
{
    struct connection *connection = table_find(fd);
    if (!connection || connection->kind != KIND_CONNECTION ||
        !connection->endings->has[OPTION_REFUSE_WRITE] || config.observes || marker_is_off() ||
        !process_enter())
        return false;
    KEEP_ERRNO;
    bool refuses = has_fin(fd) && socket_unread(fd) == 0;
    if (refuses && !(atomic_fetch_or(&connection->flags, FLAG_REFUSED) & FLAG_REFUSED))
        record_refusal(fd);
    return refuses;
}
