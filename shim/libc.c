#include "libc.h"

#include <dlfcn.h>

struct libc libc;

/* dlsym gives a void pointer; POSIX lets it be stored where a function's pointer lives. */
void *libc_find(void **entry, const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    __atomic_store_n(entry, function, __ATOMIC_RELAXED);
    return function;
}

void libc_resolve(void)
{
#define CALL(name)                                                                                           \
    if (!LIBC_ENTRY(name))                                                                                   \
        libc_find((void **)&libc.name, #name);
#define ALIAS(name, other)
#include "calls.def"
#undef CALL
#undef ALIAS
}
