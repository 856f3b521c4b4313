#include "judge/runtime.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

/*
 * Not in any header of libc's: CPython tells whether it is finalising, up to 3.12 under the first name, from
 * 3.13 on under the second; Tcl tells whether Tcl_Exit, which never returns, has begun. Weak: NULL, without a
 * search of ours, in all other programs.
 */
int _Py_IsFinalizing(void) __attribute__((weak));
int Py_IsFinalizing(void) __attribute__((weak));
int TclInExit(void) __attribute__((weak));

static bool is_finalizing(void)
{
    if (_Py_IsFinalizing)
        return _Py_IsFinalizing();
    return Py_IsFinalizing && Py_IsFinalizing();
}

static bool is_tcl_exiting(void)
{
    return TclInExit && TclInExit();
}

/* NAME, and maybe a version: python3.11. A program that merely embeds a language may end it and live on. */
static bool is_program(const char *name)
{
    const char *own = program_invocation_short_name;
    const size_t length = strlen(name);
    return strncmp(own, name, length) == 0 && (!own[length] || isdigit((unsigned char)own[length]));
}

/* The other threads run no script any more. If one closes something, native code has decided so. */
static bool is_main_thread(void)
{
    return gettid() == getpid();
}

bool runtime_is_dying(void)
{
    return ((is_finalizing() && is_program("python")) || (is_tcl_exiting() && is_program("tclsh"))) &&
           is_main_thread();
}
