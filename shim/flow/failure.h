/* How, and when, what a relay reads from has failed. */
#ifndef TRUEFIN_FAILURE_H
#define TRUEFIN_FAILURE_H

#include "connection/endpoint.h"

#include <stdint.h>

enum { HOW_ERRNO_MOST = 4095, HOW_STATUS = 1 << 16, HOW_SIGNAL = 1 << 17, HOW_UNKNOWN = 1 << 18 };

struct failure {
    uint32_t how;         /* an errno, HOW_UNKNOWN; of a child HOW_STATUS or HOW_SIGNAL, and which */
    uint32_t at;          /* flow_now() */
    uint64_t partner;     /* who wrote to it last; 0: not to be told */
    uint64_t tail;        /* what the last read from it has ended in (copies.h) */
    struct endpoint peer; /* of a connection */
    int32_t child;        /* the pid of a child; 0: it is a connection */
};

#endif
