#include "absent.h"

#include "judge/why_absent.h"

#include <elf.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GENERATIONS = 64, ROOTED_SIZE = 2 * PATH_MAX };

static const char library[] = "libtruefin.so";

/* The value of LD_PRELOAD in what PID was started with, "" if it is not set; NULL if that cannot be read. */
static const char *preload_of(pid_t pid, char value[PATH_MAX])
{
    static const char name[] = "LD_PRELOAD=";
    size_t size = 0;
    const char *text = processes_read(pid, "environ", &size);
    *value = '\0';
    for (const char *at = text; at && at < text + size; at += strlen(at) + 1)
        if (strncmp(at, name, sizeof name - 1) == 0)
            snprintf(value, PATH_MAX, "%s", at + sizeof name - 1);
    return text ? value : NULL;
}

/* The first process above that was asked to load it; 0: none. */
static pid_t asked_above(const struct processes *all, const struct process *process)
{
    char value[PATH_MAX];
    for (int i = 0; i < GENERATIONS && process; i++) {
        process = processes_find(all, process->parent);
        const char *preload = process ? preload_of(process->pid, value) : NULL;
        if (preload && strstr(preload, library))
            return process->pid;
    }
    return 0;
}

struct auxiliary {
    uint64_t linker;
    bool secure;
    bool known;
};

static struct auxiliary auxiliary_of(pid_t pid)
{
    struct auxiliary out = {0};
    size_t size = 0;
    const char *text = processes_read(pid, "auxv", &size);
    for (size_t i = 0; text && i + sizeof(Elf64_auxv_t) <= size; i += sizeof(Elf64_auxv_t)) {
        Elf64_auxv_t entry;
        memcpy(&entry, text + i, sizeof entry);
        out.known |= entry.a_type == AT_PHENT && entry.a_un.a_val == sizeof(Elf64_Phdr);
        if (entry.a_type == AT_BASE)
            out.linker = entry.a_un.a_val;
        if (entry.a_type == AT_SECURE)
            out.secure = entry.a_un.a_val;
    }
    return out;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Is what is mapped at START glibc's dynamic linker? */
static bool is_glibc(pid_t pid, uint64_t start)
{
    const char *line = processes_read(pid, "maps", NULL);
    for (; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *path = memchr(line, '/', strcspn(line, "\n"));
        if (path && strtoull(line, NULL, 16) == start) {
            char name[PATH_MAX];
            snprintf(name, sizeof name, "%.*s", (int)strcspn(path, "\n"), path);
            return why_is_glibc_linker(base_name(name));
        }
    }
    return true;
}

static bool has_other_ids(pid_t pid)
{
    const char *text = processes_read(pid, "status", NULL);
    static const char *const names[] = {"\nUid:", "\nGid:"};
    for (int i = 0; text && i < 2; i++) {
        char *end = NULL;
        const char *value = strstr(text, names[i]);
        if (value && strtoul(value + strlen(names[i]), &end, 10) != strtoul(end, NULL, 10))
            return true;
    }
    return false;
}

/* Its words there are of 32 bits, then. */
static bool is_other_class(pid_t pid)
{
    size_t size = 0;
    const char *text = processes_read(pid, "auxv", &size);
    for (size_t i = 0; text && i + sizeof(Elf32_auxv_t) <= size; i += sizeof(Elf32_auxv_t)) {
        Elf32_auxv_t entry;
        memcpy(&entry, text + i, sizeof entry);
        if (entry.a_type == AT_PHENT)
            return entry.a_un.a_val == sizeof(Elf32_Phdr);
    }
    return false;
}

/* The reason that the side-car, too, would name; LOADS if there is none of these. */
static enum why known_why(pid_t pid)
{
    const struct auxiliary auxiliary = auxiliary_of(pid);
    char path[PATH_MAX];
    char target[PATH_MAX] = "";
    if (is_other_class(pid))
        return CLASS;
    snprintf(path, sizeof path, "/proc/%d/exe", pid);
    if (readlink(path, target, sizeof target - 1) < 0)
        return LOADS;
    if (auxiliary.known && !auxiliary.linker && !why_is_linker(base_name(target)))
        return STATIC;
    if (auxiliary.linker && !is_glibc(pid, auxiliary.linker))
        return LIBC;
    if (auxiliary.secure)
        return has_other_ids(pid) ? IDS : SECURE;
    return LOADS;
}

/* The file as this process sees it, in its own root directory; false if LD_PRELOAD names it in a way not known here. */
static bool find_file(char path[ROOTED_SIZE], pid_t pid, char *preload)
{
    char *rest = NULL;
    for (const char *word = strtok_r(preload, ": ", &rest); word; word = strtok_r(NULL, ": ", &rest))
        if (strstr(word, library) && *word == '/' && !strchr(word, '$')) {
            snprintf(path, ROOTED_SIZE, "/proc/%d/root%s", pid, word);
            return true;
        }
    return false;
}

/* Its file system may be one that the process itself serves (FUSE), and never answers. */
static bool exists(const char *path)
{
    enum { LONGEST = 1 }; /* seconds */
    struct stat status;
    int ended = -1;
    const pid_t child = fork();
    if (child == 0) {
        signal(SIGALRM, SIG_DFL);
        alarm(LONGEST);
        _exit(stat(path, &status) != 0);
    }
    return child > 0 && waitpid(child, &ended, 0) == child && WIFEXITED(ended) && WEXITSTATUS(ended) == 0;
}

/* It was asked to load the library, and could have. */
static void why_not_found(char *out, size_t size, pid_t pid, char *preload)
{
    char path[ROOTED_SIZE];
    char link[PATH_MAX];
    char root[PATH_MAX] = "";
    snprintf(link, sizeof link, "/proc/%d/root", pid);
    if (!find_file(path, pid, preload))
        snprintf(out, size, "not loaded: its dynamic linker has not found it, or may not load it");
    else if (exists(path))
        snprintf(out, size,
                 "not loaded: its dynamic linker may not load it (NoExecPaths=, noexec, rights of the file)");
    else if (readlink(link, root, sizeof root - 1) > 0 && strcmp(root, "/") != 0)
        snprintf(out, size, "not loaded: another root directory, %s, which has no such file", root);
    else
        snprintf(out, size, "not loaded: no such file in its file system (%s)",
                 strchr(path + 1, '/') ? path : library);
}

void absent_why(char *out, size_t size, const struct processes *all, const struct process *process)
{
    char preload[PATH_MAX];
    const enum why why = known_why(process->pid);
    if (why != LOADS) {
        snprintf(out, size, "%s", why_note(why));
        return;
    }
    if (!preload_of(process->pid, preload)) {
        snprintf(out, size, "not loaded");
        return;
    }
    if (strstr(preload, library)) {
        why_not_found(out, size, process->pid, preload);
        return;
    }
    const pid_t above = asked_above(all, process);
    if (above)
        snprintf(out, size,
                 "not loaded: cleaned environment: LD_PRELOAD names it in process %d above, not here", above);
    else
        snprintf(out, size, "not loaded: not asked for");
}
