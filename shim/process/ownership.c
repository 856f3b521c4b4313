#include "process/ownership.h"

#include "config.h"
#include "connection/socket.h"
#include "hooks/fork.h"
#include "hooks/signals.h"
#include "kept/linger.h"
#include "libc.h"
#include "process/claims.h"
#include "process/holder.h"

#include <errno.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
    STANDARD = 3, /* descriptors that every fork gives: 0, 1, 2 */
    RECENT = 8,   /* children that can be asked about */
};

static const uint32_t NOBODY = UINT32_MAX; /* the depth of a connection that was passed on */

/* Reads as zeros in a fork child (madvise(2), MADV_WIPEONFORK); shared with a vfork child. */
struct owner {
    _Atomic int32_t pid; /* 0: a fork child that has not become itself yet */
};

/* What is known of this process. Copied by fork, then made the child's own by become(). */
static struct {
    _Atomic(struct owner *) owner; /* NULL before the first birth */
    _Atomic int connections;       /* records that are ours to judge */
    _Atomic int disowned;          /* records that were ours, and were passed on */
    _Atomic bool stop_noted;
    _Atomic bool gave;        /* a fork has given something */
    _Atomic bool ask_pid;     /* somebody made a child that shares our memory and is no vfork child of ours */
    _Atomic uint32_t tickets; /* forks that were begun: each has a place of its own on the lists */
    uint32_t depth;           /* forks between the first process that tracked something and this one */
    int32_t outer;            /* pid of the process that may hold what we adopted */
    _Atomic uint32_t forks;   /* children made, and the last of them */
    _Atomic int32_t children[RECENT];
    _Atomic uint32_t spawns;  /* the same of those that run another program */
    _Atomic uint32_t forking; /* forks that are under way */
} self;

/* The connection that this thread got last. Initial-exec: no allocation when a signal handler touches it. */
static __thread table_name got_last __attribute__((tls_model("initial-exec")));

/* The place that the fork which is under way in this thread keeps on the lists (claims.h); 0 for none. A fork
 * child finds its own here. */
static __thread int32_t heir __attribute__((tls_model("initial-exec")));

__thread int truefin_in_vfork __attribute__((tls_model("initial-exec")));

void tree_adopted(struct connection *connection)
{
    atomic_fetch_or(&connection->flags, FLAG_ADOPTED);
    self.outer = getppid();
}

/* Ours, without a call: after tree_enter() or tree_begin(). */
static int32_t own_pid(void)
{
    return atomic_load(&atomic_load(&self.owner)->pid);
}

bool tree_is_ours(const struct connection *connection)
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
    given[0] = table_named(got_last);
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
    /* In a pid namespace of its own the child has another number than its parent knows: it can only judge
     * alone. */
    bool is_alone = getppid() == 0;
    if (is_alone)
        connection->claims = 0;
    else if (!claims)
        tree_adopted(connection);
    else if (!heir || !claims_change(claims, heir, pid))
        claims_add(claims, pid);
    if (is_alone || !claims)
        atomic_fetch_or(&connection->flags, FLAG_PASSED);
    atomic_fetch_and(&connection->flags, (uint16_t)~FLAG_LEFT);
    connection->forks = atomic_load(&self.forks);
    connection->spawns = atomic_load(&self.spawns);
    connection->depth = self.depth;
    atomic_fetch_add(&self.connections, 1);
}

/* A fork child's first step: from here on the table is its own, and only what it was given is its to judge.
 */
static void become(struct owner *owner)
{
    int32_t none = 0;
    if (!atomic_compare_exchange_strong(&owner->pid, &none, -1))
        return;
    self.depth++;
    self.connections = 0;
    self.stop_noted = false;
    self.ask_pid = false;
    self.forking = 0;
    linger_new_process();
    int32_t pid = getpid();
    for_each_given(self.depth - 1, inherit, pid);
    heir = 0;
    atomic_store(&owner->pid, pid);
    signals_new_process();
}

bool tree_has_claim(const struct connection *connection)
{
    uint32_t claims = atomic_load(&connection->claims);
    return tree_is_ours(connection) && (!claims || claims_standing(claims, own_pid()) != STANDING_DISPLACED);
}

bool tree_is_self(void)
{
    const struct owner *owner = atomic_load(&self.owner);
    return !owner || atomic_load(&owner->pid) == getpid();
}

/* In the child of a vfork, before the constructor, in a sandbox: no. */
static bool may_act(void)
{
    uint8_t state = atomic_load(&config.state);
    return !truefin_in_vfork && (state == STATE_ON || state == STATE_BLIND);
}

bool tree_enter(void)
{
    if (!may_act())
        return false;
    struct owner *owner = atomic_load(&self.owner);
    if (!owner)
        return true;
    if (atomic_load(&owner->pid) == 0)
        become(owner);
    if (atomic_load(&owner->pid) <= 0)
        return false;
    return !atomic_load(&self.ask_pid) || tree_is_self();
}

bool tree_begin(void)
{
    if (atomic_load(&self.owner) || !may_act())
        return tree_enter();
    int saved = errno;
    libc_resolve();
    struct owner *owner =
        mmap(NULL, sizeof *owner, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct owner *first = NULL;
    if (owner != MAP_FAILED) {
        owner->pid = getpid();
        if (madvise(owner, sizeof *owner, MADV_WIPEONFORK) != 0 ||
            !atomic_compare_exchange_strong(&self.owner, &first, owner))
            munmap(owner, sizeof *owner);
    }
    errno = saved;
    return atomic_load(&self.owner) != NULL && tree_enter();
}

void tree_born(struct connection *connection)
{
    connection->depth = self.depth;
    connection->forks = atomic_load(&self.forks);
    connection->spawns = atomic_load(&self.spawns);
    got_last = table_name_of(connection);
    atomic_fetch_add(&self.connections, 1);
}

bool tree_has_connections(void)
{
    return atomic_load(&self.connections) > 0;
}

bool tree_outer_holds(const struct connection *connection, int fd)
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
    enum answer parent = holder_has(getppid(), fd);
    if (parent == YES || claims_other(claims, own_pid(), fd, false) != 0)
        return false;
    if (parent == NO && !forks_hold(fd, connection))
        return true;
    act_disarm(fd, connection);
    return false;
}

/*
 * Leave the list of those who may have it; are we the last? What remains in the hands of a program that does
 * not load us must not stay armed: it cannot disarm it.
 */
static bool last_claimant(uint32_t claims, int fd, struct connection *connection)
{
    /* A death gives up each descriptor of a connection. */
    if (atomic_fetch_or(&connection->flags, FLAG_LEFT) & FLAG_LEFT)
        return false;
    int32_t pid = own_pid();
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
        act_release(fd, false);
    return other == 0;
}

/* With the process above no memory is shared: say that we go, and look again. */
static bool outer_stays(const struct connection *connection, int fd)
{
    if (!tree_outer_holds(connection, fd))
        return false;
    holder_leaves(fd);
    return tree_outer_holds(connection, fd);
}

bool tree_gives_up(int fd, struct connection *connection)
{
    if (!tree_is_ours(connection)) {
        if (connection->depth == NOBODY)
            atomic_fetch_sub(&self.disowned, 1);
        return false;
    }
    atomic_fetch_sub(&self.connections, 1);
    uint32_t claims = atomic_load(&connection->claims);
    if (claims && !last_claimant(claims, fd, connection))
        return false;
    if (!outer_stays(connection, fd))
        return true;
    /* The process above may have sent its FIN already and count on a plain close: leave it as it was found.
     */
    if (!(atomic_load(&connection->flags) & FLAG_FOUND_ARMED))
        act_disarm(fd, connection);
    return false;
}

uint32_t tree_claims(struct connection *connection)
{
    uint32_t none = 0;
    int32_t pid = own_pid();
    if (atomic_load(&connection->claims))
        return atomic_load(&connection->claims);
    uint32_t list = claims_new(pid);
    if (list && !atomic_compare_exchange_strong(&connection->claims, &none, list))
        claims_change(list, pid, 0);
    return atomic_load(&connection->claims);
}

/* Who is no claimant any more, because a later fork gave it to another, has nothing to hand on. */
static void offer(struct connection *connection, int32_t pid)
{
    uint32_t claims = tree_claims(connection);
    if (!claims)
        return;
    if (!tree_has_claim(connection)) {
        tree_disown(connection);
        return;
    }
    atomic_store(&self.gave, true);
    claims_add(claims, pid);
    claims_displace(claims, pid);
    claims_add(claims, heir);
}

/* After it, in the parent: CHILD is the heir, if it has not come, or come and left, already. */
static void bequeath(struct connection *connection, int32_t child)
{
    uint32_t claims = atomic_load(&connection->claims);
    if (claims && heir)
        claims_change(claims, heir, child > 0 ? child : 0);
}

void tree_before_fork(void)
{
    atomic_fetch_add(&self.forking, 1);
    heir = 0;
    if (!tree_has_connections() || !tree_enter())
        return;
    heir = claims_heir(own_pid(), atomic_fetch_add(&self.tickets, 1));
    for_each_given(self.depth, offer, own_pid());
}

/*
 * qemu-user before 10 takes MADV_WIPEONFORK and does not do it: the page still names the parent, who has kept
 * a place for us.
 */
static void enter_child(void)
{
    struct owner *owner = atomic_load(&self.owner);
    if (owner && heir && atomic_load(&owner->pid) == claims_forker(heir))
        atomic_store(&owner->pid, 0);
    tree_enter();
}

void tree_after_fork(pid_t child)
{
    int saved = errno;
    if (child == 0)
        enter_child();
    else if (tree_has_connections() && tree_enter())
        for_each_given(self.depth, bequeath, child);
    if (child > 0)
        atomic_store(&self.children[atomic_fetch_add(&self.forks, 1) % RECENT], child);
    if (child != 0) {
        atomic_fetch_sub(&self.forking, 1);
        heir = 0;
    }
    errno = saved;
}

void tree_spawned(void)
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

bool tree_is_alone(int fd, const struct connection *connection)
{
    int saved = errno;
    bool alone = !(atomic_load(&connection->flags) & (FLAG_ADOPTED | FLAG_PASSED)) &&
                 !(was_forked(connection) && claims_may_have_escaped()) && !spawned_hold(fd, connection) &&
                 !forks_hold(fd, connection);
    errno = saved;
    return alone;
}

static void for_each_ours(void (*act)(int, struct connection *))
{
    for (int fd = 0; (fd = table_next(fd, UINT_MAX)) >= 0; fd++) {
        struct connection *connection = table_find(fd);
        if (connection && connection->kind == KIND_CONNECTION && tree_is_ours(connection))
            act(fd, connection);
    }
}

void tree_moved(pid_t before)
{
    struct owner *owner = atomic_load(&self.owner);
    if (!owner)
        return;
    int saved = errno;
    int32_t pid = getpid();
    linger_new_process();
    atomic_store(&owner->pid, pid);
    for (int fd = 0; (fd = table_next(fd, UINT_MAX)) >= 0; fd++) {
        struct connection *connection = table_find(fd);
        uint32_t claims = connection ? atomic_load(&connection->claims) : 0;
        if (claims && tree_is_ours(connection))
            claims_change(claims, before, pid);
    }
    errno = saved;
}

void tree_cut(void)
{
    uint64_t keep[CLAIMS_KEEP_WORDS] = {0};
    if (!tree_enter())
        return;
    for (int fd = 0; (fd = table_next(fd, UINT_MAX)) >= 0; fd++) {
        struct connection *connection = table_find(fd);
        uint32_t claims = connection && tree_is_ours(connection) ? atomic_load(&connection->claims) : 0;
        if (claims)
            keep[(claims - 1) / 64] |= (uint64_t)1 << (claims - 1) % 64;
    }
    claims_cut(keep);
}

void tree_disarm_all(void)
{
    for_each_ours(act_disarm);
}

void tree_disown(struct connection *connection)
{
    connection->depth = NOBODY;
    atomic_fetch_sub(&self.connections, 1);
    atomic_fetch_add(&self.disowned, 1);
}

void tree_keeps(struct connection *connection)
{
    if (connection->depth != NOBODY)
        return;
    connection->depth = self.depth;
    atomic_fetch_add(&self.connections, 1);
    atomic_fetch_sub(&self.disowned, 1);
}

bool tree_has_copies(void)
{
    return atomic_load(&self.disowned) > 0 || self.depth > 0 || atomic_load(&self.gave);
}

void tree_own(struct connection *connection)
{
    if (connection->depth == NOBODY)
        atomic_fetch_sub(&self.disowned, 1);
    if (!tree_is_ours(connection))
        atomic_fetch_add(&self.connections, 1);
    connection->depth = self.depth;
    connection->claims = 0;
    atomic_fetch_and(&connection->flags, (uint16_t)~FLAG_LEFT);
}

void tree_got(const struct connection *connection)
{
    got_last = connection ? table_name_of(connection) : 0;
}

void tree_shares_memory(void)
{
    atomic_store(&self.ask_pid, true);
}

void tree_note_stop(void)
{
    atomic_store(&self.stop_noted, true);
}

bool tree_stop_noted(void)
{
    return atomic_load(&self.stop_noted);
}
