/* Policy word refuse-write-after-fin: is this write lost? Asked by libtruefin-io.so (shim/io/). */
#ifndef TRUEFIN_REFUSE_H
#define TRUEFIN_REFUSE_H

#include <stdbool.h>

/*
 * Has the peer of FD sent its FIN, has the program read all that came before it, and does the policy refuse
 * writes then? A descriptor that is no connection of ours: no. One poll(2), and with the FIN there one
 * ioctl(SIOCINQ). The first refusal of a connection is recorded. Keeps errno; safe in signal handlers; in a
 * vfork child the answer is no. Exported under this name for the library beside.
 */
bool truefin_refuses_write(int fd);

#endif
