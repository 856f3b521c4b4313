#include "report/record.h"

#include "address.h"
#include "config.h"
#include "connection/endpoint.h"
#include "connection/socket.h"
#include "keep_errno.h"
#include "libc.h"
#include "report/sink.h"
#include "text.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    LINE_SIZE = 512,
    NAME_SHOWN = 96, /* bytes of a name: twice as many in quotes, and all else has room on the line */
    NAME_SIZE = 104, /* more than that with the last character, and a NUL */
};

_Atomic unsigned record_limits;

/* Lines that could not be written since the last one that could. */
static _Atomic unsigned lost;

/* Whom the lines are about, if it is not this process. Written by record_about() alone. */
static struct {
    pid_t pid;
    const char *program;
    const char *where;
} subject COLD;

void record_about(pid_t pid, const char *program, const char *where)
{
    subject.pid = pid;
    subject.program = program;
    subject.where = where;
}

/* The name at the start: programs write over their arguments, to which libc's pointer leads (setproctitle). */
static char own_name[NAME_SIZE] COLD;

static void note_name(void)
{
    const size_t length = strnlen(program_invocation_short_name, sizeof own_name - 1);
    memcpy(own_name, program_invocation_short_name, length);
    own_name[length] = '\0';
}

int record_open(const char *where)
{
    int error = sink_open(where);
    if (sink_is_open())
        note_name();
    return error;
}

bool record_was_checked(const char *where)
{
    const char *checked = config_variable("TRUEFIN_LOG_CHECKED");
    return checked && strcmp(checked, where) == 0;
}

static bool wanted(void)
{
    return sink_is_open() && atomic_load(&config.state) != STATE_QUIET;
}

static void padded(struct text *line, unsigned number, unsigned digits)
{
    unsigned power = 1;
    for (unsigned i = 1; i < digits; i++)
        power *= 10;
    for (; power > 1 && number < power; power /= 10)
        text_char(line, '0');
    text_number(line, number, 10);
}

/* RFC 3339, UTC. gmtime_r(3) would take a lock. Days to a date: proleptic Gregorian, years that begin in March. */
static void put_time(struct text *line)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    unsigned second = (unsigned)(now.tv_sec % 86400);
    unsigned day = (unsigned)(now.tv_sec / 86400) + 719468; /* from 0000-03-01 */
    unsigned era = day / 146097;
    unsigned of_era = day % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153;
    text_put(line, "time=");
    padded(line, year + era * 400 + (month >= 10), 4);
    text_char(line, '-');
    padded(line, month < 10 ? month + 3 : month - 9, 2);
    text_char(line, '-');
    padded(line, of_year - (153 * month + 2) / 5 + 1, 2);
    text_char(line, 'T');
    padded(line, second / 3600, 2);
    text_char(line, ':');
    padded(line, second / 60 % 60, 2);
    text_char(line, ':');
    padded(line, second % 60, 2);
    text_char(line, '.');
    padded(line, (unsigned)(now.tv_nsec / 1000000), 3);
    text_char(line, 'Z');
}

static bool is_plain(const char *value)
{
    for (const char *c = value; *c; c++)
        if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
            return false;
    return *value != '\0';
}

/*
 * logfmt: a value with blanks or quotes stands in quotes. It may be anybody's: what a terminal would obey is
 * not shown, and what has more than MOST bytes ends in "...".
 */
static void put_value(struct text *line, const char *value, size_t most)
{
    const size_t length = strlen(value);
    const bool quoted = !is_plain(value);
    size_t at = 0;
    if (quoted)
        text_char(line, '"');
    while (at < length && at < most) {
        if (value[at] == '"' || value[at] == '\\')
            text_char(line, '\\');
        at += text_visible(line, value + at, length - at);
    }
    if (at < length)
        text_put(line, "...");
    if (quoted)
        text_char(line, '"');
}

static void put_number(struct text *line, const char *name, unsigned number)
{
    text_char(line, ' ');
    text_put(line, name);
    text_char(line, '=');
    text_number(line, number, 10);
}

static void put_name(struct text *line, const char *name, const char *value)
{
    text_char(line, ' ');
    text_put(line, name);
    text_char(line, '=');
    put_value(line, value, LINE_SIZE);
}

/* The kernel forgets the peer of a connection that has been reset: ENOTCONN (getpeername(2)). */
static void put_endpoint(struct text *line, const char *name, struct endpoint end)
{
    text_char(line, ' ');
    text_put(line, name);
    text_char(line, '=');
    if (!end.known) {
        text_put(line, "unknown");
        return;
    }
    text_prefix(line, &(struct prefix){.address = end.address, .length = ADDRESS_BITS});
    text_char(line, ':');
    text_number(line, end.port, 10);
}

static struct text begin(char line[LINE_SIZE])
{
    struct text text = text_begin(line, LINE_SIZE);
    put_time(&text);
    put_number(&text, "pid", (unsigned)(subject.pid ? subject.pid : getpid()));
    text_put(&text, " program=");
    put_value(&text, subject.program ? subject.program : own_name, NAME_SHOWN);
    if (subject.where)
        put_name(&text, "where", subject.where);
    return text;
}

/* A line that is too long is cut, but stays a line. */
static void finish(struct text *text)
{
    unsigned missing = atomic_exchange(&lost, 0);
    if (missing)
        put_number(text, "lost", missing);
    unsigned limits = atomic_exchange(&record_limits, 0);
    if (limits)
        put_number(text, "limit", limits);
    size_t size = text->length < LINE_SIZE - 1 ? text->length : LINE_SIZE - 1;
    text->out[size] = '\n';
    if (!sink_write(text->out, size + 1))
        atomic_fetch_add(&lost, missing + 1);
}

static void put_endpoints(struct text *line, int fd)
{
    put_endpoint(line, "local", endpoint_local(fd));
    put_endpoint(line, "peer", endpoint_peer(fd));
}

void record_ending(int fd, enum event event, enum ending ending)
{
    if (!wanted())
        return;
    KEEP_ERRNO;
    char line[LINE_SIZE];
    struct text text = begin(line);
    put_name(&text, "event", event_name(event));
    put_name(&text, "ending", ending_name(ending));
    put_endpoints(&text, fd);
    put_number(&text, "unread", (unsigned)socket_unread(fd));
    put_number(&text, "unsent", (unsigned)socket_unsent(fd));
    finish(&text);
}

void record_refusal(int fd)
{
    if (!wanted())
        return;
    KEEP_ERRNO;
    char line[LINE_SIZE];
    struct text text = begin(line);
    put_name(&text, "note", "write refused after the peer's FIN");
    put_endpoints(&text, fd);
    finish(&text);
}

void record_death(enum event event, const unsigned count[ENDINGS])
{
    unsigned ended = 0;
    for (int ending = ENDING_KEEP + 1; ending < ENDINGS; ending++)
        ended += count[ending];
    if (!wanted() || ended == 0)
        return;
    KEEP_ERRNO;
    char line[LINE_SIZE];
    struct text text = begin(line);
    put_name(&text, "event", event_name(event));
    for (int ending = 0; ending < ENDINGS; ending++)
        if (count[ending])
            put_number(&text, ending_name((enum ending)ending), count[ending]);
    finish(&text);
}

void record_note(const char *note)
{
    if (!wanted())
        return;
    KEEP_ERRNO;
    char line[LINE_SIZE];
    struct text text = begin(line);
    put_name(&text, "note", note);
    finish(&text);
}

void record_command(const char *note, const char *command)
{
    if (!wanted())
        return;
    KEEP_ERRNO;
    char line[LINE_SIZE];
    struct text text = begin(line);
    put_name(&text, "note", note);
    put_name(&text, "command", command);
    finish(&text);
}
