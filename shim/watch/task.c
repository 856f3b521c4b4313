#include "task.h"

#include "proc.h"

#include <stdlib.h>
#include <string.h>

enum { CHAINS = 1024 };

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

static unsigned long shares;

void task_may_share(struct process *process)
{
    shares++;
    if (!process)
        return;
    process->may_share = true;
    process->changed = shares;
}

unsigned long task_now(void)
{
    return shares;
}

static bool is_first(const struct task *task)
{
    return task->tid == task->tgid;
}

void task_knows_nothing(struct process *process)
{
    process->judges_itself = true;
    process->has_unix = true;
    process->has_copies = true;
    process->has_forked = false;
    process->shares_table = false;
    task_may_share(process);
}

static struct task *make(pid_t tid, pid_t tgid)
{
    struct task **at = place_of(tid);
    if (!*at && (*at = calloc(1, tid == tgid ? sizeof(struct process) : sizeof(struct task)))) {
        (*at)->tid = tid;
        (*at)->tgid = tgid;
        if (tid == tgid)
            task_knows_nothing((struct process *)*at);
    }
    return *at;
}

struct process *task_process(const struct task *task)
{
    return (struct process *)task_find(task->tgid);
}

struct task *task_get(pid_t tid)
{
    struct task *task = task_find(tid);
    if (task && task->seen)
        return task;
    pid_t tgid = proc_traced(tid);
    task = tgid && make(tgid, tgid) ? make(tid, tgid) : NULL;
    if (task) {
        task->seen = true;
        task->exiting = false;
        task_process(task)->seen++;
        task_process(task)->alive++;
    }
    return task;
}

void task_exits(struct task *task)
{
    struct process *process = task_process(task);
    if (task->seen && !task->exiting && process->alive)
        process->alive--;
    task->exiting = true;
}

static void drop(struct task *task)
{
    *place_of(task->tid) = task->next;
    free(task);
}

void task_forget(struct task *task)
{
    struct process *process = task_process(task);
    task_exits(task);
    free(task->call);
    task->call = NULL;
    task->seen = false;
    process->seen--;
    if (!is_first(task))
        drop(task);
    if (process->seen)
        return;
    free(process->foreign);
    free(process->given);
    drop(&process->first);
}

void task_execs(struct process *process)
{
    free(process->foreign);
    free(process->first.call);
    process->first.call = NULL;
    process->first.exiting = process->first.asked_to_stop = process->first.judged = false;
    process->first.told = false;
    process->first.decided = false;
    process->alive = 1;
    process->foreign = NULL;
    free(process->given);
    process->given = NULL;
}

void task_forks(struct process *child, struct process *parent)
{
    if (child == parent)
        return;
    child->judges_itself = parent->judges_itself;
    child->has_unix = parent->has_unix;
    child->has_copies = parent->has_copies;
    child->has_forked = parent->has_forked = true;
    task_may_share(child);
    task_may_share(parent);
    if (child->foreign || !parent->foreign)
        return;
    size_t size = sizeof *child->foreign + parent->foreign->count * sizeof *child->foreign->at;
    child->foreign = malloc(size);
    if (child->foreign)
        memcpy(child->foreign, parent->foreign, size);
}

bool task_lives(pid_t tgid)
{
    const struct task *task = task_find(tgid);
    return task && is_first(task) && (((const struct process *)task)->alive || !task->decided);
}

void task_each_process(void (*see)(struct process *process))
{
    for (int i = 0; i < CHAINS; i++)
        for (struct task *task = chains[i]; task; task = task->next)
            if (is_first(task) && (((struct process *)task)->alive || !task->decided))
                see((struct process *)task);
}
