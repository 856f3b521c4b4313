#include "process/links.h"

#include "libc.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>

enum { LINK_SIZE = 64 };

struct entry { /* getdents64(2) */
    uint64_t inode;
    int64_t next;
    unsigned short size;
    unsigned char type;
    char name[];
};

const char *links_next(struct links *links)
{
    for (;;) {
        if (links->at >= links->size) {
            links->at = 0;
            links->size = real(syscall)(SYS_getdents64, links->directory, links->buffer, links->room);
            links->failed = links->size < 0;
            if (links->size <= 0)
                return NULL;
        }
        const struct entry *entry = (const void *)(links->buffer + links->at);
        links->at += entry->size;
        if (entry->name[0] != '.')
            return entry->name;
    }
}

ino_t links_socket(int directory, const char *path)
{
    static const char prefix[] = "socket:[";
    char link[LINK_SIZE] = "";
    errno = 0;
    ssize_t size = real(readlinkat)(directory, path, link, sizeof link - 1);
    link[size < 0 ? 0 : size] = '\0';
    return strncmp(link, prefix, sizeof prefix - 1) == 0 ? strtoul(link + sizeof prefix - 1, NULL, 10) : 0;
}
