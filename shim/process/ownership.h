/*
 * Whose connection is it? One process tree, many holders, one owner at a time.
 *
 * The rule (docs/DESIGN.md has it with its reasons):
 *  - A connection belongs to the process that it was born in.
 *  - A fork gives the child the connection that the forking thread got last before it, and what is at 0, 1,
 * 2; all others stay the parent's. Of several forks the last one's child is the heir.
 *  - What was given has claimants (claims.h): who ends it well while another claimant still holds it changes
 *    nothing, the last one decides.
 *  - A child that execs keeps a claim only to what is at 0, 1, 2.
 *
 * How a process knows itself, without a call: a page under MADV_WIPEONFORK holds its pid, and reads as zero
 * in every kind of fork child; a thread-local flag, set by the vfork hook, marks a vfork child, whose memory
 * is its parent's.
 */
#ifndef TRUEFIN_TREE_H
#define TRUEFIN_TREE_H

#include "connection/table.h"

/*
 * May this process use the table? Every hook that found something of ours asks first; false means: pass
 * through. In a new fork child it first makes the child a process of its own. Keeps errno; safe in signal
 * handlers.
 */
bool tree_enter(void);

/* As tree_enter, before the first birth: makes the page. False also without memory. */
bool tree_begin(void);

/* The calling thread got CONNECTION: it is this process's, and what the thread's next fork gives. */
void tree_born(struct connection *connection);

/* CONNECTION came from the process above us, which may still hold it. */
void tree_adopted(struct connection *connection);

/* Is it this process's to judge? (Not: does nobody else hold it.) No call. */
bool tree_is_ours(const struct connection *connection);

/*
 * Does no other process hold CONNECTION, open here as FD and this process's to end? What came from another
 * process may be held there, and so may be what a fork has copied, once a process of this tree has run
 * another program or sent a connection away; of children that were forked since it came the last few are
 * asked about, and what others have after an exec is told by close-on-exec. In doubt: false.
 */
bool tree_is_alone(int fd, const struct connection *connection);

/* This process gives up CONNECTION, still open as FD. True if it ends with that: then the policy decides. */
bool tree_gives_up(int fd, struct connection *connection);

/* Another process was given CONNECTION over a socket: whoever receives it judges it, and we no more. */
void tree_disown(struct connection *connection);

/*
 * This process gives up rights: it shares what it knows of its own connections only, from now on (claims.h).
 * Not async-signal-safe beside another tree_cut(). Calls: mmap(2), one more than shared connections; none
 * where no fork has given anything.
 */
void tree_cut(void);

/* It was not sent after all: undoes tree_disown(). */
void tree_keeps(struct connection *connection);

/* Is it this process's, and has no later fork displaced it as the heir? No call. */
bool tree_has_claim(const struct connection *connection);

/* May others have what we have, by a fork or a message? Then what arrives may be one of our connections. */
bool tree_has_copies(void);

/* The calling thread got CONNECTION, which is ours already, once more; NULL: one that is over already. */
void tree_got(const struct connection *connection);

/* CONNECTION, to which we had no claim, has come to us. */
void tree_own(struct connection *connection);

/* Disarm all that is ours: from now on the kernel decides. Walks the table. */
void tree_disarm_all(void);

/* The list of those who may have CONNECTION (claims.h), made if there is none; 0 without memory. */
uint32_t tree_claims(struct connection *connection);

/* It came from the process above us, with which we share no list: does that still hold it? */
bool tree_outer_holds(const struct connection *connection, int fd);

/* Has this process any connection to judge? One load: exits need walk nothing. */
bool tree_has_connections(void);

/*
 * Is the caller in the process that it seems to be in? Asks the kernel. For signal handlers, which may run in
 * a vfork child that no hook of ours made.
 */
bool tree_is_self(void);

/* Was the process asked to stop, by a signal that it handles itself? */
void tree_note_stop(void);
bool tree_stop_noted(void);

#endif
