/*
 * What was seen of a connection, and how it is told: as one line, or as one JSON object.
 */
#ifndef TRUEFIN_PEER_REPORT_H
#define TRUEFIN_PEER_REPORT_H

#include "fail.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* How it ended. Each outcome has a word and an exit code. */
enum outcome { SAW_FIN, SAW_RST, SAW_ERROR, SAW_NOTHING, NEVER_CONNECTED };

struct report {
    enum outcome outcome;
    uint64_t received, sent; /* bytes */
    int unread;              /* bytes that arrived and were left in the queue */
    int error;               /* errno of the ending, 0 after a FIN */
    int send_error;          /* errno of a failed send: EPIPE when the other side had ended before */
    int taken;               /* errno that connect or send took from the socket: recv will not see it */
    int64_t begun, ended;    /* monotonic ns: connection established, ending seen */
    const char *tcp_state;   /* the kernel's, at the end */
    char local[80], peer[80];
};

enum exit_code exit_code_of(enum outcome outcome);

/* "rst after 7 bytes (ECONNRESET)"; verbose with the time and the kernel's state. */
void print_line(FILE *to, const struct report *r, bool verbose);

void print_json(FILE *to, const struct report *r);

#endif
