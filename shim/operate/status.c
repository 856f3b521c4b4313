/* truefin status: for each process, is truefin in it, what does it do there, and if it is not there, why not? */
#include "absent.h"
#include "image.h"
#include "operate.h"
#include "print.h"
#include "processes.h"
#include "rights.h"
#include "sockets.h"
#include "table.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "Usage: truefin status [--json] [PID|NAME|UNIT]...\n"
    "For each of these processes, or each that has a TCP socket, say on one line: is truefin in it, and if "
    "not,\n"
    "why; its state and policy; how many connections it has, and how many of them are armed. A NAME is a\n"
    "program's or a unit's.\n"
    "\n"
    "  on         crashes are told from good ends\n"
    "  watched    the same, by the side-car\n"
    "  observing  endings are recorded, nothing is changed\n"
    "  off        switched off, by truefin off\n"
    "  blind      it closes where no hook sees it: nothing is armed, closes that are seen are still decided\n"
    "  sandboxed  it has gone into a sandbox: nothing is done any more\n"
    "  inert      the policy is off, or a setting is bad\n"
    "  foreign    truefin of another version or build\n"
    "  -          not there\n"
    "  ?          may not be looked at\n"
    "\n"
    "      --json  an array of objects\n"
    "\n"
    "Exit status: 0 all are on or watched, 1 some are not, 2 usage.\n";

static struct {
    bool json;
    struct processes all;
    size_t rows, hidden;
    bool all_covered;
} report;

static void count_armed(void *data, int fd, const struct connection *connection)
{
    (void)fd;
    *(size_t *)data += (atomic_load(&connection->flags) & FLAG_ARMED) != 0;
}

/* The side-car that traces PID, if one does. */
static bool find_sidecar(struct image *image, pid_t pid)
{
    const struct process *tracer = processes_find(&report.all, processes_status(pid, "TracerPid"));
    if (!tracer || !tracer->sidecar)
        return false;
    image_find(image, tracer);
    return true;
}

/* A process that the side-car may have, where the library is not there, or leaves deaths to it. */
static void look_at_sidecar(struct row *row)
{
    struct image sidecar;
    if (!find_sidecar(&sidecar, row->pid))
        return;
    const bool off = sidecar.kind == IMAGE_SIDECAR && (sidecar.switched & 1);
    row->state = off ? "off" : "watched";
    row->covered = !off;
}

static const char *why_blind(const struct config *theirs)
{
    switch ((enum blind)atomic_load(&theirs->blind)) {
    case BLIND_FILES:
        return "a child of it shares its descriptors (CLONE_FILES), whose closes no hook sees";
    case BLIND_PLUG_IN:
        return "a plug-in was loaded whose closes no hook sees (RTLD_DEEPBIND, dlmopen)";
    default:
        return "it has closed where no hook sees it (io_uring, inline system calls)";
    }
}

/* Why is it inert? */
static const char *why_inert(const struct config *theirs, const struct policy *policy)
{
    if (!theirs->policy)
        return "its libc is not glibc, or it has only just begun";
    for (int i = 0; i < policy->rule_count; i++)
        for (int event = 0; event < EVENTS; event++)
            if (policy->rules[i].endings.of[event] != ENDING_KEEP)
                return "a setting is bad, as it has said on stderr; or it is just starting";
    return "the policy changes nothing";
}

static void read_state(struct row *row, const struct image *image, const struct config *theirs,
                       const struct policy *policy)
{
    const char *why = "";
    row->state = theirs->observes ? "observing" : "on";
    if (theirs->watched && !theirs->observes)
        look_at_sidecar(row);
    switch (atomic_load(&theirs->state)) {
    case STATE_INERT:
        row->state = "inert";
        why = why_inert(theirs, policy);
        break;
    case STATE_BLIND:
        if (!theirs->watched)
            row->state = "blind";
        why = why_blind(theirs);
        break;
    case STATE_QUIET:
        if (!theirs->watched)
            row->state = "sandboxed";
        why = "it has gone into a seccomp sandbox";
        break;
    default:
        break;
    }
    if (image->switched & 1 && strcmp(row->state, "inert") != 0)
        row->state = "off";
    row->covered = strcmp(row->state, "on") == 0 || strcmp(row->state, "watched") == 0;
    snprintf(row->why, sizeof row->why, "%s", why);
}

static void hide(struct row *row, int error)
{
    row->state = "?";
    row->covered = false;
    rights_missing(row->why, sizeof row->why, row->pid, error);
}

static void look_at_library(struct row *row, const struct image *image)
{
    static struct config theirs;
    static struct policy policy;
    row->loaded = true;
    if (!image_config(image, &theirs, &policy)) {
        hide(row, errno);
        return;
    }
    read_state(row, image, &theirs, &policy);
    if (theirs.policy)
        policy_print(row->policy, sizeof row->policy, &policy);
    if (strcmp(row->state, "on") == 0 && !table_each(image, count_armed, &row->armed))
        row->armed = 0;
}

static void look(struct row *row, const struct process *process)
{
    struct image image;
    image_find(&image, process);
    switch (image.kind) {
    case IMAGE_LIBRARY:
        look_at_library(row, &image);
        break;
    case IMAGE_FOREIGN:
        row->loaded = true;
        row->state = "foreign";
        snprintf(row->why, sizeof row->why,
                 "truefin%s%s, of another version, class or build than this command",
                 *image.version ? " " : "", image.version);
        break;
    case IMAGE_HIDDEN:
        hide(row, image.error);
        break;
    default:
        look_at_sidecar(row);
        absent_why(row->why, sizeof row->why, &report.all, process);
    }
}

static void print(const struct row *row)
{
    if (report.json)
        print_json_row(row, report.rows == 0);
    else {
        if (report.rows == 0)
            print_head();
        print_row(row);
    }
    report.rows++;
    report.all_covered = report.all_covered && row->covered;
}

/* EVERY: also without TCP sockets. */
static void tell(const struct process *process, bool every)
{
    struct row row = {.pid = process->pid, .state = "-"};
    struct tcp_count count;
    memcpy(row.name, process->name, sizeof row.name);
    row.counted = sockets_count(&count, process->pid);
    const int error = errno;
    if (!row.counted && error == ENOENT)
        return;
    row.connections = count.connections;
    if (!row.counted && !every) {
        report.hidden++;
        return;
    }
    if (!row.counted)
        hide(&row, error);
    else if (every || count.sockets)
        look(&row, process);
    else
        return;
    print(&row);
}

/* False if a word means no process. */
static bool choose(char **words)
{
    bool all_mean = true;
    for (; *words; words++)
        if (!processes_choose(&report.all, *words, true)) {
            fprintf(stderr,
                    "truefin: status: no process: %s (give a pid, the name of a program, or a unit)\n",
                    *words);
            all_mean = false;
        }
    return all_mean;
}

static int run(char **words)
{
    const bool every = *words;
    if (!processes_look(&report.all)) {
        fputs("truefin: status: /proc cannot be read\n", stderr);
        return EXIT_NOT_ALL;
    }
    report.all_covered = choose(words);
    for (size_t i = 0; i < report.all.count; i++)
        if ((!every || report.all.at[i].chosen) && !report.all.at[i].sidecar)
            tell(&report.all.at[i], every);
    if (report.json)
        print_json_end(report.rows > 0);
    else if (report.rows == 0 && !every)
        puts("no process has a TCP socket");
    if (report.hidden) {
        fprintf(
            stderr,
            "truefin: status: %zu processes of other users may not be looked at: root may (CAP_SYS_PTRACE)\n",
            report.hidden);
        report.all_covered = false;
    }
    return report.all_covered ? EXIT_SUCCESS : EXIT_NOT_ALL;
}

int status_command(char **argv)
{
    for (; *argv && **argv == '-'; argv++) {
        if (strcmp(*argv, "--") == 0) {
            argv++;
            break;
        }
        if (strcmp(*argv, "--help") == 0) {
            fputs(help, stdout);
            return EXIT_SUCCESS;
        }
        if (strcmp(*argv, "--json") != 0) {
            fprintf(stderr, "truefin: status: unknown option %s\nTry 'truefin status --help'.\n", *argv);
            return EXIT_USAGE;
        }
        report.json = true;
    }
    return run(argv);
}
