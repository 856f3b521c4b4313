#include "turns.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

enum { STACK_SIZE = 64 << 10, GUARD_SIZE = 4 << 10, MOST_DATA = 64 };
enum { MOST = 64 }; /* begun at once: each may have a directory open */
enum { TURN_NS = 500000, NS_PER_S = 1000000000, NS_PER_US = 1000 };

#ifdef TURNS_ARE_WHOLE
enum { HAS_STACKS = false }; /* a sanitizer knows of one stack a thread: all is done in the first turn */
#else
enum { HAS_STACKS = true };
#endif

struct work {
    struct work *next;
    char *stack;
    ucontext_t context;
    void (*function)(void *data);
    bool begun;
    bool ended;
    _Alignas(max_align_t) char data[MOST_DATA];
};

struct list {
    struct work *first; /* has waited longest */
    struct work *last;
};

static struct {
    struct list begun;
    struct list later;
    unsigned count; /* of those that have begun */
    struct work *running;
    int64_t until; /* of its turn */
    ucontext_t main_loop;
    char *spare; /* a stack */
} all;

static int64_t now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * NS_PER_S + time.tv_nsec;
}

static char *make_stack(void)
{
    char *stack = all.spare;
    all.spare = NULL;
    if (stack)
        return stack;
    stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return NULL;
    mprotect(stack, GUARD_SIZE, PROT_NONE);
    return stack;
}

static void drop(struct work *work)
{
    if (all.spare)
        munmap(work->stack, STACK_SIZE);
    else
        all.spare = work->stack;
    free(work);
}

static void put_last(struct list *list, struct work *work)
{
    work->next = NULL;
    if (list->first)
        list->last->next = work;
    else
        list->first = work;
    list->last = work;
}

static struct work *take_first(struct list *list)
{
    struct work *work = list->first;
    list->first = work->next;
    return work;
}

/*
 * Whoever reads the link of a descriptor in /proc has its file for a moment, and closes it for the last time if
 * all others close it just then. A socket may linger there for minutes, but not beyond a signal. It is let in
 * during turns alone, and again and again: each of many sockets may linger.
 */
static void interrupt(int number)
{
    (void)number;
}

static void let_in_interrupts(ucontext_t *context)
{
    const struct sigaction action = {.sa_handler = interrupt, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    sigdelset(&context->uc_sigmask, SIGALRM);
}

static void interrupt_after(suseconds_t interval)
{
    const struct itimerval timer = {.it_interval.tv_usec = interval, .it_value.tv_usec = interval};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void run(void)
{
    struct work *work = all.running;
    work->function(work->data);
    work->ended = true;
    setcontext(&all.main_loop);
}

static void begin(struct work *work)
{
    getcontext(&work->context);
    let_in_interrupts(&work->context);
    work->context.uc_stack.ss_sp = work->stack;
    work->context.uc_stack.ss_size = STACK_SIZE;
    makecontext(&work->context, run, 0);
    work->begun = true;
    all.count++;
}

static void give_turn(struct work *work)
{
    if (!work->begun)
        begin(work);
    all.running = work;
    all.until = now() + TURN_NS;
    interrupt_after(TURN_NS / NS_PER_US);
    swapcontext(&all.main_loop, &work->context);
    interrupt_after(0);
    all.running = NULL;
    if (!work->ended) {
        put_last(&all.begun, work);
    } else {
        all.count--;
        drop(work);
    }
}

bool turns_begin(void (*work)(void *data), const void *data, size_t size)
{
    struct work *new = size <= MOST_DATA ? calloc(1, sizeof *new) : NULL;
    if (!new)
        return false;
    memcpy(new->data, data, size);
    new->function = work;
    if (!HAS_STACKS) {
        work(new->data);
        free(new);
        return true;
    }
    new->stack = make_stack();
    if (!new->stack) {
        free(new);
        return false;
    }
    if (all.count < MOST)
        give_turn(new);
    else
        put_last(&all.later, new);
    return true;
}

void turns_wait(void)
{
    const int saved = errno;
    if (all.running)
        swapcontext(&all.running->context, &all.main_loop);
    errno = saved;
}

void turns_rest(void)
{
    if (all.running && now() >= all.until)
        turns_wait();
}

bool turns_is_one(void)
{
    return all.running;
}

bool turns_are_due(void)
{
    return all.begun.first || all.later.first;
}

void turns_take_one(void)
{
    if (all.later.first && all.count < MOST)
        give_turn(take_first(&all.later));
    else if (all.begun.first)
        give_turn(take_first(&all.begun));
}
