/*
 * The calls that write, and what they do on a connection whose peer has sent its FIN: what they would do at
 * the second write, when the peer's RST has come, at the first one.
 */
#ifndef TRUEFIN_WRITE_H
#define TRUEFIN_WRITE_H

#include <stdbool.h>

/*
 * Is a write on FD to be refused? Then errno is EPIPE, and unless FLAGS has MSG_NOSIGNAL the calling thread
 * has been sent SIGPIPE (send(2), tcp(7)). Without libtruefin.so the answer is no. Safe in signal handlers.
 */
bool write_refused(int fd, int flags);

#endif
