#include "judge/unwind.h"
#include "libc.h"

/*
 * dlsym(3) takes the dynamic linker's lock. As long as there is one thread, it cannot be held by another: a
 * dlopen(3) there may wait for this very thread. So all functions are found before the first thread is made.
 */
HOOK int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *),
                        void *argument)
{
    libc_resolve();
    unwind_resolve();
    return real(pthread_create)(thread, attributes, run, argument);
}

HOOK int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
    libc_resolve();
    unwind_resolve();
    return real(thrd_create)(thread, run, argument);
}
