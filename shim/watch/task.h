/*
 * The threads that are traced, and their processes: the task whose tid is the tgid stands for the process
 * too, from the first of its threads that is heard of to the last.
 */
#ifndef TRUEFIN_WATCH_TASK_H
#define TRUEFIN_WATCH_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct task {
    pid_t tid;
    pid_t tgid;
    bool seen;    /* traced; else it only stands for its process */
    bool exiting; /* has begun to die: its descriptors may be gone any moment */

    /* Of the process. */
    bool asked_to_stop; /* a handler of its own has taken TERM or INT */
    bool judged;        /* a death of the whole process has been acted on */
    bool recorded;
    unsigned alive; /* threads that are not exiting */
    ino_t *foreign; /* connections that an exec left it above 2: not its own */
    size_t foreign_count;

    struct task *next;
};

/* The task; NULL if it is not known. */
struct task *task_find(pid_t tid);

/* The task, made known as a living thread of its process if it is not. NULL if it is gone, or without memory.
 */
struct task *task_get(pid_t tid);

/* The process of a task. Never NULL. */
struct task *task_process(const struct task *task);

/* It has begun to die. */
void task_exits(struct task *task);

/* It is traced no more. */
void task_forget(struct task *task);

/* The process has one thread now, which has execed: TASK, whose tid is the tgid. */
void task_execs(struct task *task);

/* Calls SEE for every process with a living thread. */
void task_each_process(void (*see)(const struct task *process, void *data), void *data);

#endif
