#include "libc.h"

#include <dlfcn.h>
#include <errno.h>

struct libc libc;

/* This file is linked first. */
static _Alignas(HOT_PAGE) char hot_page HOT __attribute__((used));

/* dlsym gives a void pointer; POSIX lets it be stored where a function's pointer lives. */
void *libc_find(void **entry, const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    __atomic_store_n(entry, function, __ATOMIC_RELAXED);
    return function;
}

/* For what this libc lacks: the answer of a kernel that lacks the call. */
static int missing(void)
{
    errno = ENOSYS;
    return -1;
}

void *libc_need(void **entry, const char *name)
{
    int (*const stand_in)(void) = missing;
    if (!libc_find(entry, name))
        __atomic_store_n(entry, *(void *const *)&stand_in, __ATOMIC_RELAXED);
    return __atomic_load_n(entry, __ATOMIC_RELAXED);
}

void libc_resolve(void)
{
#define CALL(name)                                                                                           \
    if (!LIBC_ENTRY(name))                                                                                   \
        libc_need((void **)&libc.name, #name);
#define LATE(name)
#define ASK(name)
#define OWN(name) CALL(name)
#define ALIAS(name, other)
#include CALLS
#undef CALL
#undef LATE
#undef ASK
#undef OWN
#undef ALIAS
}

/* What is remembered may not be unloaded any more. */
static void pin(const void *function)
{
    Dl_info info;
    if (dladdr(function, &info))
        real(dlopen)(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE);
}

/* What CALLER's own library would find if we were not there: it may have been opened with RTLD_LOCAL. */
static void *find_locally(const char *name, const void *caller)
{
    Dl_info info;
    void *library = dladdr(caller, &info) ? real(dlopen)(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    void *function = library ? dlsym(library, name) : NULL;
    if (library)
        dlclose(library);
    return function;
}

void *libc_find_for(void **entry, const char *name, const void *caller)
{
    void *function = libc_find(entry, name);
    if (!function)
        function = find_locally(name, caller);
    if (function)
        pin(function);
    return function;
}
