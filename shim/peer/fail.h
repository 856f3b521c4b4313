/*
 * The ways in which `truefin peer` ends.
 */
#ifndef TRUEFIN_PEER_FAIL_H
#define TRUEFIN_PEER_FAIL_H

enum exit_code { EXIT_FIN, EXIT_RST, EXIT_USAGE, EXIT_UNCONNECTED, EXIT_TIMEOUT };

/* Prints the message on stderr and ends the process with CODE. */
__attribute__((noreturn, format(printf, 2, 3))) void fail(enum exit_code code, const char *format, ...);

#endif
