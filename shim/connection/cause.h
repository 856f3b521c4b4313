/* Why the kernel ends a connection as it does (fate.h), and the words for it. */
#ifndef TRUEFIN_CAUSE_H
#define TRUEFIN_CAUSE_H

enum cause {
    CAUSE_PLAIN,         /* nothing speaks against a FIN */
    CAUSE_UNREAD,        /* the program leaves data unread */
    CAUSE_LINGER,        /* it has set SO_LINGER {1,0} itself */
    CAUSE_FIN_SENT,      /* it has sent its FIN before */
    CAUSE_PEER_RESET,    /* the peer has reset it */
    CAUSE_TIMED_OUT,     /* the peer has not answered any more */
    CAUSE_NOT_CONNECTED, /* it was never established */
    CAUSE_OVER,          /* one of the last four; which is not known */
    CAUSES
};

/* "fin", "rst" or "none": what is sent. Static. */
const char *cause_sends(enum cause cause);

/* "unread", "linger" and so on. Static. */
const char *cause_name(enum cause cause);

#endif
