#include "judge/absence.h"

#include "config.h"
#include "judge/why_absent.h"
#include "keep_errno.h"
#include "libc.h"
#include "process/holder.h"
#include "process/process.h"
#include "process/strings.h"
#include "report/record.h"
#include "report/sink.h"
#include "text.h"

#include <elf.h>
#include <errno.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

enum {
    PATH_SIZE = 256,   /* of what is longer nothing is told */
    SCRIPT_LINE = 256, /* BINPRM_BUF_SIZE: what the kernel reads of a #! line */
    SCRIPT_LEVELS = 4, /* execve(2): interpreters that are scripts themselves */
    PAGE = 4096,
    MOST_SAID = PAGE / sizeof(uint64_t),
};

/*
 * Which programs were named, for which reason. All fork children share it, so it holds no text. A program that
 * overwrites it loses a note, or gets one twice.
 */
static _Atomic uint64_t *said COLD;

struct absent {
    enum why why;
    uint64_t key;
    char command[PATH_SIZE];
};

/*
 * What a vfork child is about to execute. It has no memory of its own, so the parent has it, and says it: the
 * place for records is the parent's.
 */
static __thread struct absent expected __attribute__((tls_model("initial-exec")));

void absence_begin(void)
{
    if (!sink_is_open())
        return;
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED)
        said = page;
}

static bool wanted(void)
{
    uint8_t state = atomic_load(&config.state);
    return said && state != STATE_INERT && state != STATE_QUIET && !config.watched;
}

/* What LD_PRELOAD says of us. */
struct preload {
    bool names_us;
    bool every_class; /* so that each class takes its own ($LIB, $PLATFORM: ld.so(8)) */
};

static bool see_argument(struct reader *reader, const char *string, void *data)
{
    (void)data;
    return strings_can_read(reader, string, 1);
}

static bool see_variable(struct reader *reader, const char *string, void *data)
{
    static const char name[] = "LD_PRELOAD=";
    struct preload *preload = data;
    bool is = false;
    if (!strings_begins(reader, string, name, &is))
        return false;
    return !is || (strings_holds(reader, string + sizeof name - 1, "libtruefin.so", &preload->names_us) &&
                   strings_holds(reader, string + sizeof name - 1, "$", &preload->every_class));
}

/* ld.so(8) reads this file in every process, secure or not. */
static bool is_preloaded_everywhere(void)
{
    return holder_file_has("/etc/ld.so.preload", "libtruefin.so");
}

/* Not open(2), a cancellation point, and closed in the same way. */
static int open_program(int directory, const char *path)
{
    struct stat now;
    if (fstatat(directory, path, &now, 0) != 0 || !S_ISREG(now.st_mode))
        return -1;
    return (int)real(syscall)(SYS_openat, directory, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static void close_program(int file)
{
    real(syscall)(SYS_close, file);
}

static bool read_at(int file, void *out, size_t size, uint64_t offset)
{
    return real(syscall)(SYS_pread64, file, out, size, offset) == (long)size;
}

static void name_of(char out[PATH_SIZE], int file)
{
    struct text path = text_begin(out, PATH_SIZE);
    text_put(&path, "/proc/self/fd/");
    text_number(&path, (unsigned)file, 10);
    text_end(&path);
}

/* At an exec the kernel checks the effective user's rights; access(2) checks the real user's. */
static bool may_execute(int file, const struct stat *status)
{
    char path[PATH_SIZE];
    name_of(path, file);
    if (geteuid() != getuid() || getegid() != getgid())
        return status->st_mode & (S_IXUSR | S_IXGRP | S_IXOTH);
    return access(path, X_OK) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* As `truefin check` tells it: see check/check.c. */
static enum why why_secure(int file, const struct stat *status, bool resets_ids)
{
    const bool set_user = status->st_mode & S_ISUID;
    /* Without group execution the setgid bit means mandatory locking. */
    const bool set_group = (status->st_mode & S_ISGID) && (status->st_mode & S_IXGRP);
    const bool honoured =
        (set_user || set_group) && !holder_file_has("/proc/self/status", "\nNoNewPrivs:\t1");
    if (honoured && ((set_user && status->st_uid != getuid()) || (set_group && status->st_gid != getgid())))
        return SET_ID;
    if (!resets_ids && ((!(honoured && set_user) && geteuid() != getuid()) ||
                        (!(honoured && set_group) && getegid() != getgid())))
        return IDS;
    if (getuid() != 0 && !holder_is_filtered() && fgetxattr(file, "security.capability", NULL, 0) > 0)
        return CAPABILITIES;
    return LOADS;
}

/* The segment that names the dynamic linker. */
static enum why why_linker(int file, const ElfW(Ehdr) * header, const char *command)
{
    char name[PATH_SIZE] = "";
    ElfW(Phdr) segment;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        if (!read_at(file, &segment, sizeof segment, header->e_phoff + i * sizeof segment))
            return LOADS;
        if (segment.p_type != PT_INTERP)
            continue;
        if (segment.p_filesz >= sizeof name || !read_at(file, name, segment.p_filesz, segment.p_offset) ||
            access(name, X_OK) != 0)
            return LOADS;
        return why_is_glibc_linker(base_name(name)) ? LOADS : LIBC;
    }
    return why_is_linker(base_name(command)) ? LOADS : STATIC;
}

/* This library's own header, placed by the linker. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

/* Its machine stands at the same place in both classes. */
#ifdef __aarch64__
enum { OTHER_CLASS = EM_ARM };
#else
enum { OTHER_CLASS = EM_386 };
#endif

static enum why why_file(int file, const char *command)
{
    ElfW(Ehdr) header;
    if (!read_at(file, &header, sizeof header, 0) || (header.e_type != ET_EXEC && header.e_type != ET_DYN))
        return LOADS;
    if (header.e_machine == OTHER_CLASS && header.e_ident[EI_CLASS] == ELFCLASS32)
        return CLASS;
    if (header.e_machine != __ehdr_start.e_machine || header.e_phentsize != sizeof(ElfW(Phdr)))
        return LOADS;
    return why_linker(file, &header, command);
}

/* Puts the interpreter of a script into LINE, which holds its beginning. */
static bool find_interpreter(char line[SCRIPT_LINE + 1])
{
    size_t start = strspn(line + 2, " \t") + 2;
    size_t length = strcspn(line + start, " \t\n");
    line[start + length] = '\0';
    memmove(line, line + start, length + 1);
    return length > 0 && start + length < SCRIPT_LINE;
}

/* The file that runs in the end: FILE, or, for a script, what runs that. Closes those on the way; -1 for none. */
static int follow_scripts(int file)
{
    for (int level = 0; file >= 0; level++) {
        char line[SCRIPT_LINE + 1] = "";
        struct stat now;
        bool runs = fstat(file, &now) == 0 && may_execute(file, &now) &&
                    real(syscall)(SYS_pread64, file, line, SCRIPT_LINE, 0L) > SELFMAG;
        if (runs && memcmp(line, ELFMAG, SELFMAG) == 0)
            return file;
        runs = runs && level <= SCRIPT_LEVELS && starts_with(line, "#!") && find_interpreter(line);
        close_program(file);
        file = runs ? open_program(AT_FDCWD, line) : -1;
    }
    return -1;
}

/* execvp(3) takes the first in PATH that it can execute. */
static int search(const char *name)
{
    const char *at = getenv("PATH");
    for (at = at ? at : "/bin:/usr/bin"; at; at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        char candidate[PATH_SIZE];
        size_t length = strcspn(at, ":");
        struct text path = text_begin(candidate, sizeof candidate);
        for (size_t i = 0; i < length; i++)
            text_char(&path, at[i]);
        if (length)
            text_char(&path, '/');
        text_put(&path, name);
        if (text_end(&path) < sizeof candidate && access(candidate, X_OK) == 0) {
            int file = open_program(AT_FDCWD, candidate);
            if (file >= 0)
                return file;
        }
    }
    return -1;
}

static bool is_absolute(const char *name, struct reader *reader)
{
    bool slash;
    return strings_begins(reader, name, "/", &slash) && slash;
}

/* -1 too if it cannot be read: of posix_spawnp(3) only the child has seen it. */
static int open_file(const struct program *program, struct reader *reader)
{
    bool slash;
    if (!strings_holds(reader, program->file, "/", &slash))
        return -1;
    if (!slash)
        return search(program->file);
    return program->moves && !is_absolute(program->file, reader) ? -1 : open_program(AT_FDCWD, program->file);
}

static int open_path(const struct program *program, struct reader *reader)
{
    char self[PATH_SIZE];
    if (program->moves && !is_absolute(program->path, reader))
        return -1;
    if (!(program->flags & AT_EMPTY_PATH) || !strings_can_read(reader, program->path, 1) || *program->path)
        return open_program(program->directory, program->path);
    name_of(self, program->directory);
    return open_program(AT_FDCWD, self);
}

/* Of a file that is open: which one is it, and does it load us? */
static bool is_absent(struct absent *absent, int file, const struct program *program,
                      const struct preload *preload)
{
    char link[PATH_SIZE];
    struct stat now;
    name_of(link, file);
    ssize_t length = readlink(link, absent->command, sizeof absent->command - 1);
    if (length < 0 || fstat(file, &now) != 0)
        return false;
    absent->command[length] = '\0';
    absent->why = why_file(file, absent->command);
    if (absent->why == CLASS && preload->every_class)
        absent->why = LOADS;
    else if (!absent->why && !is_preloaded_everywhere()) {
        absent->why = why_secure(file, &now, program->resets_ids);
        if (!absent->why && !preload->names_us)
            absent->why = ENVIRONMENT;
    }
    absent->key = ((uint64_t)now.st_dev << 48 ^ (uint64_t)now.st_ino) << 3 | absent->why;
    return absent->why != LOADS;
}

static bool look(struct absent *absent, const struct program *program)
{
    struct reader reader = {.page = NO_PAGE};
    struct preload preload = {.names_us = false};
    if (!strings_each(&reader, program->argv, see_argument, NULL) ||
        !strings_each(&reader, program->environment, see_variable, &preload))
        return false;
    int file = follow_scripts(program->file ? open_file(program, &reader) : open_path(program, &reader));
    if (file < 0)
        return false;
    bool is = is_absent(absent, file, program, &preload);
    close_program(file);
    return is;
}

/* Of two that come at once one is the first. When there is no room for another one, nothing more is said. */
static bool is_first(uint64_t key)
{
    for (size_t i = 0; i < MOST_SAID; i++) {
        uint64_t other = 0;
        if (atomic_compare_exchange_strong(&said[i], &other, key))
            return true;
        if (other == key)
            return false;
    }
    return false;
}

static void say(const struct absent *absent)
{
    if (is_first(absent->key))
        record_command(why_note(absent->why), absent->command);
}

void absence_expect(const struct program *program)
{
    struct absent absent;
    int cancellation;
    if (!wanted())
        return;
    KEEP_ERRNO;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
    if (!look(&absent, program))
        absent.why = LOADS;
    if (truefin_in_vfork)
        expected = absent;
    else if (absent.why && process_enter())
        say(&absent);
    pthread_setcancelstate(cancellation, NULL);
}

void absence_exec_failed(void)
{
    expected.why = LOADS;
}

void absence_execed(void)
{
    if (!expected.why)
        return;
    KEEP_ERRNO;
    int cancellation;
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancellation);
    say(&expected);
    expected.why = LOADS;
    pthread_setcancelstate(cancellation, NULL);
}
