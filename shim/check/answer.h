/*
 * What `truefin check` says: one line on stdout, and an exit status.
 */
#ifndef TRUEFIN_CHECK_ANSWER_H
#define TRUEFIN_CHECK_ANSWER_H

#include <limits.h>
#include <stddef.h>
#include <stdio.h>

enum exit_code {
    EXIT_YES,
    EXIT_NO,
    EXIT_USAGE,
    EXIT_SECURE, /* no, and it must not be watched either; only with --loaded */
    EXIT_NOT_LOADED = 125,
    EXIT_CANNOT_RUN = 126,
    EXIT_NOT_FOUND = 127
};

/* The line. It grows from left to right: "COMMAND: script run by X, dynamic glibc, ...". */
struct answer {
    char text[4 * PATH_MAX];
    size_t length;
};

/* Adds to the line. What does not fit is cut off. */
__attribute__((format(printf, 2, 3))) void say(struct answer *a, const char *format, ...);

/* Adds WHY and returns EXIT_NO. */
enum exit_code no(struct answer *a, const char *why);

/* Prints TEXT as one line. Control bytes become '?': names of files and #! lines may hold them. */
void print_line(FILE *to, const char *text);

/* Where cannot_run() writes: main() sets it to stderr, or for `truefin run` to stdout. */
extern FILE *messages;

/* For what no shell could run either: a message in the words of a shell. Returns CODE. */
enum exit_code cannot_run(enum exit_code code, const char *path, const char *why);

#endif
