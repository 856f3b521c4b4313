/*
 * truefin off, truefin on. The switch of a process is one word of the library's. Who arms a connection looks at
 * it before and after, so what is not seen armed here is not armed later: one look at all connections is enough.
 *
 *     each pass: all processes meant --> their switches --> what they have armed is disarmed
 *
 * Passes are made until three in a row have found nothing to do: a process that was being forked, or was becoming
 * another program, when it was looked at shows up in the next one.
 */
#include "connection/table.h"
#include "image.h"
#include "operate.h"
#include "processes.h"
#include "rights.h"
#include "table.h"
#include "text.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PASSES = 100, QUIET_PASSES = 3, PAUSE = 15, WHY_SIZE = 256, FIRST_ROOM = 64 };

static const char off_help[] =
    "Usage: truefin off PID|UNIT...\n"
    "Switch truefin off in processes that run, their descendants, or all processes of a unit: nothing is\n"
    "armed, changed or recorded any more, and what is armed is disarmed at once. No process is stopped.\n"
    "What they fork and execute later is off, too. A process that is started anew is not: see truefin "
    "disable.\n"
    "\n"
    "Exit status: 0 all are off, 1 some are not or have no truefin, 2 usage.\n";

static const char on_help[] = "Usage: truefin on PID|UNIT...\n"
                              "Switch truefin on again. New connections are armed; of those that are there, "
                              "closes and exits are decided\n"
                              "by the policy again, but a crash ends them as without truefin.\n"
                              "\n"
                              "Exit status: 0 all are on, 1 some are not or have no truefin, 2 usage.\n";

static struct {
    const char *command;
    bool off;
    char **words;
    struct processes all;
    size_t found; /* images that could be switched */
    bool failed;
} switching;

/* What was found in the passes before. */
struct known {
    struct image image;
    bool said;
};

static struct {
    struct known *at;
    size_t count, room;
} known;

static struct known *find_known(pid_t pid)
{
    for (size_t i = 0; i < known.count; i++)
        if (known.at[i].image.pid == pid)
            return &known.at[i];
    return NULL;
}

/* That of a process; one more, if it has none. */
static struct known *known_of(pid_t pid)
{
    struct known *found = find_known(pid);
    if (found)
        return found;
    if (known.count == known.room) {
        known.room = known.room ? 2 * known.room : FIRST_ROOM;
        struct known *more = realloc(known.at, known.room * sizeof *more);
        if (!more)
            abort();
        known.at = more;
    }
    known.at[known.count] = (struct known){.image = {.pid = pid}};
    return &known.at[known.count++];
}

/* Each process is spoken of once. */
static bool is_new(pid_t pid)
{
    struct known *process = known_of(pid);
    const bool was = process->said;
    process->said = true;
    return !was;
}

/* As a terminal can show it. Valid until the next call. */
static const char *name_of(const struct process *process)
{
    static char out[4 * sizeof process->name];
    struct text visible = text_begin(out, sizeof out);
    const size_t length = strlen(process->name);
    for (size_t i = 0; i < length;)
        i += text_visible(&visible, process->name + i, length - i);
    text_end(&visible);
    return out;
}

static void refuse(const struct process *process, const char *why)
{
    switching.failed = true;
    if (is_new(process->pid))
        fprintf(stderr, "truefin: %s: %d (%s) cannot be switched: %s; nothing was changed there\n",
                switching.command, process->pid, name_of(process), why);
}

static void refuse_for(const struct process *process, int error)
{
    char why[WHY_SIZE];
    rights_missing(why, sizeof why, process->pid, error);
    refuse(process, why);
}

struct disarming {
    int pidfd;
    size_t count;
    int error;
};

/* Puts LINGER in the place of an abort. Is it a TCP socket, and armed, still? */
static void disarm(struct disarming *work, int number, struct linger linger)
{
    struct linger now = {0};
    int protocol = 0;
    socklen_t size = sizeof now;
    socklen_t protocol_size = sizeof protocol;
    const int fd = (int)syscall(SYS_pidfd_getfd, work->pidfd, number, 0);
    if (fd < 0) {
        work->error = errno == EBADF ? work->error : errno;
        return;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &now, &size) == 0 && now.l_onoff && now.l_linger == 0 &&
        getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &protocol_size) == 0 &&
        (protocol == IPPROTO_TCP || protocol == IPPROTO_MPTCP) &&
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0)
        work->count++;
    close(fd);
}

/* What the program has set itself stays, an abort too. */
static void disarm_connection(void *data, int fd, const struct connection *connection)
{
    const uint16_t flags = atomic_load(&connection->flags);
    const struct linger own = {.l_onoff = (flags & FLAG_LINGER_ON) != 0,
                               .l_linger = connection->linger_seconds};
    if (!((flags & (FLAG_ARMED | FLAG_FOUND_ARMED)) || atomic_load(&connection->claims)) ||
        (own.l_onoff && own.l_linger == 0))
        return;
    disarm(data, fd, own);
}

static void disarm_kept(void *data, int fd)
{
    disarm(data, fd, (struct linger){0});
}

/* A container's filter may forbid it, and old kernels lack it: the rest is left to the library. */
static void leave_to_library(const struct process *process, struct image *image)
{
    switching.failed = true;
    if (image_order_disarm(image) && is_new(process->pid))
        fprintf(stderr,
                "truefin: off: %d (%s) is off, but what it has armed stays so until it next accepts, "
                "connects or closes: "
                "pidfd_getfd(2) is not permitted here, or missing (Linux 5.6); a container needs --cap-add "
                "SYS_PTRACE\n",
                process->pid, name_of(process));
}

static void disarm_all(const struct process *process, struct image *image)
{
    struct disarming work = {.pidfd = (int)syscall(SYS_pidfd_open, process->pid, 0)};
    if (work.pidfd < 0 || !table_each(image, disarm_connection, &work) ||
        !table_each_kept(image, disarm_kept, &work))
        work.error = errno;
    if (work.pidfd >= 0)
        close(work.pidfd);
    /* EFAULT: it has become another program meanwhile, at which the next pass looks. */
    if (work.error == EPERM || work.error == ENOSYS)
        leave_to_library(process, image);
    else if (work.error && work.error != ESRCH && work.error != EFAULT)
        refuse_for(process, work.error);
    else if (is_new(process->pid))
        printf("%d (%s) is off, %zu disarmed\n", process->pid, name_of(process), work.count);
}

/* Why this one cannot be switched; false if it has no truefin. */
static bool may_switch(const struct process *process, const struct image *image)
{
    if (image->kind == IMAGE_HIDDEN)
        refuse_for(process, image->error);
    if (image->kind == IMAGE_FOREIGN)
        refuse(process, *image->version
                            ? "its truefin is of another version or build than this command"
                            : "its libtruefin.so is older than this command, or of another class");
    return image->kind == IMAGE_LIBRARY || image->kind == IMAGE_SIDECAR;
}

/* True if there was something to do. */
static bool switch_one(const struct process *process, bool first)
{
    struct image *image = &known_of(process->pid)->image;
    image_find_again(image, process);
    if (!may_switch(process, image))
        return false;
    const bool differs = (image->switched & 1) != switching.off;
    if (differs && !image_switch(image, switching.off)) {
        if (image->error != ESRCH)
            refuse_for(process, image->error);
        return image->error == ESRCH;
    }
    switching.found++;
    if (image->kind == IMAGE_LIBRARY && switching.off && (differs || first))
        disarm_all(process, image);
    else if (is_new(process->pid))
        printf("%d (%s) is %s%s\n", process->pid, name_of(process), switching.off ? "off" : "on",
               image->kind == IMAGE_SIDECAR ? ", for all that it watches" : "");
    return differs;
}

/* The side-car of what it watches has a switch of its own. */
static void choose_sidecars(void)
{
    bool any = false;
    for (size_t i = 0; i < switching.all.count; i++)
        any |= switching.all.at[i].sidecar;
    for (size_t i = 0; any && i < switching.all.count; i++) {
        if (!switching.all.at[i].chosen)
            continue;
        struct process *tracer =
            processes_find(&switching.all, processes_status(switching.all.at[i].pid, "TracerPid"));
        if (tracer && tracer->sidecar)
            tracer->chosen = true;
    }
}

static bool was_chosen(pid_t pid)
{
    const struct process *process = processes_find(&switching.all, pid);
    return (process && process->chosen) || find_known(pid);
}

/*
 * A descendant whose parent has ended between two looks is an orphan. It still has the session, or the process group,
 * of which one of those meant is the leader.
 */
static bool choose_orphans(void)
{
    bool any = false;
    for (size_t i = 0; i < switching.all.count; i++) {
        struct process *process = &switching.all.at[i];
        const struct process *parent = processes_find(&switching.all, process->parent);
        if (process->chosen || (parent && parent->session == process->session) ||
            !(was_chosen(process->session) || was_chosen(process->group)))
            continue;
        process->chosen = any = true;
    }
    return any;
}

/* False if a word means no process. */
static bool choose(bool say)
{
    bool all_mean = true;
    if (!processes_look(&switching.all)) {
        fprintf(stderr, "truefin: %s: /proc cannot be read\n", switching.command);
        return false;
    }
    for (char **word = switching.words; *word; word++)
        if (!processes_choose(&switching.all, *word, false)) {
            all_mean = false;
            if (say)
                fprintf(stderr, "truefin: %s: no process: %s (give a pid, or a unit, as nginx.service)\n",
                        switching.command, *word);
        }
    processes_choose_descendants(&switching.all);
    if (choose_orphans())
        processes_choose_descendants(&switching.all);
    choose_sidecars();
    return all_mean;
}

static bool pass(bool first)
{
    bool any = false;
    if (!choose(first) && first)
        switching.failed = true;
    switching.found = 0;
    for (size_t i = 0; i < switching.all.count; i++)
        if (switching.all.at[i].chosen && switch_one(&switching.all.at[i], first))
            any = true;
    return any;
}

static int switch_all(void)
{
    const struct timespec pause = {.tv_nsec = PAUSE * 1000000L};
    size_t found = 0;
    for (int i = 0, quiet = 0; i < PASSES && quiet < QUIET_PASSES; i++) {
        quiet = pass(i == 0) ? 0 : quiet + 1;
        found = found > switching.found ? found : switching.found;
        if (quiet < QUIET_PASSES)
            nanosleep(&pause, NULL);
    }
    if (!found && !switching.failed) {
        fprintf(stderr, "truefin: %s: none of these processes has truefin: nothing is armed there\n",
                switching.command);
        switching.failed = true;
    }
    return switching.failed ? EXIT_NOT_ALL : EXIT_SUCCESS;
}

static int command(const char *name, bool off, const char *help, char **argv)
{
    switching.command = name;
    switching.off = off;
    if (*argv && strcmp(*argv, "--help") == 0) {
        fputs(help, stdout);
        return EXIT_SUCCESS;
    }
    if (*argv && strcmp(*argv, "--") == 0)
        argv++;
    else if (*argv && **argv == '-') {
        fprintf(stderr, "truefin: %s: unknown option %s\nTry 'truefin %s --help'.\n", name, *argv, name);
        return EXIT_USAGE;
    }
    if (!*argv) {
        fprintf(stderr, "truefin: %s needs a PID or a UNIT\nTry 'truefin %s --help'.\n", name, name);
        return EXIT_USAGE;
    }
    switching.words = argv;
    return switch_all();
}

int off_command(char **argv)
{
    return command("off", true, off_help, argv);
}

int on_command(char **argv)
{
    return command("on", false, on_help, argv);
}
