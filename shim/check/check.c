/*
 * Can this command be shimmed? Finds it as a shell would, follows #! lines, and reads the ELF header of what
 * runs in the end. Nothing of the command is executed, and nothing in the file is believed before it was
 * compared with the bounds of what was read: it may be damaged or hostile.
 *
 *     name --find_command--> path --examine--> [#! line --> the interpreter's path -->] ELF --> one line
 *
 * The rules for LD_PRELOAD are those of ld.so(8); for secure execution those of security/commoncap.c:
 * cap_bprm_creds_from_file() in the kernel; for #! those of execve(2).
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum exit_code {
    EXIT_YES,
    EXIT_NO,
    EXIT_USAGE,
    EXIT_SECURE, /* no, and it must not be watched either; only with --loaded */
    EXIT_NOT_LOADED = 125,
    EXIT_CANNOT_RUN = 126,
    EXIT_NOT_FOUND = 127
};

enum {
    SCRIPT_LEVELS = 4, /* execve(2): interpreters that are scripts themselves */
    SCRIPT_LINE = 256  /* BINPRM_BUF_SIZE: what the kernel reads of a #! line */
};

static const char help[] =
    "Usage: truefin check COMMAND\n"
    "Say on one line whether COMMAND can be run under truefin, and if not, why.\n"
    "\n"
    "Exit status: 0 it can, 1 it cannot, 2 usage, 126 it cannot be run at all, 127 not found.\n";

/* The answer: one line that grows from left to right, "COMMAND: script run by X, dynamic glibc, ...". */
struct answer {
    char text[4 * PATH_MAX];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void say(struct answer *a, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(a->text + a->length, sizeof a->text - a->length, format, arguments);
    va_end(arguments);
    if (n > 0)
        a->length += (size_t)n;
    if (a->length >= sizeof a->text)
        a->length = sizeof a->text - 1;
}

/* On one line in any case: names from the file system and from #! lines may hold control bytes. */
static void print_line(FILE *to, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, to);
    fputc('\n', to);
}

static enum exit_code no(struct answer *a, const char *why)
{
    say(a, "%s", why);
    return EXIT_NO;
}

/* Where error() writes: stderr, but for `truefin run` stdout, see main(). */
static FILE *errors;

/* For what no shell could run either: the message is in the words of a shell. */
static enum exit_code error(enum exit_code code, const char *path, const char *why)
{
    char text[PATH_MAX + 128];
    snprintf(text, sizeof text, "truefin: %s: %s", path, why);
    print_line(errors, text);
    return code;
}

/* Finding the command. */

static bool is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool is_executable(const char *path)
{
    return is_regular(path) && faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

/* Puts the path that a shell would execute for NAME into OUT (PATH_MAX bytes). Returns EXIT_YES,
 * EXIT_NOT_FOUND, or EXIT_CANNOT_RUN where all that was found is not executable; OUT is then the first of
 * these. */
static enum exit_code find_command(char *out, const char *name)
{
    if (strchr(name, '/')) {
        if (strlen(name) >= PATH_MAX || access(name, F_OK))
            return EXIT_NOT_FOUND;
        memcpy(out, name, strlen(name) + 1);
        return is_executable(name) ? EXIT_YES : EXIT_CANNOT_RUN;
    }
    if (!*name)
        return EXIT_NOT_FOUND;

    const char *path = getenv("PATH");
    enum exit_code code = EXIT_NOT_FOUND;
    char candidate[PATH_MAX];
    for (const char *at = path ? path : "/bin:/usr/bin"; at;
         at = strchr(at, ':') ? strchr(at, ':') + 1 : NULL) {
        int length = (int)strcspn(at, ":");
        /* An empty element means the working directory. */
        int n = snprintf(candidate, sizeof candidate, "%.*s%s%s", length, at, length ? "/" : "./", name);
        if (n < 0 || n >= PATH_MAX || !is_regular(candidate))
            continue;
        bool executable = is_executable(candidate);
        if (executable || code == EXIT_NOT_FOUND)
            memcpy(out, candidate, (size_t)n + 1);
        if (executable)
            return EXIT_YES;
        code = EXIT_CANNOT_RUN;
    }
    return code;
}

/* Reading. */

/* Exactly SIZE bytes at OFFSET, or false. */
static bool read_at(int fd, void *out, size_t size, uint64_t offset)
{
    char *to = out;
    while (size > 0) {
        if (offset > INT64_MAX)
            return false;
        ssize_t n = pread(fd, to, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        to += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* ELF. The structures are those of this program's own class: files of the other class are turned away first.
 */

/* This program's own header, placed by the linker: the library is built for the same machine. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static bool same_machine(const ElfW(Ehdr) * header)
{
    const ElfW(Ehdr) *own = &__ehdr_start;
    return header->e_ident[EI_CLASS] == own->e_ident[EI_CLASS] &&
           header->e_ident[EI_DATA] == own->e_ident[EI_DATA] && header->e_machine == own->e_machine;
}

enum find { FOUND, NONE, DAMAGED };

/* The dynamic linker that the file asks for. */
static enum find find_interpreter(int fd, const ElfW(Ehdr) * header, char out[PATH_MAX])
{
    if (header->e_phnum && header->e_phentsize != sizeof(ElfW(Phdr)))
        return DAMAGED;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        ElfW(Phdr) segment;
        if (!read_at(fd, &segment, sizeof segment, header->e_phoff + i * sizeof segment))
            return DAMAGED;
        if (segment.p_type != PT_INTERP)
            continue;
        if (segment.p_filesz < 2 || segment.p_filesz > PATH_MAX ||
            !read_at(fd, out, segment.p_filesz, segment.p_offset))
            return DAMAGED;
        return out[segment.p_filesz - 1] == '\0' ? FOUND : DAMAGED;
    }
    return NONE;
}

/* Whether the Go linker made it: by section names, which also stripped programs have. A file without readable
 * sections counts as no Go; it runs, and truefin misses what its runtime does by raw system calls. */
static bool is_go(int fd, const ElfW(Ehdr) * header)
{
    static const char *const names[] = {".go.buildinfo", ".note.go.buildid"};
    ElfW(Shdr) section;
    if (header->e_shentsize != sizeof section ||
        !read_at(fd, &section, sizeof section, header->e_shoff + header->e_shstrndx * sizeof section))
        return false;
    uint64_t strings = section.sh_offset;
    for (unsigned i = 0; i < header->e_shnum; i++) {
        char name[24];
        if (!read_at(fd, &section, sizeof section, header->e_shoff + i * sizeof section))
            return false;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            size_t size = strlen(names[k]) + 1;
            if (read_at(fd, name, size, strings + section.sh_name) && !memcmp(name, names[k], size))
                return true;
        }
    }
    return false;
}

/* Whether NAME stands in the SIZE bytes at OFFSET, with a zero byte before it and behind it. */
static bool has_name(int fd, uint64_t offset, uint64_t size, const char *name)
{
    char block[4096];
    const size_t length = strlen(name) + 2;
    while (size >= length) {
        size_t n = size < sizeof block ? (size_t)size : sizeof block;
        if (!read_at(fd, block, n, offset))
            return false;
        for (char *at = block; (at = memchr(at, '\0', n - (size_t)(at - block))); at++)
            if (n - (size_t)(at - block) >= length && !memcmp(at + 1, name, length - 1))
                return true;
        if (n == size)
            return false;
        offset += n - length + 1;
        size -= n - length + 1;
    }
    return false;
}

/* Whether it was built with AddressSanitizer or LeakSanitizer: by the names that the dynamic linker looks up,
 * which stripped programs have too. */
static bool has_leak_check(int fd, const ElfW(Ehdr) * header)
{
    static const char *const names[] = {"__asan_init", "__lsan_init", "__lsan_is_turned_off"};
    ElfW(Shdr) section;
    for (unsigned i = 0; header->e_shentsize == sizeof section && i < header->e_shnum; i++) {
        if (!read_at(fd, &section, sizeof section, header->e_shoff + i * sizeof section))
            return false;
        if (section.sh_type != SHT_STRTAB || !(section.sh_flags & SHF_ALLOC))
            continue;
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (has_name(fd, section.sh_offset, section.sh_size, names[k]))
                return true;
    }
    return false;
}

/*
 * Whether the dynamic linker will run in secure mode (AT_SECURE) and so ignore us. Not the bits of the file
 * decide, but what they change for us: the new effective ids differ from our real ones, or a real user other
 * than root gets file capabilities. So root runs a setuid-root program like any other, and a user one that is
 * setuid to himself. Taken as given: user ids that are mapped here, and a file system without nosuid (where
 * the answer is a needless no).
 */
static const char *why_secure(int fd, const struct stat *st)
{
    /* With no_new_privs, execve ignores the set-id bits; file capabilities still cause secure mode. */
    bool ignored = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    bool setuid_bit = !ignored && (st->st_mode & S_ISUID);
    /* Without group execution the setgid bit means mandatory locking. */
    bool setgid_bit = !ignored && (st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP);

    if ((setuid_bit ? st->st_uid : geteuid()) != getuid())
        return setuid_bit ? "setuid: the dynamic linker ignores LD_PRELOAD"
                          : "run with a foreign effective user id: the dynamic linker ignores LD_PRELOAD";
    if ((setgid_bit ? st->st_gid : getegid()) != getgid())
        return setgid_bit ? "setgid: the dynamic linker ignores LD_PRELOAD"
                          : "run with a foreign effective group id: the dynamic linker ignores LD_PRELOAD";
    if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
        return "has file capabilities: the dynamic linker ignores LD_PRELOAD";
    return NULL;
}

static enum exit_code examine_elf(struct answer *a, int fd, const struct stat *st)
{
    ElfW(Ehdr) header;
    char linker[PATH_MAX];

    if (!read_at(fd, &header, sizeof header, 0))
        return no(a, "damaged ELF file");
    if (!same_machine(&header))
        return no(a, "built for another class or machine than truefin");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return no(a, "an ELF file, but no program");

    switch (find_interpreter(fd, &header, linker)) {
    case DAMAGED:
        return no(a, "damaged ELF file");
    case NONE:
        return no(a, is_go(fd, &header) ? "static (Go): no dynamic linker runs that could load truefin"
                                        : "static: no dynamic linker runs that could load truefin");
    case FOUND:
        break;
    }
    if (starts_with(base_name(linker), "ld-musl-"))
        return no(a, "musl: truefin is built for glibc");
    if (!starts_with(base_name(linker), "ld-linux") && !starts_with(base_name(linker), "ld64.so")) {
        say(a, "dynamic linker %s is not that of glibc", linker);
        return EXIT_NO;
    }
    if (access(linker, F_OK)) {
        say(a, "its dynamic linker %s is missing", linker);
        return EXIT_NO;
    }
    const char *secure = why_secure(fd, st);
    if (secure)
        return no(a, secure);
    if (is_go(fd, &header))
        return no(a, "Go: its runtime makes system calls without libc, where truefin cannot see them");
    say(a, "dynamic glibc, %scan be shimmed", has_leak_check(fd, &header) ? "with a leak check, " : "");
    return EXIT_YES;
}

/* Scripts. */

/* Cuts the next word off *line: sets *line behind it. NULL at the end. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t");
    if (!*word)
        return NULL;
    *line = word + strcspn(word, " \t");
    if (**line)
        *(*line)++ = '\0';
    return word;
}

/* The command that env(1) would run for ARGUMENT, which is all that follows env on a #! line, one argument
 * for the kernel: "X", or with -S "-S [NAME=VALUE]... X ARGUMENT...". NULL where other options are used: they
 * may drop LD_PRELOAD. */
static char *command_of_env(char *argument)
{
    if (!argument)
        return NULL;
    if (!starts_with(argument, "-S"))
        return *argument == '-' || strchr(argument, '=') ? NULL : argument;
    argument += strlen("-S");
    char *word = next_word(&argument);
    while (word && strchr(word, '=') && !starts_with(word, "LD_PRELOAD="))
        word = next_word(&argument);
    return word && *word != '-' && !strchr(word, '=') ? word : NULL;
}

/* The first line behind its #!, without the blanks at its end; NULL where there is no interpreter. */
static char *after_hash_bang(char *start)
{
    if (!starts_with(start, "#!"))
        return NULL;
    size_t length = strcspn(start, "\n");
    while (length > 2 && strchr(" \t", start[length - 1]))
        length--;
    start[length] = '\0';
    return length > 2 ? start + 2 : NULL;
}

/* Takes the #! LINE apart. OUT (PATH_MAX bytes) becomes the path of what runs the script. */
static enum exit_code follow_script(struct answer *a, char *line, char *out)
{
    char *interpreter = next_word(&line);
    say(a, "script run by %s, ", interpreter);
    if (strcmp(base_name(interpreter), "env") != 0) {
        snprintf(out, PATH_MAX, "%s", interpreter);
        return EXIT_YES;
    }
    line += strspn(line, " \t");
    char *name = command_of_env(*line ? line : NULL);
    if (!name)
        return no(a, "whose options hide what runs in the end");
    enum exit_code code = find_command(out, name);
    if (code != EXIT_YES)
        return error(code, name, code == EXIT_NOT_FOUND ? "not found" : "cannot be run");
    say(a, "which finds %s, ", out);
    return EXIT_YES;
}

/* Reads up to the end of the first line. Returns its length, 0 when there is nothing to read. */
static size_t read_first_line(int fd, char line[SCRIPT_LINE + 1])
{
    ssize_t n = pread(fd, line, SCRIPT_LINE, 0);
    if (n < 0)
        n = 0;
    line[n] = '\0';
    return (size_t)n;
}

/* Looks at PATH (PATH_MAX bytes), which is executable. For a script, *again is set and PATH is what runs it.
 */
static enum exit_code examine_file(struct answer *a, char *path, bool *again)
{
    char start[SCRIPT_LINE + 1];
    struct stat st;
    char *line;

    *again = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        say(a, "cannot be read: %s", strerror(errno));
        return EXIT_NO;
    }
    enum exit_code code;
    size_t length = read_first_line(fd, start);
    if (fstat(fd, &st)) {
        code = no(a, "cannot be examined");
    } else if (length >= SELFMAG && !memcmp(start, ELFMAG, SELFMAG)) {
        code = examine_elf(a, fd, &st);
        /* execve(2): under a tracer it would not get the rights that it is there for. */
        if (code == EXIT_NO && why_secure(fd, &st))
            code = EXIT_SECURE;
    } else if (memchr(start, '\0', length)) {
        code = no(a, "neither an ELF program nor a script");
    } else if ((line = after_hash_bang(start))) {
        code = follow_script(a, line, path);
        *again = code == EXIT_YES;
    } else {
        /* execve refuses it, and then shells and execvp run it by a shell. */
        say(a, "script without #!, run by /bin/sh, ");
        snprintf(path, PATH_MAX, "/bin/sh");
        code = EXIT_YES;
        *again = true;
    }
    close(fd);
    return code;
}

static enum exit_code examine(struct answer *a, char *path)
{
    for (int level = 0; level <= SCRIPT_LEVELS; level++) {
        bool again;
        /* For the command itself this was seen before; it is for interpreters. */
        if (!is_executable(path))
            return error(EXIT_CANNOT_RUN, path, strerror(is_regular(path) ? EACCES : ENOENT));
        enum exit_code code = examine_file(a, path, &again);
        if (!again)
            return code;
    }
    return error(EXIT_CANNOT_RUN, path, "too many levels of scripts");
}

/* For `truefin run`, which starts us with the library in LD_PRELOAD: did the dynamic linker load it? */
static int is_library(struct dl_phdr_info *info, size_t size, void *data)
{
    (void)size;
    (void)data;
    return strcmp(base_name(info->dlpi_name), "libtruefin.so") == 0;
}

int main(int argc, char **argv)
{
    static struct answer answer;
    char path[PATH_MAX];
    bool loaded = false;
    int i = 1;

    if (i < argc && !strcmp(argv[i], "--help")) {
        fputs(help, stdout);
        return fflush(stdout) ? EXIT_USAGE : EXIT_SUCCESS;
    }
    if (i < argc && !strcmp(argv[i], "--loaded")) {
        loaded = true;
        i++;
    }
    /* The dynamic linker too ends a process with 127: only our words tell `truefin run` that it was us. */
    errors = loaded ? stdout : stderr;

    bool dashes = i < argc && !strcmp(argv[i], "--");
    i += dashes;
    if (argc - i != 1 || (!dashes && argv[i][0] == '-')) {
        fputs("truefin check: needs one COMMAND\nTry 'truefin check --help'.\n", stderr);
        return EXIT_USAGE;
    }
    if (loaded && !dl_iterate_phdr(is_library, NULL))
        return EXIT_NOT_LOADED;

    const char *name = argv[i];
    enum exit_code code = find_command(path, name);
    if (code == EXIT_NOT_FOUND)
        error(code, name, "not found");
    if (code == EXIT_CANNOT_RUN)
        error(code, name, is_regular(path) ? strerror(EACCES) : "not a regular file");
    if (code == EXIT_YES) {
        say(&answer, "%s: ", name);
        code = examine(&answer, path);
        if (code <= EXIT_NO || code == EXIT_SECURE)
            print_line(stdout, answer.text);
    }
    if (code == EXIT_SECURE && !loaded)
        code = EXIT_NO;
    return fflush(stdout) ? EXIT_USAGE : (int)code;
}
