/* The threads that are traced, and their processes: from the first thread that is heard of to the last. */
#ifndef TRUEFIN_WATCH_TASK_H
#define TRUEFIN_WATCH_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* There may be ten thousand, so they are small. */
struct task {
    struct task *next;
    struct call *call; /* one that goes on after a signal without effect: resume.h; NULL for none */
    pid_t tid;
    pid_t tgid;
    uint16_t code;    /* what it has stopped for, until that is seen to; else 0 */
    uint16_t heard;   /* the last round in which it stopped: see follow.c */
    unsigned turn;    /* the work that it stands still for: see ends.c; 0 for none */
    bool seen : 1;    /* traced; else it only stands for its process, and is the first thread */
    bool exiting : 1; /* has begun to die: its descriptors may be gone any moment */

    /* Of the process, if it is the first thread. */
    bool asked_to_stop : 1; /* it has taken TERM or INT, by a handler or by sigwait(3) */
    bool judged : 1;        /* a death of the whole process has been acted on */
    bool told : 1;          /* each of its connections has got its record, where all endings are recorded */
    bool decided : 1;       /* no thread lives, and what becomes of its connections is settled */
    bool is_unknown : 1;    /* it has execed, and which connections are not its own is not known yet */
};

struct inodes {
    size_t count;
    ino_t at[];
};

/* A process, and the task of its first thread, whose tid is the tgid. */
struct process {
    struct task first;
    unsigned seen;          /* threads that are traced */
    unsigned alive;         /* those of them that are not exiting */
    struct inodes *foreign; /* connections that an exec left it above 2: not its own; NULL for none */
    struct inodes *given;   /* sockets that it had when it was forked, or has by its exec; NULL: not known */

    /* Of those whose closes the side-car sees (closes.h). */
    bool judges_itself;    /* it loads the library, or that cannot be told */
    bool may_share;        /* another descriptor, of it or of another process, may be of one of its sockets */
    bool has_unix;         /* it may have a Unix socket above 2, by which descriptors come and go */
    bool held_unix;        /* at the last look (holders.h) */
    bool has_copies;       /* two of its descriptors may be of one socket, or have been */
    bool has_forked;       /* others may have its epoll sets */
    bool shares_table;     /* another process has the very same descriptors (CLONE_FILES) */
    unsigned long changed; /* task_now() when it may have begun to share */
};

/* The task; NULL if it is not known. */
struct task *task_find(pid_t tid);

/*
 * The task, made known as a living thread of its process if it is not. NULL if it is not traced any more, or
 * without memory.
 */
struct task *task_get(pid_t tid);

/* The process of a task. Never NULL. */
struct process *task_process(const struct task *task);

/* It has begun to die. */
void task_exits(struct task *task);

/* It is traced no more. Its process is forgotten with its last thread. */
void task_forget(struct task *task);

/* The process has one thread now, the first, which has execed. */
void task_execs(struct process *process);

/* CHILD was forked by PARENT: what is not the parent's own is not the child's. */
void task_forks(struct process *child, struct process *parent);

/* Of what a process whose closes are seen may share nothing is known: it is new, or has execed. */
void task_knows_nothing(struct process *process);

/* PROCESS, which may be NULL, may share what it has from now on. Counts, so that who looks notices. */
void task_may_share(struct process *process);

/* How often that has been so, of all processes. */
unsigned long task_now(void);

/* Calls SEE for every process that lives in the sense of task_lives(). */
void task_each_process(void (*see)(struct process *process));

/* Has the process a living thread, or one that dies and whose connections are still to be decided on? */
bool task_lives(pid_t tgid);

#endif
