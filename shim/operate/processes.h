/*
 * The processes of this pid namespace, as /proc shows them at one moment, and which of them a user means. What
 * is gone meanwhile is left out by whoever looks next.
 */
#ifndef TRUEFIN_PROCESSES_H
#define TRUEFIN_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct process {
    pid_t pid, parent, group, session;
    char name[16]; /* TASK_COMM_LEN */
    bool chosen;
    bool sidecar; /* by its name; image.c knows it for sure */
};

struct processes {
    struct process *at; /* in the order of their pids */
    size_t count;
};

/* Reads /proc anew into ALL, which is {0} at first. None is chosen. False without /proc or memory. */
bool processes_look(struct processes *all);

struct process *processes_find(const struct processes *all, pid_t pid);

/*
 * Chooses what WORD means: a pid, the name of a unit (with a suffix, as nginx.service: all in its control group),
 * or, with NAMES, that of a program; without a suffix also the unit WORD.service. Returns how many that are.
 */
size_t processes_choose(struct processes *all, const char *word, bool names);

/* Chooses the descendants of all that are chosen. */
void processes_choose_descendants(struct processes *all);

/*
 * The file /proc/PID/WHAT, as much as there is. Valid until the next call; NULL with errno if it cannot be
 * read. SIZE, without the NUL that is put behind it, may be NULL.
 */
char *processes_read(pid_t pid, const char *what, size_t *size);

/* The number in the line NAME of /proc/PID/status; 0: none, or unknown. */
pid_t processes_status(pid_t pid, const char *name);

#endif
