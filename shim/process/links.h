/*
 * The directories of /proc, and the links in them that name sockets. For the library and the side-car alike.
 *
 *     _Alignas(uint64_t) char buffer[...];
 *     struct links links = {.directory = fd, .buffer = buffer, .room = sizeof buffer};
 *     while ((name = links_next(&links)))
 *         ...
 *     if (links.failed) ...
 *
 * Not opendir(3), which allocates. Both change errno, and are safe in signal handlers and in a vfork child.
 */
#ifndef TRUEFIN_LINKS_H
#define TRUEFIN_LINKS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The caller fills the first three, and leaves the others zero. */
struct links {
    int directory;
    char *buffer; /* aligned for 64 bits; a few hundred bytes are enough */
    size_t room;
    long size; /* what the last getdents64(2) has put there, in bytes */
    long at;
    bool failed; /* the directory could not be read to its end; errno says why */
};

/* The next name in the directory, but for hidden ones; NULL at the end. Valid until the next call. */
const char *links_next(struct links *links);

/*
 * The inode of the socket that the link at PATH, relative to DIRECTORY, names: it reads "socket:[INODE]"
 * (proc(5)). 0 if it names no socket, or cannot be read: then errno says why, and is 0 else.
 */
ino_t links_socket(int directory, const char *path);

#endif
