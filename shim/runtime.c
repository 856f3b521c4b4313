#include "runtime.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/*
 * Not in any header of libc's: CPython tells whether it is finalising, up to 3.12 under the first name,
 * from 3.13 on under the second. Weak: NULL, without a search of ours, in all other programs.
 */
int _Py_IsFinalizing(void) __attribute__((weak));
int Py_IsFinalizing(void) __attribute__((weak));

static bool is_finalizing(void)
{
    if (_Py_IsFinalizing)
        return _Py_IsFinalizing();
    return Py_IsFinalizing && Py_IsFinalizing();
}

/* python, python3, python3.11: a program that merely embeds Python may end it and live on. */
static bool is_python(void)
{
    const char *name = program_invocation_short_name;
    const size_t length = strlen("python");
    return strncmp(name, "python", length) == 0 && (!name[length] || isdigit((unsigned char)name[length]));
}

/* The others run no Python any more: what they close, native code closes by its own decision. */
static bool is_main_thread(void)
{
    return gettid() == getpid();
}

bool runtime_is_dying(void)
{
    return is_finalizing() && is_python() && is_main_thread();
}
