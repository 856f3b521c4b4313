/* Connections appear. All functions keep errno. */
#ifndef TRUEFIN_BIRTH_H
#define TRUEFIN_BIRTH_H

#include "config.h"
#include "connection/table.h"

#include <sys/socket.h>

/* What the table knows of socket FD, asking the kernel if it knows nothing; NULL if it is no TCP socket. */
struct connection *birth_socket(int fd);

/*
 * Around a call that returns a new descriptor, whoever makes it:
 *
 *     do {
 *         birth_begin();
 *         fd = accept(...);
 *     } while (deferred_gives_room(fd));
 *     return birth_accepted(listener, fd);
 *
 * A library behind us may make the call by syscall(2), which is hooked as well: then FD is known when it
 * comes back, and is left alone. deferred_gives_room() (deferred.h) is true when no number was left (EMFILE) and one of ours
 * has been given back. The others return FD, which may be an error.
 */
void birth_begin(void);
int birth_made(int family, int type, int protocol, int fd);
int birth_accepted(int listener, int fd);
int birth_duplicate(int old, int fd);

/* connect(2) has returned RESULT, which is returned: TO is read only if the kernel has read it. */
int birth_connected(int fd, const struct sockaddr *to, socklen_t size, int result);

/* fcntl(2) has returned RESULT, which is returned. */
int birth_fcntl(int fd, int command, int result);

/*
 * FD came to us from another process: if it is a TCP connection, it is ours from now on. FROM_ABOVE: by exec,
 * from the parent, which may still hold it.
 */
void birth_adopt(int fd, bool from_above);

/* Acts on what table_put and table_dup return: a close went past us. */
void birth_audit(bool missed_a_close);

/* Closes go past us from now on: nothing is armed any more, and a record says so, once. */
void birth_blind(enum blind why);

#endif
