/* The rows of `truefin status`, for people and as JSON. */
#ifndef TRUEFIN_OPERATE_PRINT_H
#define TRUEFIN_OPERATE_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { TEXT_SIZE = 512 };

/* What truefin is in one process. */
struct row {
    pid_t pid;
    char name[16];
    const char *state; /* "on", "observing", ...; "-" for none, "?" for unknown */
    bool loaded, covered;
    bool counted; /* are the next ones known? */
    size_t connections, armed;
    char policy[TEXT_SIZE]; /* "" if it is not loaded */
    char why[TEXT_SIZE];    /* why it is not covered, or a remark; "" for none */
};

void print_head(void);
void print_row(const struct row *row);

/* The same as an array of objects, each on a line of its own. FIRST: the first one. */
void print_json_row(const struct row *row, bool first);
void print_json_end(bool any);

#endif
