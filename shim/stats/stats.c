/*
 * stats [OPTION]... [PID]...: what `truefin stats` executes. Prints the counters that processes keep in TRUEFIN_STATS, and
 * sums up those of dead ones.
 */
#include "rows.h"
#include "sum.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_NONE = 1, EXIT_USAGE = 2, EXIT_FAILED = 125 };

static const char help[] =
    "Usage: truefin stats [-d DIRECTORY] [--prometheus | --json] [PID]...\n"
    "\n"
    "Print what truefin has counted in the processes that have TRUEFIN_STATS set: a row for each program, "
    "dead\n"
    "processes included, or for each PID. Those of dead processes are summed up in one file, and removed.\n"
    "\n"
    "  -d, --directory DIRECTORY  where the counters are; the default is what TRUEFIN_STATS says\n"
    "  -p, --prometheus           as text for Prometheus, for node_exporter's textfile collector\n"
    "  -j, --json                 as an array of JSON objects\n"
    "  -h, --help                 show this\n"
    "\n"
    "Exit status: 0 good, 1 a PID has no counters there, 2 usage, 125 the directory cannot be used\n";

static char *no_pids[] = {NULL};

static struct {
    const char *directory;
    void (*print)(const struct rows *rows);
    char **pids; /* up to a NULL */
    size_t found;
} options = {.print = table_print, .pids = no_pids};

static int usage(const char *what)
{
    fprintf(stderr, "truefin: stats: %s\nTry 'truefin stats --help'.\n", what);
    return EXIT_USAGE;
}

static bool add(struct rows *rows, const struct found *found, int32_t pid)
{
    const struct page *page = &found->page;
    struct row *row = rows_find(rows, page->program, found->owner, page->is_sidecar != 0, pid);
    if (!row)
        return false;
    const struct counters left = rows_left_by(found);
    rows_add(&row->counters, found->life == LIFE_OVER ? &left : &page->counters);
    if (found->life != LIFE_OVER) {
        row->living++;
        row->states[page->state < PAGE_STATES ? page->state : PAGE_ON]++;
    }
    return true;
}

/* What has died since the sum was made is not in it yet. */
static bool take(const struct found *found, void *data)
{
    return add(data, found, 0);
}

static bool take_asked(const struct found *found, void *data)
{
    for (char **pid = options.pids; *pid; pid++)
        if (strtol(*pid, NULL, 10) == found->page.pid) {
            options.found++;
            return add(data, found, found->page.pid);
        }
    return true;
}

static bool collect(int directory, struct rows *rows)
{
    if (*options.pids)
        return directory_each(directory, take_asked, rows);
    const int lock = sum_lock(directory);
    if (lock < 0)
        return false;
    const bool good = sum_up(directory, rows) && (geteuid() != 0 || sum_of_others(directory, rows)) &&
                      directory_each(directory, take, rows);
    close(lock);
    return good;
}

/* 0 to go on. */
static int read_options(int argc, char **argv)
{
    static const struct option known[] = {{"directory", required_argument, NULL, 'd'},
                                          {"prometheus", no_argument, NULL, 'p'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char *variable = getenv("TRUEFIN_STATS");
    options.directory = variable && *variable ? variable : NULL;
    opterr = 0;
    for (int option; (option = getopt_long(argc, argv, "d:pjh", known, NULL)) != -1;) {
        switch (option) {
        case 'd':
            options.directory = optarg;
            break;
        case 'p':
            options.print = prometheus_print;
            break;
        case 'j':
            options.print = json_print;
            break;
        case 'h':
            exit(fputs(help, stdout) < 0);
        default:
            return usage("unknown option, or one without its value");
        }
    }
    options.pids = argv + optind;
    for (char **pid = options.pids; *pid; pid++)
        if (!**pid || strspn(*pid, "0123456789") != strlen(*pid))
            return usage("what is no option has to be a PID");
    return options.directory ? 0 : usage("no directory: set TRUEFIN_STATS, or give one with -d");
}

int main(int argc, char **argv)
{
    struct rows rows = {.count = 0};
    const int wrong = read_options(argc, argv);
    if (wrong)
        return wrong;
    const int directory = directory_open(options.directory);
    if (directory < 0 || !collect(directory, &rows))
        return EXIT_FAILED;
    close(directory);
    rows_sort(&rows);
    options.print(&rows);
    free(rows.at);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "truefin: stats: standard output: %s\n", strerror(errno));
        return EXIT_FAILED;
    }
    return *options.pids && options.found == 0 ? EXIT_NONE : 0;
}
