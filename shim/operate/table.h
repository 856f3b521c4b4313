/* What the library in another process knows of its connections: its table and its slots, read from outside. */
#ifndef TRUEFIN_OPERATE_TABLE_H
#define TRUEFIN_OPERATE_TABLE_H

#include "connection/table.h"
#include "image.h"

/* Calls SEE with each descriptor of a connection, and its record as it was a moment ago. False if it cannot be read. */
bool table_each(const struct image *image,
                void (*see)(void *data, int fd, const struct connection *connection), void *data);

/* The same for the numbers at which it keeps connections that the program has closed. */
bool table_each_kept(const struct image *image, void (*see)(void *data, int fd), void *data);

#endif
