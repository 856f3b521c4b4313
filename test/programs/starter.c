/*
 * Executes PROGRAM in one of the ways that there are, and says "ended" when that has ended:
 *
 *     starter WAY PROGRAM [ARGUMENT]...
 *
 * fork and vfork are execve in a child; the pointers of bad-argv and bad-environment are none. With
 * STARTER_USER the effective user is that one first; STARTER_TIMES is how often to do it all (1); with
 * STARTER_EACH each argument is a program, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 99 };

static char **command;

/* Nothing is there, which the compiler must not know. */
static char **volatile bad = (char **)16; // NOLINT(performance-no-int-to-ptr)

static void by_execve(void)
{
    execve(command[0], command, environ);
}

static void by_execv(void)
{
    execv(command[0], command);
}

static void by_execvp(void)
{
    execvp(command[0], command);
}

static void by_execvpe(void)
{
    execvpe(command[0], command, environ);
}

static void by_execl(void)
{
    execl(command[0], command[0], (char *)NULL);
}

static void by_execlp(void)
{
    execlp(command[0], command[0], (char *)NULL);
}

static void by_execle(void)
{
    execle(command[0], command[0], (char *)NULL, environ);
}

static void by_fexecve(void)
{
    fexecve(open(command[0], O_RDONLY), command, environ);
}

static void by_execveat(void)
{
    execveat(AT_FDCWD, command[0], command, environ, 0);
}

static void by_syscall(void)
{
    syscall(SYS_execve, command[0], command, environ);
}

static void by_nothing(void)
{
    execve(command[0], command, NULL);
}

static void *execve_now(void *unused)
{
    by_execve();
    return unused;
}

/* Another thread than the first. */
static void by_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, execve_now, NULL) == 0)
        pthread_join(thread, NULL);
}

static void by_bad_path(void)
{
    execve((char *)bad, command, environ);
}

static void by_bad_argv(void)
{
    execve(command[0], bad, environ);
}

static void by_bad_argument(void)
{
    command[1] = (char *)bad;
    execve(command[0], command, environ);
}

static void by_bad_environment(void)
{
    execve(command[0], command, bad);
}

static void by_bad_variable(void)
{
    char *variables[] = {(char *)bad, NULL};
    execve(command[0], command, variables);
}

/* What is executed in a child. */
static pid_t by_vfork(void)
{
    pid_t child = vfork(); // NOLINT(clang-analyzer-security.insecureAPI.vfork)
    if (child == 0) {
        execve(command[0], command, environ);
        _exit(FAILED);
    }
    return child;
}

static pid_t by_spawn(void)
{
    pid_t child = -1;
    errno = posix_spawn(&child, command[0], NULL, NULL, command, environ);
    return child;
}

static pid_t by_spawnp(void)
{
    pid_t child = -1;
    errno = posix_spawnp(&child, command[0], NULL, NULL, command, environ);
    return child;
}

static pid_t by_spawn_reset(void)
{
    pid_t child = -1;
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_RESETIDS);
    errno = posix_spawn(&child, command[0], NULL, &attributes, command, environ);
    return child;
}

static const struct {
    const char *name;
    void (*in_child)(void);
    pid_t (*itself)(void);
} ways[] = {
    {"execve", by_execve, NULL},
    {"execv", by_execv, NULL},
    {"execvp", by_execvp, NULL},
    {"execvpe", by_execvpe, NULL},
    {"execl", by_execl, NULL},
    {"execlp", by_execlp, NULL},
    {"execle", by_execle, NULL},
    {"fexecve", by_fexecve, NULL},
    {"execveat", by_execveat, NULL},
    {"syscall", by_syscall, NULL},
    {"nothing", by_nothing, NULL},
    {"thread", by_thread, NULL},
    {"bad-path", by_bad_path, NULL},
    {"bad-argv", by_bad_argv, NULL},
    {"bad-argument", by_bad_argument, NULL},
    {"bad-environment", by_bad_environment, NULL},
    {"bad-variable", by_bad_variable, NULL},
    {"vfork", NULL, by_vfork},
    {"spawn", NULL, by_spawn},
    {"spawnp", NULL, by_spawnp},
    {"spawn-reset", NULL, by_spawn_reset},
};

static pid_t start(const char *way)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (strcmp(ways[i].name, way) != 0)
            continue;
        if (ways[i].itself)
            return ways[i].itself();
        pid_t child = fork();
        if (child == 0) {
            ways[i].in_child();
            dprintf(STDOUT_FILENO, "%s\n", strerrorname_np(errno));
            _exit(FAILED);
        }
        return child;
    }
    errno = EINVAL;
    return -1;
}

static void start_and_wait(const char *way)
{
    pid_t child = start(way);
    if (child < 0)
        dprintf(STDOUT_FILENO, "%s\n", strerrorname_np(errno));
    else
        waitpid(child, NULL, 0);
}

static int variable(const char *name, int unset)
{
    const char *value = getenv(name);
    return value ? (int)strtol(value, NULL, 10) : unset;
}

int main(int argc, char **argv)
{
    int user = variable("STARTER_USER", -1);
    if (argc < 3 || (user >= 0 && seteuid((uid_t)user) != 0))
        return FAILED;
    command = argv + 2;
    for (int i = variable("STARTER_TIMES", 1); i > 0; i--)
        start_and_wait(argv[1]);
    for (; variable("STARTER_EACH", 0) && command[1]; command++)
        start_and_wait(argv[1]);
    dprintf(STDOUT_FILENO, "ended\n");
    return 0;
}
