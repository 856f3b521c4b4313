/*
 * The only place where a socket is changed that the program still has; kept/ changes those that linger. Every
 * function keeps errno, takes an open descriptor, ignores errors (a stale entry of the table may name a file
 * by now: ENOTSOCK is the answer, and harmless), does nothing in STATE_QUIET, and may be called in signal
 * handlers and between vfork and exec. While truefin observes (config.h), those that would change a socket do nothing.
 */
#ifndef TRUEFIN_SOCKET_H
#define TRUEFIN_SOCKET_H

#include "connection/table.h"

#include <sys/socket.h>

/*
 * SO_LINGER {1,0}: from now on the last close is an abort, whoever makes it (socket(7), tcp_close in
 * net/ipv4/tcp.c).
 */
void socket_arm(int fd, struct connection *connection);

/* CONNECTION is among the open ones of this process from now on, or no longer (counters.h). No call. */
void socket_count(struct connection *connection, bool is_open);

/* Put the program's own linger back. No call if nobody can have armed the connection. */
void socket_disarm(int fd, struct connection *connection);

/*
 * FD may be about to reach a program that does not know us: if it is armed, disarm it, and leave a mark by
 * which this library in a program that does know us sees that it was. (SO_LINGER {0,x} keeps the time that
 * was set before, and does nothing with it: sk_setsockopt in net/core/sock.c.) ALONE: no other process has a
 * claim to it, and the mark says so. True if it was armed. For a vfork child, who has no table: at most three
 * calls.
 */
bool socket_release(int fd, bool alone);

/* Arm again what socket_release disarmed, for its exec failed. */
void socket_undo_release(int fd);

/*
 * Where recv(2) with MSG_TRUNC says that it puts what it discards: TCP writes nothing there, and no page of
 * it is touched. A null pointer would do for the kernel, but not for tools that look at arguments (valgrind).
 */
enum { SOCKET_DISCARDED_SIZE = 1 << 18 };
extern char socket_discarded[SOCKET_DISCARDED_SIZE];

/*
 * Carry out ENDING on a connection that is about to be closed for the last time. True if it is to end with a
 * FIN and the peer may still send. Under flush-rst it is armed, and the caller sees to what is not delivered yet.
 */
bool socket_end(int fd, struct connection *connection, enum ending ending);

/*
 * Bytes that were received and not read (SIOCINQ), or sent and not acknowledged (SIOCOUTQ); 0 if unknown.
 * tcp(7).
 */
int socket_unread(int fd);
int socket_unsent(int fd);

enum transport { TRANSPORT_OTHER, TRANSPORT_TCP, TRANSPORT_MPTCP };

/*
 * As the kernel has it: what the program has asked of socket(2) another library (mptcpize) or a BPF program may
 * have changed. One getsockopt(SO_PROTOCOL).
 */
enum transport socket_transport(int fd);

/* Is FD a TCP or MPTCP socket? The same call. */
bool socket_is_tcp(int fd);

/* Its family (SO_DOMAIN), -1 if it is no socket. One getsockopt. */
int socket_family(int fd);

/* Is FD, a TCP socket, a listener? One getsockopt(SO_ACCEPTCONN). */
bool socket_is_listener(int fd);

/* What the kernel tells of a connection (netinet/tcp.h), zeros if nothing. One getsockopt(TCP_INFO). */
struct tcp_info;
void socket_info(int fd, struct tcp_info *info);

/* Is it over, by an RST or a time-out, or by both FINs? One getsockopt(TCP_INFO). */
bool socket_is_over(int fd);

/* Takes the error that waits on it; 0 if there is none. One getsockopt(SO_ERROR). */
int socket_error(int fd);

/* RST at once, while the program has it open: connect(2) to nowhere. */
void socket_abort(int fd);

/* Has our FIN been sent already? One getsockopt(TCP_INFO). */
bool socket_fin_sent(int fd);

/* SO_LINGER as the kernel has it; zeros if it cannot be asked. One getsockopt. */
struct linger socket_linger(int fd);

/* How a socket came to us. */
enum found {
    FOUND_PLAIN,
    FOUND_ARMED,       /* or released: another process may have a claim to it */
    FOUND_ARMED_ALONE, /* released by the program that this process ran before, which alone had it */
};

/*
 * Remember the linger that FD has now as the program's own, unless it is ours. One getsockopt. {1,0} on a
 * socket that came from another process is taken for ours, for programs that set it themselves do not pass
 * such sockets on. While truefin observes, all is the program's own.
 */
enum found socket_learn_linger(int fd, struct connection *connection);

#endif
