/*
 * Can this command be run under truefin? check finds it as a shell would, follows #! lines, and reads the ELF header of
 * the program that runs in the end. It executes nothing of the command.
 *
 *     name --find_command--> path --examine--> [#! line --> the interpreter's path -->] ELF --> one line
 *
 * The rules for LD_PRELOAD are those of ld.so(8).
 */
#include "answer.h"
#include "elf.h"
#include "find.h"
#include "script.h"
#include "secure.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SCRIPT_LEVELS = 4, /* execve(2): interpreters that are scripts themselves */
    SCRIPT_LINE = 256  /* BINPRM_BUF_SIZE: what the kernel reads of a #! line */
};

static const char help[] =
    "Usage: truefin check COMMAND\n"
    "Say on one line whether COMMAND can be run under truefin, and if not, why.\n"
    "\n"
    "Exit status: 0 it can, 1 it cannot, 2 usage, 126 it cannot be run at all, 127 not found.\n";

/* Reads up to the end of the first line. Returns its length, 0 when there is nothing to read. */
static size_t read_first_line(int fd, char line[SCRIPT_LINE + 1])
{
    ssize_t n = pread(fd, line, SCRIPT_LINE, 0);
    if (n < 0)
        n = 0;
    line[n] = '\0';
    return (size_t)n;
}

/* Looks at PATH (PATH_MAX bytes), which is executable. For a script, sets *again, and PATH to its interpreter. */
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
        /* execve(2): under a tracer the program would not get these rights. */
        if (code == EXIT_NO && why_secure(fd, &st))
            code = EXIT_SECURE;
    } else if (memchr(start, '\0', length)) {
        code = no(a, "neither an ELF program nor a script");
    } else if ((line = after_hash_bang(start))) {
        code = follow_script(a, line, path);
        *again = code == EXIT_YES;
    } else {
        /* execve refuses it. Shells and execvp then run it by a shell. */
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
        /* This is for interpreters: main() has looked at the command itself. */
        if (!is_executable(path))
            return cannot_run(EXIT_CANNOT_RUN, path, strerror(is_regular(path) ? EACCES : ENOENT));
        enum exit_code code = examine_file(a, path, &again);
        if (!again)
            return code;
    }
    return cannot_run(EXIT_CANNOT_RUN, path, "too many levels of scripts");
}

/* `truefin run` starts us with the library in LD_PRELOAD: did the dynamic linker load it? */
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
    /* The dynamic linker also ends a process with 127. Words on stdout tell `truefin run` that it was us. */
    messages = loaded ? stdout : stderr;

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
        cannot_run(code, name, "not found");
    if (code == EXIT_CANNOT_RUN)
        cannot_run(code, name, is_regular(path) ? strerror(EACCES) : "not a regular file");
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
