/*
 * What `truefin policy` runs; help[] says what it does.
 *
 * Exit codes: 0 good, 2 usage, 78 bad policy or value.
 */
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { EXIT_GOOD = 0, EXIT_USAGE = 2, EXIT_BAD = 78 };
enum { LONGEST_FILE = 64 * 1024 };

/* Where a policy's text came from. */
struct source {
    const char *subject; /* for messages */
    const char *text;
};

static const char help[] =
    "usage: truefin policy [TEXT | -f FILE | --check-env]\n"
    "\n"
    "  TEXT         a policy: print its canonical form and what it decides, or a caret under its fault\n"
    "  -f FILE      the same for a policy in a file\n"
    "  (nothing)    the policy that the environment sets (TRUEFIN_POLICY, TRUEFIN_POLICY_FILE), or the "
    "default\n"
    "  --check-env [NAME=WORD]...\n"
    "               only say whether the library would accept all TRUEFIN_ variables of the environment, and "
    "print\n"
    "               the names of the libraries that it needs besides itself; messages call NAME what WORD "
    "says\n"
    "\n"
    "Exit status: 0 good, 2 usage, 78 bad policy or value. The language: man truefin-policy\n";

static int usage(void)
{
    fputs("truefin: usage: policy [TEXT | -f FILE | --check-env]\n", stderr);
    return EXIT_USAGE;
}

static int bad_text(const struct source *source, const struct fault *fault)
{
    size_t line_size = fault_print(NULL, 0, source->subject, fault) + 1;
    size_t caret_size = fault_print_caret(NULL, 0, source->text, fault) + 1;
    char *line = malloc(line_size), *caret = malloc(caret_size);

    if (line && caret) {
        fault_print(line, line_size, source->subject, fault);
        fault_print_caret(caret, caret_size, source->text, fault);
        fprintf(stderr, "truefin: %s\n%s", line, caret);
    }
    free(line);
    free(caret);
    return EXIT_BAD;
}

static bool bad_file(const char *path, const char *why)
{
    fprintf(stderr, "truefin: %s: %s\n", path, why);
    return false;
}

static bool read_file(struct source *out, const char *path)
{
    static char text[LONGEST_FILE + 1];
    FILE *file = fopen(path, "re");
    size_t length;
    int error;

    if (!file)
        return bad_file(path, strerror(errno));
    errno = 0;
    length = fread(text, 1, sizeof text, file);
    error = ferror(file) ? errno : 0;
    (void)fclose(file);
    if (error)
        return bad_file(path, strerror(error));
    if (length == sizeof text)
        return bad_file(path, "longer than 64 KiB");
    text[length] = '\0';
    if (strlen(text) < length)
        return bad_file(path, "not a text: it contains a zero byte");
    *out = (struct source){path, text};
    return true;
}

/* Unset and empty are the same, as in systemd's Environment=. */
static const char *variable(const char *name)
{
    const char *value = secure_getenv(name);

    return value && *value ? value : NULL;
}

/* NAME=WORD from the command line: the variable NAME was set by the option WORD. */
static char **words;

/* The name by which the user knows the variable. */
static const char *known_as(const char *name)
{
    const size_t length = strlen(name);

    for (char **word = words; word && *word; word++)
        if (strncmp(*word, name, length) == 0 && (*word)[length] == '=')
            return *word + length + 1;
    return name;
}

static bool policy_of_environment(struct source *out)
{
    const char *text = variable("TRUEFIN_POLICY"), *path = variable("TRUEFIN_POLICY_FILE");

    if (text && path) {
        fputs("truefin: TRUEFIN_POLICY and TRUEFIN_POLICY_FILE are both set (allowed: one of them)\n",
              stderr);
        return false;
    }
    if (path)
        return read_file(out, path);
    *out = (struct source){known_as("TRUEFIN_POLICY"), text ? text : settings[SETTING_POLICY].default_text};
    return true;
}

/* Opens the log as shim/report/sink.c does. A FIFO may have no reader yet: that is no fault. */
static bool log_opens(const char *text, struct fault *fault)
{
    static char what[128];
    struct stat found;
    int fd;

    if (*text != '/')
        return true;
    fd = open(text, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd >= 0)
        return close(fd) == 0;
    if (errno == ENXIO && stat(text, &found) == 0 && S_ISFIFO(found.st_mode))
        return true;
    snprintf(what, sizeof what, "cannot open (%s)", strerror(errno));
    *fault = (struct fault){.what = what,
                            .allowed = "a file that can be written, stderr, or syslog",
                            .at = text,
                            .length = strlen(text),
                            .line = 1,
                            .column = 1};
    return false;
}

/* Then nothing is hooked on the data path. A bad value is said elsewhere. */
static bool observes(void)
{
    const char *text = variable("TRUEFIN_OBSERVE");
    struct fault fault;
    bool does = false;

    return text && observe_parse(&does, text, &fault) && does;
}

/* As shim/report/stats.c refuses a directory. */
static bool stats_are_possible(const char *text, struct fault *fault)
{
    static char what[128];
    struct stat found = {.st_mode = S_IFDIR};
    const char *refused = NULL;

    if (stat(text, &found) != 0)
        refused = strerror(errno);
    else if (!S_ISDIR(found.st_mode))
        refused = "no directory";
    else if ((found.st_mode & (S_IWGRP | S_IWOTH)) && !(found.st_mode & S_ISVTX))
        refused = "others can write there, and it is not sticky";
    else if (found.st_uid != 0 && found.st_uid != geteuid())
        refused = "it belongs to another user";
    if (!refused)
        return true;
    snprintf(what, sizeof what, "cannot be used (%s)", refused);
    *fault = (struct fault){
        .what = what,
        .allowed = "a directory of root's or your own, with the sticky bit if others can write there",
        .at = text,
        .length = strlen(text),
        .line = 1,
        .column = 1};
    return false;
}

static int check_policy(void)
{
    struct source source;
    struct policy policy;
    struct fault fault;

    if (!policy_of_environment(&source))
        return EXIT_BAD;
    if (!policy_parse(&policy, source.text, &fault))
        return bad_text(&source, &fault);
    if (!observes() && (policy_has_option(&policy, OPTION_REFUSE_WRITE) ||
                        policy_has_option(&policy, OPTION_DEFER_CLOSE) || policy_relays(&policy)))
        puts("libtruefin-io.so");
    return EXIT_GOOD;
}

/* Is TEXT good for the variable? One function for each; that of the log does not open it. */
#define SETTING(name, type, place, parse, ...)                                                               \
    static bool is_good_##name(const char *text, struct fault *fault)                                        \
    {                                                                                                        \
        type ignored;                                                                                        \
        return parse(&ignored, text, fault);                                                                 \
    }
#include "settings.def"

/* NULL for the variables that hold a policy or its file. */
static bool (*const is_good[SETTINGS])(const char *text, struct fault *fault) = {
#define SETTING(name, ...) [SETTING_##name] = is_good_##name,
#include "settings.def"
};

static bool setting_is_good(enum setting_name i)
{
    struct source source = {known_as(settings[i].variable), variable(settings[i].variable)};
    struct fault fault;

    if (!source.text || !is_good[i])
        return true;
    if (is_good[i](source.text, &fault) && (i != SETTING_LOG || log_opens(source.text, &fault)) &&
        (i != SETTING_STATS || stats_are_possible(source.text, &fault)))
        return true;
    bad_text(&source, &fault);
    return false;
}

/* Says all that is wrong at once, not the first fault alone. */
static int check_environment(void)
{
    int status = check_policy();

    for (int i = 0; i < SETTINGS; i++)
        if (!setting_is_good((enum setting_name)i))
            status = EXIT_BAD;
    return status;
}

static const char *value_of(enum setting_name i)
{
    const char *text = variable(settings[i].variable);

    return text ? text : settings[i].default_text;
}

static bool are_good(enum setting_name first, enum setting_name last)
{
    for (int i = (int)first; i <= (int)last; i++)
        if (!setting_is_good((enum setting_name)i))
            return false;
    return true;
}

static int show_flush(void)
{
    if (!are_good(SETTING_FLUSH_TIME, SETTING_FLUSH_GAP))
        return EXIT_BAD;
    printf("\nflush-rst: at most %s, and %s at exit; %s after the last byte\n", value_of(SETTING_FLUSH_TIME),
           value_of(SETTING_FLUSH_AT_EXIT), value_of(SETTING_FLUSH_GAP));
    return EXIT_GOOD;
}

static int show_linger(void)
{
    if (!are_good(SETTING_LINGER_TIME, SETTING_LINGER_AT_EXIT))
        return EXIT_BAD;
    printf("\nlinger: at most %s and %s, then %s; at exit: %s\n", value_of(SETTING_LINGER_TIME),
           value_of(SETTING_LINGER_BYTES), value_of(SETTING_LINGER_END), value_of(SETTING_LINGER_AT_EXIT));
    return EXIT_GOOD;
}

static int show(const struct source *source)
{
    static char text[LONGEST_FILE], table[LONGEST_FILE];
    struct policy policy;
    struct fault fault;

    if (!policy_parse(&policy, source->text, &fault))
        return bad_text(source, &fault);
    policy_print(text, sizeof text, &policy);
    policy_print_table(table, sizeof table, &policy);
    printf("%s\n\n%s", text, table);
    if (policy_has(&policy, ENDING_LINGER) && show_linger() != EXIT_GOOD)
        return EXIT_BAD;
    return policy_has(&policy, ENDING_FLUSH_RST) ? show_flush() : EXIT_GOOD;
}

static bool choose_source(struct source *out, int argc, char **argv)
{
    if (argc == 1)
        return policy_of_environment(out);
    if (argc == 3)
        return read_file(out, argv[2]);
    *out = (struct source){"policy", argv[1]};
    return true;
}

/* The text of a policy never begins with '-': nothing that does can be meant as one. */
static bool usage_is_right(int argc, char **argv)
{
    if (argc == 3)
        return strcmp(argv[1], "-f") == 0;
    return argc == 1 || (argc == 2 && argv[1][0] != '-');
}

int main(int argc, char **argv)
{
    struct source source;

    if (argc >= 2 && strcmp(argv[1], "--check-env") == 0) {
        words = argv + 2;
        return check_environment();
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return fputs(help, stdout) < 0;
    if (!usage_is_right(argc, argv))
        return usage();
    if (!choose_source(&source, argc, argv))
        return EXIT_BAD;
    int status = show(&source);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "truefin: standard output: %s\n", strerror(errno));
        return 1;
    }
    return status;
}
