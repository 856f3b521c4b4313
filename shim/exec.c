#include "libc.h"

#include "fork.h"
#include "tree.h"

#include <alloca.h>
#include <errno.h>
#include <stdarg.h>

/* An exec that returns has failed: all is as it was. */
static int failed(int result)
{
    tree_exec_failed();
    return result;
}

HOOK int execve(const char *path, char *const argv[], char *const environment[])
{
    tree_before_exec();
    return failed(real(execve)(path, argv, environment));
}

HOOK int execv(const char *path, char *const argv[])
{
    tree_before_exec();
    return failed(real(execv)(path, argv));
}

HOOK int execvp(const char *file, char *const argv[])
{
    tree_before_exec();
    return failed(real(execvp)(file, argv));
}

HOOK int execvpe(const char *file, char *const argv[], char *const environment[])
{
    tree_before_exec();
    return failed(real(execvpe)(file, argv, environment));
}

HOOK int fexecve(int fd, char *const argv[], char *const environment[])
{
    tree_before_exec();
    return failed(real(fexecve)(fd, argv, environment));
}

HOOK int execveat(int directory, const char *path, char *const argv[], char *const environment[], int flags)
{
    tree_before_exec();
    return failed(real(execveat)(directory, path, argv, environment, flags));
}

/* The arguments of execl(3) up to the null pointer, as a vector that lives as long as the caller's frame. */
static size_t count(va_list more)
{
    size_t n = 1;
    while (va_arg(more, char *))
        n++;
    return n;
}

static void collect(char **argv, size_t n, const char *first, va_list more)
{
    argv[0] = (char *)(uintptr_t)first;
    for (size_t i = 1; i <= n; i++)
        argv[i] = va_arg(more, char *);
}

/* Defines ARGV from the arguments after LAST; leaves MORE behind the null pointer. */
#define COLLECT(argv, more, last)                                                                            \
    va_list more;                                                                                            \
    va_start(more, last);                                                                                    \
    const size_t argc = count(more);                                                                         \
    va_end(more);                                                                                            \
    char **argv = alloca((argc + 1) * sizeof *argv);                                                         \
    va_start(more, last);                                                                                    \
    collect(argv, argc, last, more)

HOOK int execl(const char *path, const char *argument, ...)
{
    COLLECT(argv, more, argument);
    va_end(more);
    return execv(path, argv);
}

HOOK int execlp(const char *file, const char *argument, ...)
{
    COLLECT(argv, more, argument);
    va_end(more);
    return execvp(file, argv);
}

HOOK int execle(const char *path, const char *argument, ...)
{
    COLLECT(argv, more, argument);
    char **environment = va_arg(more, char **);
    va_end(more);
    return execve(path, argv, environment);
}

/* The child has execed when these return; what it has at 0, 1, 2 it may serve. */
static int spawned(int result, pid_t pid)
{
    tree_after_fork(result == 0 ? -pid : -1);
    return result;
}

HOOK int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions,
                     const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
    pid_t own = 0;
    pid_t *child = pid ? pid : &own;
    tree_before_fork();
    int result = real(posix_spawn)(child, path, actions, attributes, argv, environment);
    return spawned(result, *child);
}

HOOK int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
                      const posix_spawnattr_t *attributes, char *const argv[], char *const environment[])
{
    pid_t own = 0;
    pid_t *child = pid ? pid : &own;
    tree_before_fork();
    int result = real(posix_spawnp)(child, file, actions, attributes, argv, environment);
    return spawned(result, *child);
}
