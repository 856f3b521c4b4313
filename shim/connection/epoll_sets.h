/*
 * In which epoll sets is a connection? A duplicate that is kept would keep it there, and the program would
 * get events for a descriptor that it has closed. All keep errno and are safe in signal handlers.
 */
#ifndef TRUEFIN_EPOLL_SETS_H
#define TRUEFIN_EPOLL_SETS_H

#include "connection/table.h"

/* The program has put it into SET, or has taken it out of one. */
void epoll_sets_added(int set, struct connection *connection);
void epoll_sets_removed(struct connection *connection);

/*
 * Take FD, still open, out of all epoll sets of this process. False if it cannot be said that it is in none
 * any more: it was put there under another number, or the set is gone from here. Without a call where the
 * program has done so itself, or uses no epoll.
 */
bool epoll_sets_forget(int fd, const struct connection *connection);

#endif
