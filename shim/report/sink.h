/*
 * Where records go. The place is checked before each write, because programs close, replace and reuse
 * descriptors: a record must never end up in a connection or a data file. So "stderr" is the file that stood
 * at 2 when this program began, known again by its identity, and only while it stands there. Errno is not
 * kept.
 */
#ifndef TRUEFIN_SINK_H
#define TRUEFIN_SINK_H

#include <stdbool.h>
#include <stddef.h>

/* As record_open(). */
int sink_open(const char *where);

bool sink_is_open(void);

/*
 * Is what stands at 2 the connection that stands at 0 too, as inetd leaves it, or another one to a peer? Then
 * nothing of ours may go there.
 */
bool sink_stderr_is_client(void);

/* Writes LINE, SIZE bytes with the newline, in one call. False if it could not be written without waiting. */
bool sink_write(char *line, size_t size);

#endif
