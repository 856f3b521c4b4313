#include "runtime.h"

#include <errno.h>
#include <string.h>

/*
 * Not in any header of libc's: CPython tells whether it is finalising, up to 3.12 under the first name,
 * from 3.13 on under the second. Weak: NULL, without a search of ours, in all other programs.
 */
int _Py_IsFinalizing(void) __attribute__((weak));
int Py_IsFinalizing(void) __attribute__((weak));

/* A program that merely embeds Python may end it and live on. */
static bool is_python(void)
{
    return strncmp(program_invocation_short_name, "python", strlen("python")) == 0;
}

bool runtime_is_dying(void)
{
    if (_Py_IsFinalizing)
        return _Py_IsFinalizing() && is_python();
    return Py_IsFinalizing && Py_IsFinalizing() && is_python();
}
