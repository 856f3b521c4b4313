/* The sockets that a process has open, by the links of /proc/PID/fd. */
#ifndef TRUEFIN_WATCH_SOCKETS_H
#define TRUEFIN_WATCH_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct socket {
    ino_t inode;
    int fd;        /* the lowest one, in that process */
    bool excluded; /* not to be touched */
};

struct sockets {
    struct socket *at; /* sorted by inode, one of each; free(3) it */
    size_t count;
};

/*
 * Those of the process of THREAD, with descriptors FROM to LAST. False if they cannot be read, as errno says,
 * or without memory.
 */
bool sockets_of(struct sockets *out, pid_t thread, int from, unsigned last);

/* Marks those that PID has too as excluded. */
void sockets_exclude(struct sockets *sockets, pid_t pid);

/* The same for those with one of the inodes. */
void sockets_exclude_inodes(struct sockets *sockets, const ino_t *inodes, size_t count);

#endif
