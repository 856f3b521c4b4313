#include "judge/deferred.h"

#include "config.h"
#include "connection/table.h"
#include "judge/runtime.h"
#include "judge/source.h"
#include "judge/verdict.h"
#include "keep_errno.h"
#include "kept/defer.h"
#include "kept/keep.h"
#include "libc.h"
#include "marker.h"
#include "process/claims.h"
#include "process/ownership.h"
#include "process/process.h"

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

/* May the status of the process give another ending than this close? Whoever was asked to stop, stops. */
static bool status_matters(const struct connection *connection)
{
    const uint8_t *endings = connection->endings->of;
    uint8_t close = endings[EVENT_CLOSE];
    if (process_stop_noted())
        return endings[EVENT_STOP] != close;
    return endings[EVENT_EXIT] != close || endings[verdict_event_for(connection, EVENT_EXIT_ERROR)] != close;
}

/* Can the end of the process abort it? */
static bool death_aborts(const struct connection *connection)
{
    static const enum event deaths[] = {EVENT_EXIT, EVENT_EXIT_ERROR, EVENT_STOP, EVENT_CRASH};
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
        if (ending_aborts((enum ending)connection->endings->of[verdict_event_for(connection, deaths[i])]))
            return true;
    return false;
}

enum way { NOW, UNTIL_STATUS, UNTIL_LIFE };

/* A linger of the program's own makes its close wait, or abort: that is the program's decision. */
static enum way way_of(int fd, const struct connection *connection, size_t buffered)
{
    if (process_is_exiting() || marker_is_off())
        return NOW;
    if (config.defers && connection->endings->has[OPTION_DEFER_CLOSE] &&
        !(atomic_load(&connection->flags) & FLAG_LINGER_ON) && death_aborts(connection) &&
        !ending_aborts(verdict_of_close(fd, connection, buffered)))
        return runtime_is_dying() ? UNTIL_STATUS : UNTIL_LIFE;
    return runtime_is_dying() && status_matters(connection) ? UNTIL_STATUS : NOW;
}

/* While another process holds it this close ends nothing, and after the crash of a service it is that crash. */
static bool others_decide(int fd, const struct connection *connection)
{
    const uint32_t claims = atomic_load(&connection->claims);
    if (claims &&
        (claims_other(claims, process_pid(), fd, false) != 0 || claims_service_killed_by(claims) != 0))
        return true;
    return ownership_outer_holds(connection, fd);
}

static bool is_candidate(int fd, const struct connection *connection)
{
    return connection && connection->kind == KIND_CONNECTION && ownership_has_claim(connection) &&
           atomic_load(&config.state) != STATE_QUIET && table_has_one(connection) &&
           !verdict_fin_is_out(fd, connection) && !others_decide(fd, connection);
}

static void carry_out(enum deferred_by whose)
{
    if (!defer_has(whose) || !process_enter())
        return;
    KEEP_ERRNO;
    for (int fd = 0; (fd = defer_next(fd, whose)) >= 0; fd++)
        deferred_give_up(fd);
}

/*
 * The value of a thread that has deferred something: at the thread's end, however it ends, the C library calls for it. A
 * value of one of the first 32 keys is stored without an allocation (glibc), so a close in a signal handler may do it.
 */
static pthread_key_t thread_key;
static bool has_key;

static void thread_ends(void *value)
{
    (void)value;
    deferred_goes_on();
}

void deferred_start(void)
{
    enum { PLAIN_KEYS = 32 };
    has_key = pthread_key_create(&thread_key, thread_ends) == 0 && thread_key < PLAIN_KEYS;
}

static void begin(int fd, struct connection *connection, enum way way)
{
    if (defer_begin(fd, connection, way == UNTIL_LIFE) >= 0 && way == UNTIL_LIFE && has_key)
        pthread_setspecific(thread_key, &thread_key);
}

static void closes_a_source(int fd)
{
    const struct connection *connection = table_find(fd);
    if (connection && table_has_one(connection))
        source_closes(fd, connection);
}

/* What is settled, and whose thread never comes by a hook again, the next close of any thread takes along. */
void deferred_close(int fd, size_t buffered)
{
    carry_out(DEFERRED_SETTLED);
    if (config.relays)
        closes_a_source(fd);
    if (config.defers || runtime_is_dying()) {
        KEEP_ERRNO;
        struct connection *connection = table_find(fd);
        const enum way way = is_candidate(fd, connection) ? way_of(fd, connection, buffered) : NOW;
        if (way != NOW)
            begin(fd, connection, way);
    }
    verdict_close(fd, buffered);
}

void deferred_close_range(unsigned first, unsigned last)
{
    if (first > INT_MAX)
        return;
    for (int fd = (int)first; (fd = table_next(fd, last)) >= 0; fd++)
        if (!keep_holds(fd))
            deferred_close(fd, 0);
}

void deferred_give_up(int fd)
{
    if (!defer_take(fd))
        return;
    verdict_close(fd, 0);
    defer_close(fd);
}

void deferred_end(void)
{
    carry_out(DEFERRED_BY_ANY);
}

void deferred_goes_on(void)
{
    carry_out(DEFERRED_BY_ME);
}

void deferred_before_child(void)
{
    carry_out(DEFERRED_BY_ME);
    carry_out(DEFERRED_UNTIMED);
}

/* What is deferred has waited for the least good reason. */
bool deferred_gives_room(int result)
{
    if (result >= 0 || errno != EMFILE || !process_enter())
        return false;
    const bool gives = defer_has(DEFERRED_BY_ANY);
    deferred_end();
    return gives || keep_gives_room();
}

static bool is_file(int fd)
{
    KEEP_ERRNO;
    struct stat status;
    return fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* That the thread has had one event since it closed something. */
static __thread bool had_one __attribute__((tls_model("initial-exec")));

HOOK void truefin_goes_on(int fd)
{
    if (!defer_has(DEFERRED_BY_ME) || is_file(fd))
        return;
    had_one = false;
    deferred_goes_on();
}

HOOK bool truefin_has_closed(void)
{
    return defer_has(DEFERRED_BY_ME);
}

HOOK void truefin_had_events(int count)
{
    if (count > 1 || had_one)
        deferred_goes_on();
    had_one = !had_one && count == 1;
}
