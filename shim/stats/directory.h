/*
 * The pages in a directory (connection/page.h), and which of them may be believed.
 *
 * A page is believed if it is a regular file with one name, that nobody but its owner can write, and its owner is root or the
 * caller; if the caller is root, anybody: what it says is told as its owner's then. The process that it names has to be its
 * owner's, too, but for root's pages: a process may have given its rights up.
 */
#ifndef TRUEFIN_STATS_DIRECTORY_H
#define TRUEFIN_STATS_DIRECTORY_H

#include "connection/page.h"

#include <dirent.h>
#include <stdbool.h>
#include <sys/types.h>

enum life {
    LIFE_LIVES,
    LIFE_OVER,      /* the process is gone, or has executed another program */
    LIFE_ELSEWHERE, /* in another pid namespace: it cannot be told */
};

struct found {
    char name[NAME_MAX + 1];
    uid_t owner;
    enum life life;
    struct page page;
};

/* Opens it and says if it may hold pages (report/stats.h); -1, and a line on stderr, if not. */
int directory_open(const char *path);

/* Calls TAKE for every page that is believed. False, and a line on stderr, if the directory cannot be read. */
bool directory_each(int directory, bool (*take)(const struct found *found, void *data), void *data);

/* The whole of file NAME of OWNER's, at most MOST bytes, into memory that the caller frees; NULL if it is not to be believed. */
void *directory_read(int directory, const char *name, uid_t owner, size_t most, size_t *size);

#endif
