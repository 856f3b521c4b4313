/*
 * What does the kernel make of the last close of a connection, if nobody changes it? As __tcp_close() decides it
 * (net/ipv4/tcp.c), in this order:
 *
 *     over already         nothing is sent
 *     data left unread     RST, also behind a FIN of ours
 *     SO_LINGER {1,0}      RST (tcp_need_reset: not once both sides have sent their FIN)
 *     FIN is out           nothing more is sent: the peer has read, or reads, the end
 *     else                 FIN
 */
#ifndef TRUEFIN_FATE_H
#define TRUEFIN_FATE_H

#include "connection/cause.h"

#include <stdbool.h>

struct fate {
    enum cause why;
    unsigned unread; /* bytes that were received and not read */
    bool fin_sent;   /* no event aborts any more */
};

/* What is known without asking the kernel. */
struct known {
    bool aborts;  /* SO_LINGER is {1,0}, and the program's own */
    bool shut;    /* the program has sent its FIN */
    bool shut_no; /* it certainly has not */
};

/*
 * Of FD, an open connection. Two calls: SIOCINQ and TCP_INFO. Changes nothing; keeps errno; safe in signal handlers. A
 * kernel that does not answer leaves CAUSE_PLAIN. In STATE_QUIET it is not asked.
 */
struct fate fate_of(int fd, struct known known);

#endif
