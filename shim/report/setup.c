#include "report/setup.h"

#include "config.h"
#include "libc.h"
#include "report/record.h"
#include "report/sink.h"
#include "report/stats.h"
#include "text.h"

#include <string.h>

enum { EX_CONFIG = 78, LINE_SIZE = 512, WHAT_SIZE = 128 };

static bool is_strict(void)
{
    const char *strict = secure_getenv("TRUEFIN_STRICT");
    return strict && strcmp(strict, "1") == 0;
}

/* One line on stderr, then out of the way. */
static void complain(const struct complaint *complaint)
{
    char line[LINE_SIZE] = "truefin: ";
    const size_t start = strlen(line);
    size_t length =
        start + fault_print(line + start, sizeof line - start - 1, complaint->subject, &complaint->fault);
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    ssize_t written = sink_stderr_is_client() ? 0 : write(STDERR_FILENO, line, length);
    (void)written;
    if (is_strict())
        real(_exit)(EX_CONFIG);
}

/* Without its records truefin still does the rest. */
static void open_log(void)
{
    char what[WHAT_SIZE] = "cannot open (";
    const int error = record_open(config.log);
    if (!error || record_was_checked(config.log))
        return;
    struct text text = {.out = what, .size = sizeof what, .length = strlen(what)};
    text_put(&text, strerror(error));
    text_char(&text, ')');
    text_end(&text);
    complain(&(struct complaint){.subject = "TRUEFIN_LOG",
                                 .fault = {.what = what,
                                           .allowed = "a file that can be written, stderr, or syslog",
                                           .at = config.log,
                                           .length = strlen(config.log),
                                           .line = 1,
                                           .column = 1}});
}

/* As for the log: `truefin run` has looked at it, and who cannot use it below has lost a right. */
static bool stats_was_checked(void)
{
    const char *checked = config_variable("TRUEFIN_STATS_CHECKED");
    return checked && strcmp(checked, config.stats) == 0;
}

static void check_stats(void)
{
    char what[WHAT_SIZE] = "cannot be used (";
    const char *refused = config.stats ? stats_refuses(config.stats) : NULL;
    if (!refused)
        return;
    struct text text = {.out = what, .size = sizeof what, .length = strlen(what)};
    text_put(&text, refused);
    text_char(&text, ')');
    text_end(&text);
    if (!stats_was_checked())
        complain(&(struct complaint){
            .subject = "TRUEFIN_STATS",
            .fault = {.what = what,
                      .allowed =
                          "a directory of root's or your own, with the sticky bit if others can write there",
                      .at = config.stats,
                      .length = strlen(config.stats),
                      .line = 1,
                      .column = 1}});
    config.stats = NULL;
}

bool setup_read(void)
{
    struct complaint complaint;
    const enum reading reading = config_read(&complaint);
    if (reading == CONFIG_REFUSED)
        complain(&complaint);
    else {
        open_log();
        check_stats();
    }
    return reading == CONFIG_ACTS;
}
