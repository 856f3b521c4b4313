#include "judge/launch.h"

#include "config.h"
#include "connection/socket.h"
#include "connection/table.h"
#include "judge/event.h"
#include "judge/verdict.h"
#include "keep_errno.h"
#include "kept/flush.h"
#include "libc.h"
#include "process/claims.h"
#include "process/holder.h"
#include "process/ownership.h"
#include "process/process.h"
#include "report/stats.h"

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

enum { STANDARD = 3 }; /* descriptors by which a new program can have a connection: 0, 1, 2 */

/* The descriptor of ours for the socket with this inode, -1 if it is none of ours. */
static int descriptor_of(ino_t inode)
{
    struct stat now;
    for (int fd = 0; ownership_next(&fd); fd++)
        if (fstat(fd, &now) == 0 && now.st_ino == inode)
            return fd;
    return -1;
}

static void give(int fd, pid_t child, bool released)
{
    struct connection *connection = table_find(fd);
    if (!connection)
        return;
    uint32_t claims = ownership_claims(connection);
    if (claims)
        claims_add(claims, -child);
    /* The child's constructor may arm it at any moment. If it did so while we released it, arm it again. */
    if (!released && !holder_loads_us(child) && socket_release(fd, false) && holder_loads_us(child))
        socket_undo_release(fd);
}

void launch_after(pid_t child, bool released)
{
    ownership_spawned();
    if (!ownership_has_connections() || !process_enter())
        return;
    KEEP_ERRNO;
    int cancellation;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
    for (int at = 0; at < STANDARD; at++) {
        ino_t inode = holder_socket(child, at);
        int fd = inode ? descriptor_of(inode) : -1;
        if (fd >= 0)
            give(fd, child, released);
    }
    pthread_setcancelstate(cancellation, NULL);
}

static bool closes_on_exec(int fd)
{
    int flags = real(fcntl)(fd, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC);
}

/* Will the new program have it at 0, 1 or 2? */
static bool stays_standard(const struct connection *connection)
{
    for (int fd = 0; fd < STANDARD; fd++)
        if (table_find(fd) == connection && !closes_on_exec(fd))
            return true;
    return false;
}

/* FD, and all other descriptors for it? Most have none. */
static bool is_closed_by_exec(int fd, const struct connection *connection)
{
    if (!closes_on_exec(fd))
        return false;
    const bool has_others = !table_has_one(connection);
    const struct connection *found;
    for (int other = 0; has_others && (found = table_next_connection(&other)); other++)
        if (found == connection && !closes_on_exec(other))
            return false;
    return true;
}

/* With close-on-exec the exec is the program's own close, or the end of a service that a signal has killed. */
static enum ending ending_of_exec(int fd, const struct connection *connection)
{
    if (config.observes || !is_closed_by_exec(fd, connection))
        return ENDING_KEEP;
    const uint32_t claims = atomic_load(&connection->claims);
    const enum event event = event_of_close((struct closing){
        .service_signal = claims ? claims_service_killed_by(claims) : 0,
        .unwinding = EVENT_CLOSE,
    });
    return verdict_wanted(connection, event);
}

/* Before an exec: PID's entry becomes NEXT, in the same place, for the exec may fail. Was PID a claimant? */
static bool change_claim(struct connection *connection, int32_t pid, int32_t next)
{
    uint32_t claims = atomic_load(&connection->claims);
    bool claimant = !claims || claims_change(claims, pid, next);
    if (claimant)
        atomic_fetch_or(&connection->flags, FLAG_CLAIMANT);
    return claimant;
}

/* We adopted it as we found it, not armed, and so it is left to the next program. */
static bool is_only_ours(const struct connection *connection)
{
    return (atomic_load(&connection->flags) & (FLAG_ADOPTED | FLAG_FOUND_ARMED)) == FLAG_ADOPTED;
}

/* Has no other process a claim to it? A process that leaked it, or holds it by accident, has none. */
static bool has_no_other_claimant(int fd, const struct connection *connection, int32_t pid)
{
    uint32_t claims = atomic_load(&connection->claims);
    return ownership_is_ours(connection) && (!claims || claims_other(claims, pid, fd, false) == 0) &&
           !ownership_outer_holds(connection, fd);
}

/* The new program takes it along, and so becomes a claimant, whichever process the connection belonged to. */
static void take_along(int fd, struct connection *connection, int32_t pid)
{
    bool armed = atomic_load(&connection->flags) & FLAG_ARMED;
    if (!change_claim(connection, pid, -pid))
        claims_add(atomic_load(&connection->claims), -pid);
    if (is_only_ours(connection))
        socket_disarm(fd, connection);
    else
        armed = socket_release(fd, has_no_other_claimant(fd, connection, pid));
    if (armed)
        atomic_fetch_or(&connection->flags, FLAG_EXEC);
}

/*
 * If only programs that have execed hold it besides us, they take our leaked copy for a holder's. Then they end
 * nothing, and the connection ends when the leaked copy is closed, which no hook sees. If it stayed armed, that
 * good end would abort it.
 */
static void leave_behind(int fd, struct connection *connection, int32_t pid)
{
    if (!change_claim(connection, pid, claims_left(pid))) {
        /* With several descriptors it is done already. */
        if (!(atomic_load(&connection->flags) & FLAG_CLAIMANT) &&
            claims_standing(connection->claims, pid) == STANDING_ABSENT && socket_release(fd, false))
            atomic_fetch_or(&connection->flags, FLAG_EXEC);
        return;
    }
    uint32_t claims = atomic_load(&connection->claims);
    const enum ending ending = ending_of_exec(fd, connection);
    /* Nobody is taken out: the exec may fail, and a service that a signal has killed still counts then. */
    pid_t other = claims ? claims_other(claims, pid, fd, false) : 0;
    if (other > 0 || ownership_outer_holds(connection, fd))
        return;
    if (other < 0 && !closes_on_exec(fd)) {
        if (socket_release(fd, false))
            atomic_fetch_or(&connection->flags, FLAG_EXEC);
    } else if (other == 0 && ending_aborts(ending)) {
        socket_arm(fd, connection);
        if (ending == ENDING_FLUSH_RST)
            flush_mark(fd, connection);
    } else if (other == 0 && (atomic_load(&connection->flags) & FLAG_ARMED)) {
        socket_disarm(fd, connection);
        atomic_fetch_or(&connection->flags, FLAG_EXEC);
    }
}

static void let_go(int fd, struct connection *connection)
{
    if (!closes_on_exec(fd))
        claims_escape();
    if (stays_standard(connection))
        take_along(fd, connection, getpid());
    else if (ownership_is_ours(connection))
        leave_behind(fd, connection, getpid());
}

static void take_back(int fd, struct connection *connection)
{
    const uint16_t ours = FLAG_EXEC | FLAG_CLAIMANT;
    uint16_t flags = atomic_fetch_and(&connection->flags, (uint16_t)~ours);
    uint32_t claims = atomic_load(&connection->claims);
    int32_t pid = getpid();
    bool claimant = flags & FLAG_CLAIMANT;
    if (claims && !claims_change(claims, claims_left(pid), pid) &&
        !claims_change(claims, -pid, claimant ? pid : 0) && claimant)
        claims_add(claims, pid);
    if (flags & FLAG_EXEC)
        socket_arm(fd, connection);
    else if (!ending_aborts((enum ending)connection->endings->of[EVENT_CRASH]) &&
             ownership_is_ours(connection))
        socket_disarm(fd, connection);
}

/* A fork child's copies count too: it may put one at 0, 1 or 2, and so pass it on by its exec. */
static void around_exec(void (*act)(int, struct connection *))
{
    if (!process_enter())
        return;
    KEEP_ERRNO;
    struct connection *connection;
    for (int fd = 0; (connection = table_next_connection(&fd)); fd++)
        act(fd, connection);
}

/* In a vfork child: which of 0, 1, 2 were released. The thread whose memory this is waits meanwhile. */
static __thread unsigned released_standard __attribute__((tls_model("initial-exec")));

void launch_vforks(void)
{
    released_standard = 0;
}

static void release_standard(void)
{
    for (int fd = 0; ownership_has_connections() && fd < STANDARD; fd++)
        if (!closes_on_exec(fd) && socket_release(fd, false))
            released_standard |= 1U << fd;
}

static void unrelease_standard(void)
{
    for (int fd = 0; fd < STANDARD; fd++)
        if (released_standard & 1U << fd)
            socket_undo_release(fd);
    released_standard = 0;
}

void launch_before_exec(void)
{
    if (truefin_in_vfork) {
        release_standard();
    } else {
        around_exec(let_go);
        flush_await(false);
        stats_execs(true);
    }
}

void launch_exec_failed(void)
{
    if (truefin_in_vfork) {
        unrelease_standard();
    } else {
        around_exec(take_back);
        stats_execs(false);
    }
}
