/* epoll_ctl(2), for hooks that reach it by another way. */
#ifndef TRUEFIN_HOOKS_EPOLL_H
#define TRUEFIN_HOOKS_EPOLL_H

/*
 * Around the call, whoever makes it; what an EVENT holds is never read:
 *
 *     epoll_begin();  return epoll_changed(set, operation, fd, epoll_ctl(...));
 *
 * Both keep errno, and are safe in signal handlers and vfork children.
 */
void epoll_begin(void);
int epoll_changed(int set, int operation, int fd, int result);

#endif
