#include "task.h"

#include "proc.h"

#include <stdlib.h>

enum { CHAINS = 4096 };

static struct task *chains[CHAINS];

static struct task **place_of(pid_t tid)
{
    struct task **at = &chains[(unsigned)tid % CHAINS];
    while (*at && (*at)->tid != tid)
        at = &(*at)->next;
    return at;
}

struct task *task_find(pid_t tid)
{
    return *place_of(tid);
}

static struct task *make(pid_t tid, pid_t tgid)
{
    struct task **at = place_of(tid);
    if (!*at && (*at = calloc(1, sizeof **at))) {
        (*at)->tid = tid;
        (*at)->tgid = tgid;
    }
    return *at;
}

struct task *task_process(const struct task *task)
{
    return task_find(task->tgid);
}

struct task *task_get(pid_t tid)
{
    struct task *task = task_find(tid);
    if (task && task->seen)
        return task;
    pid_t tgid = task ? task->tgid : proc_pid(tid, "Tgid");
    struct task *process = tgid ? make(tgid, tgid) : NULL;
    task = process ? make(tid, tgid) : NULL;
    if (task) {
        task->seen = true;
        process->alive++;
    }
    return task;
}

void task_exits(struct task *task)
{
    struct task *process = task_process(task);
    if (task->seen && !task->exiting && process->alive)
        process->alive--;
    task->exiting = true;
}

static void drop(pid_t tid)
{
    struct task **at = place_of(tid);
    struct task *task = *at;
    if (!task)
        return;
    *at = task->next;
    free(task->foreign);
    free(task);
}

/* The first thread is the last to be reaped, so no other needs it after that. */
void task_forget(struct task *task)
{
    task_exits(task);
    drop(task->tid);
}

void task_execs(struct task *task)
{
    task->exiting = false;
    task->asked_to_stop = task->judged = task->recorded = false;
    task->alive = 1;
    free(task->foreign);
    task->foreign = NULL;
    task->foreign_count = 0;
}

void task_each_process(void (*see)(const struct task *process, void *data), void *data)
{
    for (int i = 0; i < CHAINS; i++)
        for (const struct task *task = chains[i]; task; task = task->next)
            if (task->tid == task->tgid && task->alive)
                see(task, data);
}
