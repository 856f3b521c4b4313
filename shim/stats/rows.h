/* What is printed: a row for each program of a user's, or for each process that was asked for. */
#ifndef TRUEFIN_STATS_ROWS_H
#define TRUEFIN_STATS_ROWS_H

#include "directory.h"

struct row {
    char program[PAGE_PROGRAM];
    uint32_t uid;     /* the owner of its pages */
    uint32_t sidecar; /* what a side-car has counted of the program's deaths */
    int32_t pid;      /* 0: of all its processes */
    uint32_t living;
    uint32_t states[PAGE_STATES]; /* of those that live */
    struct counters counters;
};

struct rows {
    size_t count;
    struct row *at;
};

/* The row for these, made if there is none; NULL, and a line on stderr, without memory. */
struct row *rows_find(struct rows *rows, const char *program, uint32_t uid, uint32_t sidecar, int32_t pid);

/* Adds all of FROM, or takes them away. The words are added one by one, and so is whatever is added to the struct. */
void rows_add(struct counters *to, const struct counters *from);

/* What FOUND, whose process is gone, leaves: nothing is open any more. What it had is lost, if it ran no code. */
struct counters rows_left_by(const struct found *found);

/* In the order of names, users, and processes. */
void rows_sort(struct rows *rows);

/* Printers, to standard output. */
void table_print(const struct rows *rows);
void json_print(const struct rows *rows);
void prometheus_print(const struct rows *rows);

#endif
