/*
 * In which epoll sets is a connection? A duplicate that is kept would keep it there, and the program would
 * get events for a descriptor that it has closed. All keep errno and are safe in signal handlers.
 */
#ifndef TRUEFIN_EPOLL_H
#define TRUEFIN_EPOLL_H

#include "connection/table.h"

/*
 * Take FD, still open, out of all epoll sets of this process. False if it cannot be said that it is in none
 * any more: it was put there under another number, or the set is gone from here. Without a call where the
 * program has done so itself, or uses no epoll.
 */
bool epoll_forget(int fd, const struct connection *connection);

/*
 * Around epoll_ctl(2), whoever makes it; what an EVENT holds is never read:
 *
 *     epoll_begin();  return epoll_changed(set, operation, fd, epoll_ctl(...));
 */
void epoll_begin(void);
int epoll_changed(int set, int operation, int fd, int result);

#endif
