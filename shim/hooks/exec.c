#include "hooks/exec.h"

#include "flow/pipes.h"
#include "hooks/switched.h"
#include "judge/deferred.h"
#include "judge/launch.h"
#include "libc.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

void exec_begins(const struct program *program)
{
    deferred_end();
    absence_expect(program);
    launch_before_exec();
}

void exec_failed(void)
{
    launch_exec_failed();
    absence_exec_failed();
}

static int failed(int result)
{
    exec_failed();
    return result;
}

HOOK int execve(const char *path, char *const argv[], char *const environment[])
{
    exec_begins(
        &(struct program){.directory = AT_FDCWD, .path = path, .argv = argv, .environment = environment});
    SWITCHED_PASS_ON(passed, environment);
    return failed(real(execve)(path, argv, passed));
}

HOOK int execv(const char *path, char *const argv[])
{
    exec_begins(&(struct program){.directory = AT_FDCWD, .path = path, .argv = argv, .environment = environ});
    SWITCHED_PASS_ON(passed, environ);
    return failed(passed == environ ? real(execv)(path, argv) : real(execve)(path, argv, passed));
}

HOOK int execvp(const char *file, char *const argv[])
{
    exec_begins(&(struct program){.file = file, .argv = argv, .environment = environ});
    SWITCHED_PASS_ON(passed, environ);
    return failed(passed == environ ? real(execvp)(file, argv) : real(execvpe)(file, argv, passed));
}

HOOK int execvpe(const char *file, char *const argv[], char *const environment[])
{
    exec_begins(&(struct program){.file = file, .argv = argv, .environment = environment});
    SWITCHED_PASS_ON(passed, environment);
    return failed(real(execvpe)(file, argv, passed));
}

HOOK int fexecve(int fd, char *const argv[], char *const environment[])
{
    exec_begins(&(struct program){
        .directory = fd, .path = "", .flags = AT_EMPTY_PATH, .argv = argv, .environment = environment});
    SWITCHED_PASS_ON(passed, environment);
    return failed(real(fexecve)(fd, argv, passed));
}

HOOK int execveat(int directory, const char *path, char *const argv[], char *const environment[], int flags)
{
    exec_begins(&(struct program){
        .directory = directory, .path = path, .flags = flags, .argv = argv, .environment = environment});
    SWITCHED_PASS_ON(passed, environment);
    return failed(real(execveat)(directory, path, argv, passed, flags));
}

/* How many arguments execl(3) was given, the first one and the null pointer included. */
static size_t count(va_list more)
{
    size_t n = 2;
    while (va_arg(more, char *))
        n++;
    return n;
}

/* All of them as a vector. Leaves MORE behind the null pointer. */
static void collect(const char **argv, size_t n, const char *first, va_list more)
{
    argv[0] = first;
    for (size_t i = 1; i < n; i++)
        argv[i] = va_arg(more, const char *);
}

/*
 * ARGV becomes the arguments of execl(3) and its kin, of which FIRST is the last that has a name. It lives as
 * long as the calling function, for an exec may come between vfork and exec, where nothing can be allocated.
 * MORE is left behind the null pointer, and is the caller's to end.
 */
/* NOLINTBEGIN(bugprone-macro-parentheses): names that are declared, or passed to va_start(3), take none. */
#define COLLECT(argv, first, more)                                                                           \
    va_start(more, first);                                                                                   \
    const size_t n = count(more);                                                                            \
    va_end(more);                                                                                            \
    const char **argv = __builtin_alloca(n * sizeof *argv);                                                  \
    va_start(more, first);                                                                                   \
    collect(argv, n, first, more)
/* NOLINTEND(bugprone-macro-parentheses) */

HOOK int execl(const char *path, const char *argument, ...)
{
    va_list more;
    COLLECT(argv, argument, more);
    va_end(more);
    return execv(path, (const void *)argv);
}

HOOK int execlp(const char *file, const char *argument, ...)
{
    va_list more;
    COLLECT(argv, argument, more);
    va_end(more);
    return execvp(file, (const void *)argv);
}

HOOK int execle(const char *path, const char *argument, ...)
{
    va_list more;
    COLLECT(argv, argument, more);
    char **environment = va_arg(more, char **);
    va_end(more);
    return execve(path, (const void *)argv, environment);
}

/*
 * The child has execed; PID is where the program wants its number, and is left alone on an error
 * (posix_spawn(3)).
 */
static int launched(int result, pid_t child, pid_t *pid, const struct program *program)
{
    if (result != 0)
        return result;
    if (pid)
        *pid = child;
    launch_after(child, false);
    pipes_forked(child);
    absence_expect(program);
    return 0;
}

static bool resets_ids(const posix_spawnattr_t *attributes)
{
    short flags = 0;
    return attributes && posix_spawnattr_getflags(attributes, &flags) == 0 && (flags & POSIX_SPAWN_RESETIDS);
}

HOOK int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
    pid_t child = 0;
    SWITCHED_PASS_ON(passed, environment);
    deferred_end();
    int result = real(posix_spawn)(&child, path, actions, attributes, argv, passed);
    return launched(result, child, pid,
                    &(struct program){.directory = AT_FDCWD,
                                      .path = path,
                                      .argv = argv,
                                      .environment = environment,
                                      .moves = actions != NULL,
                                      .resets_ids = resets_ids(attributes)});
}

HOOK int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
    pid_t child = 0;
    SWITCHED_PASS_ON(passed, environment);
    deferred_end();
    int result = real(posix_spawnp)(&child, file, actions, attributes, argv, passed);
    return launched(result, child, pid,
                    &(struct program){.file = file,
                                      .argv = argv,
                                      .environment = environment,
                                      .moves = actions != NULL,
                                      .resets_ids = resets_ids(attributes)});
}

/* Inside libc these execute a shell with `environ`, where no hook of ours sees it. */

HOOK int system(const char *command)
{
    switched_into_environ();
    return real(system)(command);
}

HOOK FILE *popen(const char *command, const char *type)
{
    switched_into_environ();
    return real(popen)(command, type);
}
