#include "libc.h"

#include <dlfcn.h>

struct libc libc;

const struct libc *libc_resolve(void)
{
    /* dlsym gives a void pointer; POSIX lets it be stored where the function's pointer lives. */
#define CALL(name) *(void **)&libc.name = dlsym(RTLD_NEXT, #name);
#include "calls.def"
#undef CALL
    return &libc;
}
