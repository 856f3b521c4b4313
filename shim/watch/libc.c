/*
 * The real functions (libc.h) of a program that hooks nothing: libc's own, at hand without dlsym(3). Those
 * that the files of the library call which this program shares (shim/CMakeLists.txt); `test/lint core`
 * compares.
 */
#include "libc.h"

struct libc libc = {
    ._exit = _exit,
    .close = close,
    .fcntl = fcntl,
    .readlinkat = readlinkat,
    .sendmsg = sendmsg,
    .socket = socket,
    .syscall = syscall,
};

/* Asked for what is missing above. */
void *libc_need(void **entry, const char *name)
{
    (void)entry;
    fprintf(stderr, "truefin: watch/libc.c lacks %s\n", name);
    abort();
}
