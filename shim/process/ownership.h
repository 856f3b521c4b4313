/*
 * Whose connection is it? One process tree, many holders, one owner at a time.
 *
 * The rule (docs/DESIGN.md has it with its reasons):
 *  - A connection belongs to the process that it was born in.
 *  - A fork gives the child the connection that the forking thread got last before it, and those at 0, 1, 2.
 *    All others stay the parent's. Of several forks the last one's child is the heir.
 *  - What was given has claimants (claims.h). While another claimant still holds it, an end here changes
 *    nothing. The last claimant decides.
 *  - A child that execs keeps a claim only to what is at 0, 1, 2.
 *
 * One connection, as one process sees it:
 *
 *     born, adopted                         a fork gave it        a fork copied it
 *          |         this process forks,          |                     |
 *          v         and gives it                 v                     v
 *       +------+ --------------------------> +---------+          +----------+
 *       | sole |                             | claimed |          | parent's |
 *       +------+                             +---------+          +----------+
 *          |                                  |       |
 *          |           SCM_RIGHTS out         |       | the process that gave it
 *          |<---------------------------------+       | gives it to a later child
 *          v                                          v
 *     +----------+     this process forks       +-----------+
 *     | disowned | <--------------------------- | displaced |
 *     +----------+                              +-----------+
 *
 *     sole                  its end here is the end, unless the process above still holds what was adopted
 *     claimed               the last claimant's end is the end
 *     all others            its close changes nothing here
 *     disowned, parent's    once it comes by SCM_RIGHTS it is sole; what was not sent after all is as before
 */
#ifndef TRUEFIN_OWNERSHIP_H
#define TRUEFIN_OWNERSHIP_H

#include "connection/table.h"

/* The calling thread got CONNECTION: it is this process's, and what the thread's next fork gives. */
void ownership_born(struct connection *connection);

/* CONNECTION came from the process above us, which may still hold it. */
void ownership_adopted(struct connection *connection);

/* Is it this process's to judge? (Not: does nobody else hold it.) No call. */
bool ownership_is_ours(const struct connection *connection);

/*
 * Does no other process hold CONNECTION, which is open here as FD and is this process's to end? In doubt: false.
 *
 * The answer is false for what came from another process, which may still hold it. It is false for what a fork
 * has copied, once a process of this tree has run another program or sent a connection away. The kernel is
 * asked about the last few children that were forked since the connection came. Close-on-exec tells what a
 * child has kept after an exec.
 */
bool ownership_is_sole_holder(int fd, const struct connection *connection);

/* This process gives up CONNECTION, still open as FD. True if it ends with that: then the policy decides. */
bool ownership_gives_up(int fd, struct connection *connection);

/* This process sends CONNECTION to another one (SCM_RIGHTS): from now on the receiver judges it, not this process. */
void ownership_disown(struct connection *connection);

/*
 * This process gives up rights. From now on it shares the lists of its own connections only (claims.h). Not
 * async-signal-safe beside another ownership_cut(). Calls: mmap(2), one more than shared connections; none where
 * no fork has given anything.
 */
void ownership_cut(void);

/* The message with CONNECTION was not sent after all: undoes ownership_disown(). */
void ownership_undo_disown(struct connection *connection);

/* Is it this process's, and has no later fork displaced it as the heir? No call. */
bool ownership_has_claim(const struct connection *connection);

/*
 * May another process have one of our connections, by a fork or a message? Then a descriptor that arrives in a
 * message may be one of them.
 */
bool ownership_has_copies(void);

/*
 * The calling thread got another descriptor for CONNECTION, which is ours already. NULL: the connection that the
 * thread got last is over.
 */
void ownership_got(const struct connection *connection);

/* CONNECTION, to which we had no claim, has come to us. */
void ownership_takes_over(struct connection *connection);

/* Disarm all that is ours: from now on the kernel decides. Walks the table. */
void ownership_disarm_all(void);

/* The list of those who may have CONNECTION (claims.h), made if there is none; 0 without memory. */
uint32_t ownership_claims(struct connection *connection);

/* CONNECTION came from the process above us, with which we share no list. Does that process still hold it? */
bool ownership_outer_holds(const struct connection *connection, int fd);

/* Has this process any connection to judge? One load: exits need walk nothing. */
bool ownership_has_connections(void);

/* The next connection of this process's at *FD or above, which becomes its descriptor; NULL if there is none. */
struct connection *ownership_next(int *fd);

/* In a new fork child: it judges only what it was given. A step of process_at_birth(). */
void ownership_new_process(pid_t pid);

/*
 * Around every kind of fork, in this order:
 *
 *     ownership_before_fork();  pid = fork();  ownership_after_fork(pid);
 *
 * Neither walks the table; _Fork(3) may be called in signal handlers, and so may these. CHILD is what fork
 * returned: 0 in the child, -1 for failure.
 */
void ownership_before_fork(void);
void ownership_after_fork(pid_t child);

/* A child was made that runs another program. */
void ownership_spawned(void);

/* daemon(3): the process whose pid was BEFORE goes on as this fork child; nothing else of it is left. */
void ownership_moved(pid_t before);

#endif
