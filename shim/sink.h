/*
 * Where records go. The place is checked before each write, because programs close, replace and reuse
 * descriptors: a record must never end up in a connection or a data file.
 */
#ifndef TRUEFIN_SINK_H
#define TRUEFIN_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* As record_open(). */
void sink_open(const char *where);

bool sink_is_open(void);

/* Writes LINE, SIZE bytes with the newline, in one call. False if it could not be written without waiting. */
bool sink_write(char *line, size_t size);

#endif
