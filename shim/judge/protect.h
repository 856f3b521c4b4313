/* A connection is born: which rule is it under, and is it armed? Both keep errno; not in a vfork child. */
#ifndef TRUEFIN_PROTECT_H
#define TRUEFIN_PROTECT_H

#include "connection/table.h"

/* A connection has been born on FD: find its rule; arm it if the rule wants a crash to be an abort. */
void protect_born(int fd, struct connection *connection, const struct facts *facts);

/* Arm a connection that is ours, if its rule wants that. */
void protect(int fd, struct connection *connection);

#endif
