#include "report/setup.h"

#include "config.h"
#include "libc.h"
#include "report/record.h"
#include "report/sink.h"
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

bool setup_read(void)
{
    struct complaint complaint;
    const enum reading reading = config_read(&complaint);
    if (reading == CONFIG_REFUSED)
        complain(&complaint);
    else
        open_log();
    return reading == CONFIG_ACTS;
}
