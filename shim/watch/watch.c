/*
 * watch [--preload VALUE] [--optional] [--automatic] [--deaths] [--keep-privileges] [--] COMMAND [ARGUMENT]...: what `truefin run --watch`
 * executes. Starts a side-car that watches this very process, and becomes COMMAND, with LD_PRELOAD=VALUE.
 *
 * What cannot be watched is not run, unless --optional says so, or --automatic if it is a tracer itself:
 * nobody has asked for a side-car then. It is said in either case.
 */
#include "config.h"
#include "filter.h"
#include "proc.h"
#include "report/setup.h"
#include "report/stats.h"
#include "sidecar.h"
#include "tracers.h"
#include "unloaded.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_FAILED = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127, NUMBER = 16 };

static struct {
    const char *preload;
    bool optional;
    bool automatic;
    bool deaths; /* alone are to be seen */
    bool keeps_privileges;
    char **command;
} options;

static bool read_options(char **argv)
{
    for (argv++; *argv && **argv == '-'; argv++) {
        if (strcmp(*argv, "--") == 0) {
            argv++;
            break;
        }
        if (strcmp(*argv, "--optional") == 0)
            options.optional = true;
        else if (strcmp(*argv, "--automatic") == 0)
            options.automatic = true;
        else if (strcmp(*argv, "--deaths") == 0)
            options.deaths = true;
        else if (strcmp(*argv, "--keep-privileges") == 0)
            options.keeps_privileges = true;
        else if (strcmp(*argv, "--preload") == 0 && argv[1])
            options.preload = *++argv;
        else
            return false;
    }
    options.command = argv;
    return *argv != NULL;
}

/* A program that traces others would find them traced already. It runs, unwatched: so it always did. */
static const char *name_of(const char *command)
{
    const char *slash = strrchr(command, '/');
    return slash ? slash + 1 : command;
}

static bool traces_itself(const char *command)
{
    return tracers_have(name_of(command));
}

/* A truefin in a truefin: the outer one's side-car goes on. */
static bool is_watched_by(pid_t tracer)
{
    const char *watcher = config_variable("TRUEFIN_WATCH");
    return watcher && strtol(watcher, NULL, 10) == tracer;
}

static void unwatched(const char *why)
{
    fprintf(stderr, "truefin: cannot watch %s: %s%s\n", options.command[0], why,
            options.optional ? "" : " (--force runs it all the same)");
    if (!options.optional)
        exit(EXIT_FAILED);
    unsetenv("TRUEFIN_WATCH");
}

static const char *filter_fault(int error)
{
    switch (error) {
    case EBUSY:
        return "another program has the one listener that there can be, as a container's runtime";
    case EINVAL:
    case ENOSYS:
        return "this kernel has no seccomp(2) with notifications, which Linux has from 5.0 on";
    default:
        return strerror(error);
    }
}

/* Without CAP_SYS_ADMIN the kernel wants a promise that nothing below gets more rights (seccomp(2)). */
static int install(void)
{
    int listener = filter_install();
    if (listener >= 0 || errno != EACCES)
        return listener;
    if (config.observes) {
        fprintf(
            stderr,
            "truefin: %s: only deaths are seen, not closes: that takes CAP_SYS_ADMIN where nothing is to be "
            "changed\n",
            options.command[0]);
        errno = 0;
        return -1;
    }
    if (options.keeps_privileges) {
        fprintf(
            stderr,
            "truefin: %s: to see closes takes CAP_SYS_ADMIN, or no_new_privs, against --keep-privileges%s\n",
            options.command[0],
            options.optional ? ": only deaths are seen" : " (--force: only deaths are seen)");
        if (!options.optional)
            exit(EXIT_FAILED);
        errno = 0;
        return -1;
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    listener = filter_install();
    if (listener >= 0)
        fprintf(stderr,
                "truefin: %s: set-user-ID programs get no rights below it (no_new_privs, for want of "
                "CAP_SYS_ADMIN; --keep-privileges refuses)\n",
                options.command[0]);
    return listener;
}

static void see_closes(void)
{
    if (!options.preload && policy_has_option(config.policy, OPTION_REFUSE_WRITE))
        fprintf(stderr, "truefin: %s: refuse-write-after-fin takes the library: no write is refused\n",
                options.command[0]);
    const int listener = install();
    if (listener < 0) {
        if (errno)
            fprintf(stderr, "truefin: %s: only deaths are seen, not closes: %s\n", options.command[0],
                    filter_fault(errno));
        sidecar_sees_deaths();
    } else if (!sidecar_sees_closes(listener)) {
        fprintf(stderr, "truefin: cannot watch %s: the side-car does not answer\n", options.command[0]);
        _exit(EXIT_FAILED);
    }
}

static void watch(char **argv)
{
    const char *why = NULL;
    pid_t tracer = 0;
    char number[NUMBER];
    if (traces_itself(options.command[0])) {
        options.optional |= options.automatic;
        unwatched("it traces programs itself, and a thread can have one tracer only");
        return;
    }
    unloaded_expect(options.preload);
    stats_open(name_of(options.command[0]), true);
    pid_t pid = sidecar_start(argv, &why, &tracer);
    if (!pid && tracer && is_watched_by(tracer))
        return;
    if (!pid) {
        unwatched(why);
        return;
    }
    snprintf(number, sizeof number, "%d", pid);
    setenv("TRUEFIN_WATCH", number, true);
    if (options.deaths || !filter_is_wanted())
        sidecar_sees_deaths();
    else
        see_closes();
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!read_options(argv)) {
        fputs("usage: watch [--preload VALUE] [--optional] [--automatic] [--deaths] [--keep-privileges] [--] "
              "COMMAND [ARGUMENT]...\n",
              stderr);
        return EXIT_USAGE;
    }
    if (setup_read())
        watch(argv);
    if (options.preload)
        setenv("LD_PRELOAD", options.preload, true);
    execvp(options.command[0], options.command);
    int error = errno;
    fprintf(stderr, "truefin: %s: %s\n", options.command[0], strerror(error));
    return error == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}
