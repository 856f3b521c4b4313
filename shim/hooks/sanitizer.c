/*
 * What the run-time libraries of AddressSanitizer and LeakSanitizer ask of whoever defines these functions.
 * Of a program that has neither, nobody asks. Not instrumented when we are built with a sanitizer: the first
 * one is called before that is ready.
 */
#include "config.h"
#include "kept/raw.h"
#include "libc.h"
#include "process/holder.h"
#include "report/record.h"

#include <string.h>

enum { LONGEST = 1024 };

/*
 * AddressSanitizer as a shared library ends a program in which another library comes first. It has to come
 * before libc, and so it does behind us: nothing that we define is anything of its own. Called once, from
 * .preinit_array, when nothing but relocation has been done.
 */
BARE HOOK const char *__asan_default_options(void)
{
    static char options[LONGEST] COLD;
    static const char ours[] = "verify_asan_link_order=0";
    if (!libc_find((void **)&libc.__asan_default_options, "__asan_default_options"))
        return ours;
    const char *theirs = libc.__asan_default_options();
    const size_t length = theirs ? strlen(theirs) : 0;
    if (length == 0)
        return ours;
    if (length > sizeof options - sizeof ours - 1)
        return theirs;
    memcpy(options, theirs, length); // NOLINT(bugprone-not-null-terminated-result): ended below
    options[length] = ':';
    memcpy(options + length + 1, ours, sizeof ours);
    return options;
}

static bool is_watched(void)
{
    const char *watcher = config_variable("TRUEFIN_WATCH");
    return config.watched || (watcher && holder_traced_by(watcher));
}

/* LeakSanitizer traces the program for its look at it, and ends it with a bad status where somebody else does. */
BARE HOOK int __lsan_is_turned_off(void)
{
    if (is_watched()) {
        record_note("the side-car traces this program, so LeakSanitizer does not look for leaks");
        return 1;
    }
    return libc_find((void **)&libc.__lsan_is_turned_off, "__lsan_is_turned_off") &&
           libc.__lsan_is_turned_off();
}
