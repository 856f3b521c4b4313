#include "unloaded.h"

#include "carry.h"
#include "copies.h"
#include "judge/why_absent.h"
#include "notices.h"
#include "proc.h"
#include "report/record.h"
#include "report/sink.h"
#include "text.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SAID = 512, NOTE_SIZE = 160 };

static const char library[] = "libtruefin.so";

static bool expected;

void unloaded_expect(const char *preload)
{
    expected = preload && strstr(preload, library);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* By the dynamic linker that the kernel has mapped, if it has mapped one. */
static enum why why_linker(pid_t pid, const struct auxiliary *auxiliary, const char *command)
{
    char name[NAME_MAX + 1];
    if (!auxiliary->linker)
        return why_is_linker(base_name(command)) ? LOADS : STATIC;
    if (!proc_file_at(name, sizeof name, pid, auxiliary->linker))
        return LOADS;
    return why_is_glibc_linker(name) ? LOADS : LIBC;
}

/* A process that may not be looked at tells its users, at least. */
static enum why why_secure(pid_t pid, const struct auxiliary *auxiliary)
{
    if (auxiliary && !auxiliary->secure)
        return LOADS;
    if (proc_has_other_ids(pid))
        return IDS;
    return auxiliary ? SECURE : LOADS;
}

static enum why why_absent(pid_t pid, bool other_class, const char *command)
{
    struct auxiliary auxiliary;
    char *preload = NULL;
    const bool readable = proc_variable(&preload, pid, "LD_PRELOAD");
    const bool names_us = preload && strstr(preload, library);
    const bool every_class = names_us && strchr(preload, '$');
    free(preload);
    if (other_class)
        return every_class ? LOADS : CLASS;
    /* Read last: who has it has had the environment, too. */
    if (!readable || !proc_auxiliary(&auxiliary, pid))
        return why_secure(pid, NULL);
    const enum why why = why_linker(pid, &auxiliary, command);
    if (why || proc_preloads_everywhere(library))
        return why;
    const enum why secure = why_secure(pid, &auxiliary);
    return secure || names_us ? secure : ENVIRONMENT;
}

/* When there is no room for another one, nothing more is said. */
static bool is_first(uint64_t key)
{
    static uint64_t said[MOST_SAID];
    for (size_t i = 0; i < MOST_SAID; i++) {
        if (said[i] == key)
            return false;
        if (!said[i]) {
            said[i] = key;
            return true;
        }
    }
    return false;
}

/* FNV-1a, 64 bits. */
static uint64_t key_of(enum why why, const char *command)
{
    uint64_t key = 0xcbf29ce484222325 ^ why;
    for (; *command; command++)
        key = (key ^ (uint8_t)*command) * 0x100000001b3;
    return key;
}

struct absent {
    enum why why;
    const char *command;
};

static void say(const void *data)
{
    const struct absent *absent = data;
    char note[NOTE_SIZE];
    struct text text = text_begin(note, sizeof note);
    text_put(&text, why_note(absent->why));
    text_put(&text, notices_are_on() ? "; its closes are seen from outside" : "; its closes are not seen");
    text_end(&text);
    record_command(note, absent->command);
}

static void note(pid_t pid, const struct absent *absent)
{
    const int pidfd = proc_open(pid, pid);
    carry_record(pid, pidfd, say, absent);
    copies_close();
    close(pidfd);
}

bool unloaded_note(pid_t pid, bool other_class)
{
    char command[PATH_MAX];
    const bool says = expected && sink_is_open();
    if (!says && !notices_are_on())
        return false;
    if (!proc_path(command, sizeof command, pid))
        proc_name(command, pid);
    const struct absent absent = {.why = why_absent(pid, other_class, command), .command = command};
    if (absent.why && says && is_first(key_of(absent.why, command)))
        note(pid, &absent);
    return absent.why;
}
