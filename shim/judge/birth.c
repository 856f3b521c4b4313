#include "judge/birth.h"

#include "config.h"
#include "connection/counters.h"
#include "connection/endpoint.h"
#include "connection/socket.h"
#include "connection/table.h"
#include "judge/protect.h"
#include "judge/source.h"
#include "keep_errno.h"
#include "kept/keep.h"
#include "libc.h"
#include "process/ownership.h"
#include "process/process.h"
#include "report/record.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * The audit: the kernel has just returned FD, but the table holds it as open. So this program closes by a
 * path that we cannot see, and what we arm here could reset a connection that it ends well.
 */
void birth_audit(bool missed_a_close)
{
    if (!missed_a_close)
        return;
    COUNT(missed_closes);
    birth_blind(BLIND_MISSED);
}

void birth_blind(enum blind why)
{
    if (atomic_load(&config.state) != STATE_ON)
        return;
    config.blind = (uint8_t)why;
    config_degrade(STATE_BLIND);
    if (!config.observes)
        counters_say(PAGE_BLIND);
    ownership_disarm_all();
    record_note("this program closes descriptors where no hook sees it (io_uring, inline system calls, "
                "CLONE_FILES, RTLD_DEEPBIND): "
                "nothing is armed any more");
}

/* FD was never armed by us: {1,0}, or a time that is a mark elsewhere, is the program's own here. */
static void learn_own_linger(int fd, struct connection *record)
{
    struct linger linger = socket_linger(fd);
    record->linger_seconds = linger.l_linger;
    if (linger.l_onoff)
        atomic_fetch_or(&record->flags, FLAG_LINGER_ON);
}

/* A socket that we did not see being made: ask the kernel once. */
static struct connection *learn(int fd)
{
    const enum transport transport = socket_transport(fd);
    if (transport == TRANSPORT_OTHER) {
        table_put(fd, NULL);
        return NULL;
    }
    struct connection *record = table_new(fd, KIND_SOCKET);
    COUNT(missed_births);
    if (record) {
        record->plain = transport == TRANSPORT_TCP;
        learn_own_linger(fd, record);
        table_put(fd, record);
    }
    return record;
}

struct connection *birth_socket(int fd)
{
    struct connection *record = table_find(fd);
    return record || table_knows(fd) ? record : learn(fd);
}

/* All that a listener accepts comes to its own port: asked once. */
static uint16_t service_port(struct connection *listener, int fd)
{
    if (!(atomic_load(&listener->flags) & FLAG_PORT)) {
        listener->port = endpoint_local(fd).port;
        atomic_fetch_or(&listener->flags, FLAG_PORT);
    }
    return listener->port;
}

/*
 * It has the linger that the listener had at its handshake (inet_csk_clone_lock, net/ipv4): no call is needed
 * to know it, unless that was set later.
 */
static void inherit_linger(const struct connection *listener, int fd, struct connection *record)
{
    uint16_t flags = atomic_load(&listener->flags);
    if (flags & FLAG_LINGER_LATE) {
        learn_own_linger(fd, record);
        return;
    }
    record->linger_seconds = listener->linger_seconds;
    record->flags = flags & FLAG_LINGER_ON;
}

/* FD was accepted from LISTENER. */
static void accepted(int listener_fd, int fd)
{
    struct connection *listener = birth_socket(listener_fd);
    if (!listener) {
        birth_audit(table_put(fd, NULL));
        return;
    }
    struct connection *record = table_new(fd, KIND_CONNECTION);
    if (!record)
        return;
    record->plain = listener->plain;
    inherit_linger(listener, fd, record);
    birth_audit(table_put(fd, record));
    struct facts facts = {.role = ROLE_ACCEPTED};
    if (config.asks_port)
        facts.port = service_port(listener, listener_fd);
    if (config.asks_peer)
        facts.peer = endpoint_peer(fd).address;
    source_born(fd, record, (struct endpoint){0});
    protect_born(fd, record, &facts);
}

/* What the hook below this one has put into the table, if there is one (birth.h). */
static __thread int came = -1;

void birth_begin(void)
{
    came = -1;
}

/* Is FD new here? What a signal handler got and closed meanwhile is not known any more. */
static bool comes(int fd)
{
    bool again = came == fd && table_knows(fd);
    came = fd;
    return fd >= 0 && !again;
}

int birth_accepted(int listener, int fd)
{
    KEEP_ERRNO;
    if (comes(fd) && process_begin())
        accepted(listener, fd);
    return fd;
}

static bool may_be_tcp(int family, int type, int protocol)
{
    return (family == AF_INET || family == AF_INET6) &&
           (type & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) == SOCK_STREAM &&
           (protocol == 0 || protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP);
}

static bool made(int family, int type, int protocol, int fd)
{
    if (may_be_tcp(family, type, protocol))
        return table_put(fd, table_new(fd, KIND_SOCKET));
    return family == AF_UNIX ? table_put(fd, NULL) : table_put_not_unix(fd);
}

int birth_made(int family, int type, int protocol, int fd)
{
    KEEP_ERRNO;
    if (comes(fd) && process_begin())
        birth_audit(made(family, type, protocol, fd));
    return fd;
}

/*
 * connect(2) to nowhere (AF_UNSPEC) aborts at once and leaves a plain socket, which may become a listener: it
 * must not stay armed.
 */
static void disconnected(int fd)
{
    struct connection *record = table_find(fd);
    if (!record || record->kind != KIND_CONNECTION || !ownership_is_ours(record))
        return;
    ownership_gives_up(fd, record);
    socket_disarm(fd, record);
    record->kind = KIND_SOCKET;
}

static void connects(int fd, struct endpoint peer)
{
    struct connection *record = birth_socket(fd);
    if (!record || record->kind != KIND_SOCKET)
        return;
    source_born(fd, record, peer);
    const struct facts facts = {.role = ROLE_CONNECTED, .port = peer.port, .peer = peer.address};
    protect_born(fd, record, &facts);
}

/* A family is two bytes. The kernel refuses an address that is shorter. */
static bool is_nowhere(const struct sockaddr *to, socklen_t size)
{
    sa_family_t family = AF_INET;
    if (size >= sizeof family)
        memcpy(&family, to, sizeof family);
    return family == AF_UNSPEC;
}

int birth_connected(int fd, const struct sockaddr *to, socklen_t size, int result)
{
    int saved = errno;
    bool under_way = result == 0 || saved == EINPROGRESS || saved == EINTR;
    if (under_way && is_nowhere(to, size) && process_enter())
        disconnected(fd);
    else if (under_way && endpoint_of(to, size).known && process_begin())
        connects(fd, endpoint_of(to, size));
    errno = saved;
    return result;
}

int birth_duplicate(int old, int fd)
{
    if (fd != old && comes(fd) && process_enter())
        birth_audit(table_dup(old, fd));
    return fd;
}

int birth_fcntl(int fd, int command, int result)
{
    return command == F_DUPFD || command == F_DUPFD_CLOEXEC ? birth_duplicate(fd, result) : result;
}

/* Then no other process can have sent it to us. */
static bool is_ours_alone(const struct connection *record)
{
    return ownership_is_ours(record) && !atomic_load(&record->claims) &&
           !(atomic_load(&record->flags) & FLAG_ADOPTED);
}

/*
 * Another descriptor here for what FD is, -1 if there is none. For what arrives only those are asked about
 * that another process can have, which are few; for what was inherited, all.
 */
static int twin_of(int fd, bool from_above)
{
    struct stat wanted;
    const struct connection *record;
    if (fstat(fd, &wanted) != 0)
        return -1;
    for (int other = 0; (record = table_next_connection(&other)); other++) {
        struct stat now;
        if (other != fd && (from_above || !is_ours_alone(record)) && fstat(other, &now) == 0 &&
            now.st_ino == wanted.st_ino)
            return other;
    }
    return -1;
}

/* FD is one more descriptor for the connection at TWIN. This process may have sent that connection away before. */
static void join(int fd, int twin, bool from_above)
{
    birth_audit(table_dup(twin, fd));
    struct connection *record = table_find(fd);
    if (!record)
        return;
    atomic_fetch_or(&record->flags, FLAG_PASSED);
    if (!from_above)
        ownership_got(record);
    if (ownership_has_claim(record))
        return;
    ownership_takes_over(record);
    protect(fd, record);
}

void birth_adopt(int fd, bool from_above)
{
    if (!socket_is_tcp(fd) || !process_begin())
        return;
    int twin = from_above || ownership_has_copies() ? twin_of(fd, from_above) : -1;
    if (twin >= 0) {
        join(fd, twin, from_above);
        return;
    }
    struct endpoint peer = endpoint_peer(fd);
    if (!peer.known) {
        if (!from_above && !socket_is_listener(fd))
            ownership_got(NULL);
        return;
    }
    struct connection *record = table_new(fd, KIND_CONNECTION);
    if (!record)
        return;
    enum found found = socket_learn_linger(fd, record);
    atomic_fetch_or(&record->flags, FLAG_PASSED | FLAG_GIVEN | (found != FOUND_PLAIN ? FLAG_FOUND_ARMED : 0));
    birth_audit(table_put(fd, record));
    if (from_above && found != FOUND_ARMED_ALONE)
        ownership_adopted(record);
    source_born(fd, record, peer);
    const struct facts facts = {.role = ROLE_ACCEPTED, .port = endpoint_local(fd).port, .peer = peer.address};
    protect_born(fd, record, &facts);
}
