#include "judge/why_absent.h"

#include <string.h>

static const char notes[][80] = {
    [CLASS] = "not loaded: it is for another machine or word size",
    [STATIC] = "not loaded: static",
    [LIBC] = "not loaded: its libc is not glibc",
    [IDS] = "not loaded: AT_SECURE, its effective user or group is not the real one",
    [SET_ID] = "not loaded: AT_SECURE, setuid or setgid",
    [CAPABILITIES] = "not loaded: AT_SECURE, file capabilities",
    [SECURE] = "not loaded: AT_SECURE, by file capabilities or a security module",
    [ENVIRONMENT] = "not loaded: its LD_PRELOAD does not name truefin",
};

const char *why_note(enum why why)
{
    return notes[why];
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

bool why_is_linker(const char *name)
{
    return starts_with(name, "ld-") || starts_with(name, "ld64.so") || starts_with(name, "ld.so");
}

bool why_is_glibc_linker(const char *name)
{
    return starts_with(name, "ld-linux") || starts_with(name, "ld64.so") || starts_with(name, "ld-2.");
}
