#include "report/record.h"

#include "config.h"
#include "connection/endpoint.h"
#include "connection/socket.h"
#include "flow/failure.h"
#include "keep_errno.h"
#include "libc.h"
#include "report/line.h"
#include "report/sink.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
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

bool record_wanted(void)
{
    return sink_is_open() && atomic_load(&config.state) != STATE_QUIET;
}

static void begin(struct line *line)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    line_begin(line, now);
    line_number(line, "pid", (unsigned)(subject.pid ? subject.pid : getpid()));
    line_string(line, "program", subject.program ? subject.program : own_name, NAME_SHOWN);
    if (subject.where)
        line_word(line, "where", subject.where);
}

static void finish(struct line *line)
{
    unsigned missing = atomic_exchange(&lost, 0);
    if (missing)
        line_number(line, "lost", missing);
    unsigned limits = atomic_exchange(&record_limits, 0);
    if (limits)
        line_number(line, "limit", limits);
    size_t size = line_end(line);
    if (!sink_write(line->room, size))
        atomic_fetch_add(&lost, missing + 1);
}

static void put_endpoints(struct line *line, int fd)
{
    line_endpoint(line, "local", endpoint_local(fd));
    line_endpoint(line, "peer", endpoint_peer(fd));
}

/* KEY=BEFORE:NUMBER */
static void put_pair(struct line *line, const char *key, const char *before, uint32_t number)
{
    char room[24];
    struct text text = text_begin(room, sizeof room);
    text_put(&text, before);
    text_char(&text, ':');
    text_number(&text, number, 10);
    text_end(&text);
    line_word(line, key, room);
}

static void put_source(struct line *line, const struct failure *source)
{
    const uint32_t how = source->how;
    if (source->child)
        put_pair(line, "source", "pid", (uint32_t)source->child);
    else
        line_endpoint(line, "source", source->peer);
    if (how & (HOW_STATUS | HOW_SIGNAL))
        put_pair(line, "how", how & HOW_STATUS ? "status" : "signal", how & HOW_ERRNO_MOST);
    else
        line_word(line, "how", how == ECONNRESET ? "reset" : how == ETIMEDOUT ? "timeout" : "error");
}

/* While it observes, "would" is what the policy says, in the place of what was done. */
static void put_ending(struct line *line, int fd, enum event event, enum ending ending,
                       const struct fate *fate)
{
    line_word(line, "event", event_name(event));
    line_word(line, config.observes ? "would" : "ending", ending_name(ending));
    if (fate) {
        line_word(line, "kernel", cause_sends(fate->why));
        line_word(line, "why", cause_name(fate->why));
    }
    put_endpoints(line, fd);
    line_number(line, "unread", fate ? fate->unread : (unsigned)socket_unread(fd));
    line_number(line, "unsent", (unsigned)socket_unsent(fd));
}

void record_ending(int fd, enum event event, enum ending ending, const struct fate *fate)
{
    if (!record_wanted())
        return;
    KEEP_ERRNO;
    struct line line;
    begin(&line);
    put_ending(&line, fd, event, ending, fate);
    finish(&line);
}

void record_source_failed(int fd, enum ending ending, const struct failure *source)
{
    if (!record_wanted())
        return;
    KEEP_ERRNO;
    struct line line;
    begin(&line);
    put_ending(&line, fd, EVENT_SOURCE_FAILED, ending, NULL);
    put_source(&line, source);
    finish(&line);
}

void record_refusal(int fd)
{
    if (!record_wanted())
        return;
    KEEP_ERRNO;
    struct line line;
    begin(&line);
    line_string(&line, "note", "write refused after the peer's FIN", LINE_SIZE);
    put_endpoints(&line, fd);
    finish(&line);
}

/* A function of its own: a death without anything to say may have too little stack for a line. */
__attribute__((noinline)) static void write_death(enum event event, const unsigned count[ENDINGS])
{
    KEEP_ERRNO;
    struct line line;
    begin(&line);
    line_word(&line, "event", event_name(event));
    for (int ending = 0; ending < ENDINGS; ending++)
        if (count[ending])
            line_number(&line, ending_name((enum ending)ending), count[ending]);
    finish(&line);
}

void record_death(enum event event, const unsigned count[ENDINGS])
{
    unsigned ended = 0;
    for (int ending = ENDING_KEEP + 1; ending < ENDINGS; ending++)
        ended += count[ending];
    if (record_wanted() && ended > 0 && !config.observes)
        write_death(event, count);
}

void record_note(const char *note)
{
    record_command(note, NULL);
}

void record_command(const char *note, const char *command)
{
    if (!record_wanted())
        return;
    KEEP_ERRNO;
    struct line line;
    begin(&line);
    line_string(&line, "note", note, LINE_SIZE);
    if (command)
        line_string(&line, "command", command, LINE_SIZE);
    finish(&line);
}
