#include "process/ownership.h"

#include "connection/socket.h"
#include "keep_errno.h"
#include "libc.h"
#include "process/claims.h"
#include "process/holder.h"
#include "process/process.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

/* Descriptors that every fork gives: 0, 1, 2; children that can be asked about. */
enum { STANDARD = 3, RECENT = 8 };

static const uint32_t NOBODY = UINT32_MAX; /* the depth of a connection that was passed on */

/* What is known of this process. Copied by fork, then made the child's own by ownership_new_process(). */
static struct {
    _Atomic int connections;  /* records that are ours to judge */
    _Atomic int disowned;     /* records that were ours, and were passed on */
    _Atomic bool has_given;   /* a fork has given something */
    _Atomic uint32_t tickets; /* forks that were begun: each has a place of its own on the lists */
    uint32_t depth;           /* forks between the first process that tracked something and this one */
    int32_t outer;            /* pid of the process that may hold what we adopted */
    _Atomic uint32_t forks;   /* children made, and the last of them */
    _Atomic int32_t children[RECENT];
    _Atomic uint32_t spawns;  /* the same of those that run another program */
    _Atomic uint32_t forking; /* forks that are under way */
} self HOT;

/* The connection that this thread got last. Initial-exec: no allocation when a signal handler touches it. */
static __thread table_name latest __attribute__((tls_model("initial-exec")));

/*
 * The place that the fork which is under way in this thread keeps on the lists (claims.h); 0 for none. A fork
 * child finds its own here.
 */
static __thread int32_t heir __attribute__((tls_model("initial-exec")));

/* From now on, or no longer, it is ours to judge. */
static void count(struct connection *connection, bool is_ours)
{
    atomic_fetch_add(&self.connections, is_ours ? 1 : -1);
    socket_count(connection, is_ours);
}

void ownership_adopted(struct connection *connection)
{
    atomic_fetch_or(&connection->flags, FLAG_ADOPTED);
    self.outer = real(getppid)();
}

bool ownership_is_ours(const struct connection *connection)
{
    return connection->depth == self.depth;
}

/*
 * Calls ACT for each connection of this process's, or of the parent's that it was copied from, that a fork
 * gives: the one that this thread got last, and those at 0, 1, 2.
 */
static void for_each_given(uint32_t depth, void (*act)(struct connection *, int32_t), int32_t pid)
{
    struct connection *given[1 + STANDARD];
    given[0] = table_named(latest);
    for (int fd = 0; fd < STANDARD; fd++)
        given[1 + fd] = table_find(fd);
    for (int i = 0; i <= STANDARD; i++) {
        bool again = false;
        for (int j = 0; j < i; j++)
            again = again || given[j] == given[i];
        if (given[i] && !again && given[i]->kind == KIND_CONNECTION && given[i]->depth == depth)
            act(given[i], pid);
    }
}

/* In the child, PID is its own. Without a list of claims there is only the parent to ask about. */
static void inherit(struct connection *connection, int32_t pid)
{
    uint32_t claims = atomic_load(&connection->claims);
    /* In a pid namespace of its own the child has another number than its parent knows: it can only judge alone. */
    bool is_alone = real(getppid)() == 0;
    if (is_alone)
        connection->claims = 0;
    else if (!claims)
        ownership_adopted(connection);
    else if (!heir || !claims_change(claims, heir, pid))
        claims_add(claims, pid);
    atomic_fetch_or(&connection->flags, FLAG_GIVEN | (is_alone || !claims ? FLAG_PASSED : 0));
    atomic_fetch_and(&connection->flags, (uint16_t)~FLAG_LEFT);
    connection->forks = atomic_load(&self.forks);
    connection->spawns = atomic_load(&self.spawns);
    connection->depth = self.depth;
    count(connection, true);
}

void ownership_new_process(pid_t pid)
{
    self.depth++;
    self.connections = 0;
    self.forking = 0;
    for_each_given(self.depth - 1, inherit, pid);
    heir = 0;
}

bool ownership_has_claim(const struct connection *connection)
{
    uint32_t claims = atomic_load(&connection->claims);
    return ownership_is_ours(connection) &&
           (!claims || claims_standing(claims, process_pid()) != STANDING_DISPLACED);
}

void ownership_born(struct connection *connection)
{
    connection->depth = self.depth;
    connection->forks = atomic_load(&self.forks);
    connection->spawns = atomic_load(&self.spawns);
    latest = table_name_of(connection);
    count(connection, true);
}

struct connection *ownership_next(int *fd)
{
    struct connection *connection;
    for (; (connection = table_next_connection(fd)); ++*fd)
        if (ownership_is_ours(connection))
            return connection;
    return NULL;
}

bool ownership_has_connections(void)
{
    return atomic_load(&self.connections) > 0;
}

bool ownership_outer_holds(const struct connection *connection, int fd)
{
    return (atomic_load(&connection->flags) & FLAG_ADOPTED) && holder_has(self.outer, fd) == YES &&
           !holder_is_leaving(self.outer, fd);
}

/* May a child of ours hold it, of those that were forked since it came? In doubt: true. */
static bool forks_hold(int fd, const struct connection *connection);

/*
 * The list does not tell that we ever had a claim: it was full, or somebody has written over it. So the
 * kernel is asked about those who are known: others on the list, the parent and the children. If it does not
 * tell, the end is left to them, disarmed.
 */
static bool last_by_the_kernel(uint32_t claims, int fd, struct connection *connection)
{
    enum answer parent = holder_has(real(getppid)(), fd);
    if (parent == YES || claims_other(claims, process_pid(), fd, false) != 0)
        return false;
    if (parent == NO && !forks_hold(fd, connection))
        return true;
    socket_disarm(fd, connection);
    return false;
}

/*
 * Leaves the list of those who may have it. True if this process was the last. If a program that does not load
 * this library still holds it, it must not stay armed, for that program cannot disarm it.
 */
static bool last_claimant(uint32_t claims, int fd, struct connection *connection)
{
    /* A death gives up each descriptor of a connection. */
    if (atomic_fetch_or(&connection->flags, FLAG_LEFT) & FLAG_LEFT)
        return false;
    int32_t pid = process_pid();
    enum standing standing = claims_leave(claims, pid);
    if (standing == STANDING_ABSENT)
        return last_by_the_kernel(claims, fd, connection);
    if (standing == STANDING_DISPLACED)
        return false;
    connection->service_signal = (uint8_t)claims_service_killed_by(claims);
    pid_t other = claims_other(claims, pid, fd, true);
    if (other < 0) {
        holder_leaves(fd);
        other = claims_other(claims, pid, fd, true);
    }
    if (other < 0 && !holder_loads_us(-other))
        socket_release(fd, false);
    return other == 0;
}

/* We share no memory with the process above. So we announce our end first, and then look whether it holds it. */
static bool outer_stays(const struct connection *connection, int fd)
{
    if (!ownership_outer_holds(connection, fd))
        return false;
    holder_leaves(fd);
    return ownership_outer_holds(connection, fd);
}

bool ownership_gives_up(int fd, struct connection *connection)
{
    if (!ownership_is_ours(connection)) {
        if (connection->depth == NOBODY)
            atomic_fetch_sub(&self.disowned, 1);
        return false;
    }
    count(connection, false);
    uint32_t claims = atomic_load(&connection->claims);
    if (claims && !last_claimant(claims, fd, connection))
        return false;
    if (!outer_stays(connection, fd))
        return true;
    /* The process above may have sent its FIN already and expect a plain close: leave the socket as it was found. */
    if (!(atomic_load(&connection->flags) & FLAG_FOUND_ARMED))
        socket_disarm(fd, connection);
    return false;
}

uint32_t ownership_claims(struct connection *connection)
{
    uint32_t none = 0;
    int32_t pid = process_pid();
    if (atomic_load(&connection->claims))
        return atomic_load(&connection->claims);
    uint32_t list = claims_new(pid);
    if (list && !atomic_compare_exchange_strong(&connection->claims, &none, list))
        claims_change(list, pid, 0);
    return atomic_load(&connection->claims);
}

/* A process that a later fork has displaced as a claimant passes nothing to its children. */
static void offer(struct connection *connection, int32_t pid)
{
    uint32_t claims = ownership_claims(connection);
    if (!claims)
        return;
    if (!ownership_has_claim(connection)) {
        ownership_disown(connection);
        return;
    }
    atomic_store(&self.has_given, true);
    claims_add(claims, pid);
    claims_displace(claims, pid);
    claims_add(claims, heir);
}

/* In the parent, after the fork: makes CHILD the heir, unless CHILD has done so itself already. */
static void bequeath(struct connection *connection, int32_t child)
{
    uint32_t claims = atomic_load(&connection->claims);
    if (claims && heir)
        claims_change(claims, heir, child > 0 ? child : 0);
}

void ownership_before_fork(void)
{
    atomic_fetch_add(&self.forking, 1);
    heir = 0;
    if (!ownership_has_connections() || !process_enter())
        return;
    heir = claims_heir(process_pid(), atomic_fetch_add(&self.tickets, 1));
    for_each_given(self.depth, offer, process_pid());
}

static void enter_child(void)
{
    if (heir)
        process_is_child_of(claims_forker(heir));
    process_enter();
}

void ownership_after_fork(pid_t child)
{
    KEEP_ERRNO;
    if (child == 0)
        enter_child();
    else if (ownership_has_connections() && process_enter())
        for_each_given(self.depth, bequeath, child);
    if (child > 0)
        atomic_store(&self.children[atomic_fetch_add(&self.forks, 1) % RECENT], child);
    if (child != 0) {
        atomic_fetch_sub(&self.forking, 1);
        heir = 0;
    }
}

void ownership_spawned(void)
{
    atomic_fetch_add(&self.spawns, 1);
    claims_escape();
}

static bool is_gone(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

bool forks_hold(int fd, const struct connection *connection)
{
    uint32_t last = atomic_load(&self.forks);
    if (atomic_load(&self.forking) || last - connection->forks > RECENT)
        return true;
    for (uint32_t i = connection->forks; i != last; i++) {
        pid_t child = atomic_load(&self.children[i % RECENT]);
        if (!is_gone(child) && holder_has(child, fd) != NO)
            return true;
    }
    return false;
}

static bool spawned_hold(int fd, const struct connection *connection)
{
    return connection->spawns != atomic_load(&self.spawns) && real(fcntl)(fd, F_GETFD) == 0;
}

static bool was_forked(const struct connection *connection)
{
    return atomic_load(&connection->claims) || connection->forks != atomic_load(&self.forks);
}

bool ownership_is_sole_holder(int fd, const struct connection *connection)
{
    KEEP_ERRNO;
    bool alone = !(atomic_load(&connection->flags) & (FLAG_ADOPTED | FLAG_PASSED)) &&
                 !(was_forked(connection) && claims_may_have_escaped()) && !spawned_hold(fd, connection) &&
                 !forks_hold(fd, connection) && !claims_displaced_holds(atomic_load(&connection->claims), fd);
    return alone;
}

void ownership_moved(pid_t before)
{
    KEEP_ERRNO;
    struct connection *connection;
    const bool tracks = process_moved();
    for (int fd = 0; tracks && (connection = ownership_next(&fd)); fd++) {
        uint32_t claims = atomic_load(&connection->claims);
        if (claims)
            claims_change(claims, before, process_pid());
    }
}

void ownership_cut(void)
{
    uint64_t keep[CLAIMS_KEEP_WORDS] = {0};
    if (!process_enter())
        return;
    struct connection *connection;
    for (int fd = 0; (connection = ownership_next(&fd)); fd++) {
        uint32_t claims = atomic_load(&connection->claims);
        if (claims)
            keep[(claims - 1) / 64] |= (uint64_t)1 << (claims - 1) % 64;
    }
    claims_cut(keep);
}

void ownership_disarm_all(void)
{
    struct connection *connection;
    for (int fd = 0; (connection = ownership_next(&fd)); fd++)
        socket_disarm(fd, connection);
}

void ownership_disown(struct connection *connection)
{
    connection->depth = NOBODY;
    count(connection, false);
    atomic_fetch_add(&self.disowned, 1);
}

void ownership_undo_disown(struct connection *connection)
{
    if (connection->depth != NOBODY)
        return;
    connection->depth = self.depth;
    count(connection, true);
    atomic_fetch_sub(&self.disowned, 1);
}

bool ownership_has_copies(void)
{
    return atomic_load(&self.disowned) > 0 || self.depth > 0 || atomic_load(&self.has_given);
}

void ownership_takes_over(struct connection *connection)
{
    if (connection->depth == NOBODY)
        atomic_fetch_sub(&self.disowned, 1);
    /* Who sent it may have been this process, or the parent that its record was copied from: all were given it. */
    if (!ownership_is_ours(connection)) {
        atomic_fetch_or(&connection->flags, FLAG_GIVEN);
        count(connection, true);
    }
    connection->depth = self.depth;
    connection->claims = 0;
    atomic_fetch_and(&connection->flags, (uint16_t)~FLAG_LEFT);
}

void ownership_got(const struct connection *connection)
{
    latest = connection ? table_name_of(connection) : 0;
}
