#include "libc.h"

#include <dlfcn.h>
#include <string.h>

struct libc libc;

/* dlsym gives a void pointer; POSIX lets it be stored where a function's pointer lives. */
void *libc_find(void *entry, const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    memcpy(entry, &function, sizeof function);
    return function;
}

void libc_resolve(void)
{
#define CALL(name)                                                                                           \
    if (!libc.name)                                                                                          \
        libc_find(&libc.name, #name);
#define ALIAS(name, other)
#include "calls.def"
#undef CALL
#undef ALIAS
}
