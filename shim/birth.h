/* Connections appear. All functions keep errno. */
#ifndef TRUEFIN_BIRTH_H
#define TRUEFIN_BIRTH_H

#include "table.h"

/* What the table knows of socket FD, asking the kernel if it knows nothing; NULL if it is no TCP socket. */
struct connection *birth_socket(int fd);

/* The kernel has returned NEW as a duplicate of OLD, or an error; returns NEW. */
int birth_duplicate(int old, int new);

/*
 * FD came to us from another process: if it is a TCP connection, it is ours from now on. FROM_ABOVE: by exec,
 * from the parent, which may still hold it.
 */
void birth_adopt(int fd, bool from_above);

/* Acts on what table_put and table_dup return: a close went past us. */
void birth_audit(bool missed_a_close);

#endif
