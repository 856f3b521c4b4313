#include "config.h"
#include "judge/deferred.h"
#include "judge/unwind.h"
#include "libc.h"

#include <stdatomic.h>

/*
 * dlsym(3) takes the dynamic linker's lock. As long as there is one thread, it cannot be held by another: a
 * dlopen(3) there may wait for this very thread. So all functions are found before the first thread is made.
 */
static void prepare(void)
{
    libc_resolve();
    unwind_resolve();
}

/* What a new thread is to run, from its creation until it runs: then the place is free again. */
static struct begin {
    atomic_bool taken;
    void *(*run)(void *);
    thrd_start_t run_c11;
    void *argument;
} begins[64];

/* NULL if none is free: then the end of the thread is no sign of life, and the time of its last closes runs out. */
static struct begin *begin(struct begin what)
{
    for (size_t i = 0; config.defers && i < sizeof begins / sizeof *begins; i++) {
        struct begin *place = &begins[i];
        if (atomic_exchange(&place->taken, true))
            continue;
        place->run = what.run;
        place->run_c11 = what.run_c11;
        place->argument = what.argument;
        return place;
    }
    return NULL;
}

/*
 * A thread whose end shows that the process goes on. By pthread_exit(3) too (io/wait.c); if it is cancelled, the time of
 * its last closes runs out: a clean-up handler would need functions that musl does not have.
 */
static void *run(void *place)
{
    struct begin *begin = place;
    void *(*const program)(void *) = begin->run;
    void *const argument = begin->argument;
    atomic_store(&begin->taken, false);
    void *result = program(argument);
    deferred_goes_on();
    return result;
}

static int run_c11(void *place)
{
    struct begin *begin = place;
    const thrd_start_t program = begin->run_c11;
    void *const argument = begin->argument;
    atomic_store(&begin->taken, false);
    int result = program(argument);
    deferred_goes_on();
    return result;
}

HOOK int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*program)(void *),
                        void *argument)
{
    prepare();
    struct begin *place = begin((struct begin){.run = program, .argument = argument});
    if (!place)
        return real(pthread_create)(thread, attributes, program, argument);
    int result = real(pthread_create)(thread, attributes, run, place);
    if (result != 0)
        atomic_store(&place->taken, false);
    return result;
}

HOOK int thrd_create(thrd_t *thread, thrd_start_t program, void *argument)
{
    prepare();
    struct begin *place = begin((struct begin){.run_c11 = program, .argument = argument});
    if (!place)
        return real(thrd_create)(thread, program, argument);
    int result = real(thrd_create)(thread, run_c11, place);
    if (result != thrd_success)
        atomic_store(&place->taken, false);
    return result;
}
