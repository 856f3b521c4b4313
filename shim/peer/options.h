/*
 * The command line of `truefin peer`.
 */
#ifndef TRUEFIN_PEER_OPTIONS_H
#define TRUEFIN_PEER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    const char *host, *port;
    const unsigned char *text; /* to send */
    size_t text_length;
    uint64_t read_limit;     /* bytes to read before reading stops; UINT64_MAX: read all */
    unsigned timeout_ms;     /* for the whole run */
    int family;              /* AF_UNSPEC, AF_INET, AF_INET6 */
    const char *output_path; /* as given, or NULL */
    int output;              /* descriptor for what was received, or -1 */
    bool half_close, json, verbose, listen;
};

/* Ends the process after --help, and after a message if the command line is wrong. TEXT is changed in place. */
struct options parse_options(int argc, char **argv);

#endif
