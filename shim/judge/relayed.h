/*
 * What the program has read and written, for the pairs of flow/flow.h. Called where the call was made, after it: by
 * libtruefin-io.so under these names, and by hooks/flow_number.c.
 *
 * All keep errno, and are safe in signal handlers; in a vfork child, and where no policy asks for it, they do nothing. No
 * system calls, but for one after EPIPE.
 */
#ifndef TRUEFIN_RELAYED_H
#define TRUEFIN_RELAYED_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/*
 * By these names libtruefin-io.so tells what has been read and written; RESULT and errno are the call's. The first RESULT
 * bytes of COUNT PARTS were read from FD into memory, or written from there.
 */
void truefin_has_read(int fd, const struct iovec *parts, size_t count, ssize_t result);
void truefin_has_written(int fd, const struct iovec *parts, size_t count, ssize_t result);

/* The same for what has FLAGS of recv(2): nothing is in memory after MSG_TRUNC, and nothing of the peer's after MSG_ERRQUEUE. */
void truefin_has_received(int fd, const struct iovec *part, ssize_t result, int flags);
void truefin_has_read_message(int fd, const struct msghdr *message, ssize_t result, int flags);
void truefin_has_written_message(int fd, const struct msghdr *message, ssize_t result);
/* RESULT messages. */
void truefin_has_read_messages(int fd, const struct mmsghdr *messages, int result, int flags);
void truefin_has_written_messages(int fd, const struct mmsghdr *messages, int result);

/* RESULT bytes went from FROM to TO within the kernel. */
void truefin_has_moved(int from, int to, ssize_t result);

/* pipe(2) has made ENDS. */
void truefin_has_pipe(const int ends[2]);

#endif
