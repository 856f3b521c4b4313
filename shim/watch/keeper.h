/*
 * Connections of processes that have died, until what is to be done for them is done (kept/kept.h). The main loop
 * looks at them between all else, some hundred at a time.
 */
#ifndef TRUEFIN_WATCH_KEEPER_H
#define TRUEFIN_WATCH_KEEPER_H

#include <stdbool.h>

/*
 * Keeps the connection of FD, which was taken (copies.h) and is no longer the caller's then: sends the FIN, and
 * discards what arrives. False if it cannot be kept, for want of memory or of a descriptor.
 */
bool keeper_discard(int fd);

/*
 * The same for one without a linger of its own whose program lives on, with fewer calls: what arrives is discarded some
 * milliseconds later. It is in no epoll set.
 */
bool keeper_discard_later(int fd);

/* The same for one that is to be aborted when all is delivered. Its linger is off. */
bool keeper_flush(int fd);

bool keeper_has_any(void);

/* For poll(2): readable when something has happened to one of them. -1 before the first. */
int keeper_set(void);

/* Milliseconds until one may be due; KEPT_TICK at most. */
int keeper_until_due(void);

/* Looks at what is due and, if the set is readable (HEARD), at what has happened. */
void keeper_look(bool heard);

#endif
