#include "judge/verdict.h"

#include "config.h"
#include "connection/counters.h"
#include "connection/socket.h"
#include "judge/birth.h"
#include "judge/event.h"
#include "judge/source.h"
#include "judge/unwind.h"
#include "keep_errno.h"
#include "kept/flush.h"
#include "kept/keep.h"
#include "kept/kept.h"
#include "libc.h"
#include "marker.h"
#include "process/ownership.h"
#include "process/process.h"
#include "report/probes.h"
#include "report/record.h"
#include "report/stats.h"

#include <limits.h>
#include <pthread.h>

enum { DEATHS = 3 }; /* for some connections a death is another event: that of a session, or of a source */

enum event verdict_event_for(const struct connection *connection, enum event event)
{
    return event_of_session(event, atomic_load(&connection->flags) & FLAG_GIVEN);
}

/*
 * What the kernel makes of the end, where all endings are recorded and this one can be. NULL: it was not asked. FATE is
 * the place for the answer.
 */
static const struct fate *ask_fate(struct fate *fate, int fd, const struct connection *connection)
{
    if (!config.log_all || !(record_wanted() || config.stats))
        return NULL;
    const uint16_t flags = atomic_load(&connection->flags);
    *fate = fate_of(fd, (struct known){
                            .aborts = (flags & FLAG_LINGER_ON) && connection->linger_seconds == 0,
                            .shut = flags & FLAG_SHUT,
                            .shut_no = atomic_load(&connection->claims) == 0 && !(flags & FLAG_PASSED),
                        });
    COUNT(causes[fate->why]);
    return fate;
}

static bool is_unread(int fd, const struct fate *fate)
{
    return fate ? fate->unread > 0 : socket_unread(fd) > 0;
}

/* What the program does because a source has failed is no end of its own choice. A crash and a stop are what they are. */
static bool is_of_source(const struct connection *connection, enum event event, struct failure *failure)
{
    switch (event) {
    case EVENT_CLOSE:
    case EVENT_UNREAD:
    case EVENT_EXIT:
    case EVENT_EXIT_ERROR:
    case EVENT_SESSION_ERROR:
        return verdict_wanted(connection, EVENT_SOURCE_FAILED) != ENDING_KEEP &&
               (source_is_aborted(connection) || source_has_failed(connection, failure));
    default:
        return false;
    }
}

/* Asks the kernel what is unread only where the answer can matter. FATE: as of ask_fate(). */
static enum event event_at(int fd, const struct connection *connection, size_t buffered,
                           const struct fate *fate, struct failure *failure)
{
    const struct endings *endings = connection->endings;
    const enum event event = event_of_close((struct closing){
        .service_signal = connection->service_signal,
        .exiting = process_is_exiting() && !(atomic_load(&connection->flags) & FLAG_LATE),
        .exit = verdict_event_for(connection, process_exit_event()),
        .unwinding = unwind_event(),
    });
    if (is_of_source(connection, event, failure))
        return EVENT_SOURCE_FAILED;
    if (event != EVENT_CLOSE || (!fate && endings->of[EVENT_UNREAD] == endings->of[EVENT_CLOSE]))
        return event;
    return buffered > 0 || is_unread(fd, fate) ? EVENT_UNREAD : EVENT_CLOSE;
}

/*
 * After the FIN is out only data left unread can still make the kernel send an RST: a policy that promises a
 * FIN drains it, and no policy aborts.
 */
static enum ending after_shutdown(enum ending ending)
{
    return ending_aborts(ending) ? ENDING_KEEP : ending;
}

bool verdict_fin_is_out(int fd, const struct connection *connection)
{
    if (atomic_load(&connection->flags) & FLAG_SHUT)
        return true;
    return atomic_load(&connection->claims) != 0 && socket_fin_sent(fd);
}

enum ending verdict_wanted(const struct connection *connection, enum event event)
{
    return marker_is_off() ? ENDING_KEEP : (enum ending)connection->endings->of[event];
}

/* What the policy says, and what is still left to decide. FATE: as of ask_fate(). */
static enum ending ending_of_event(int fd, const struct connection *connection, enum event event,
                                   const struct fate *fate)
{
    const enum ending ending = verdict_wanted(connection, event);
    if (ending == ENDING_KEEP || !(fate ? fate->fin_sent : verdict_fin_is_out(fd, connection)))
        return ending;
    return after_shutdown(ending);
}

/*
 * What another process may have cannot linger, nor what nobody waits for: TIME says whether there is time for
 * it.
 */
static enum ending feasible(int fd, const struct connection *connection, enum ending ending, bool time)
{
    return ending == ENDING_LINGER && !(time && ownership_is_sole_holder(fd, connection)) ? ENDING_FIN
                                                                                          : ending;
}

/*
 * Armed, it is kept until all is delivered. Where it cannot be kept, an abort would destroy what the peer has not
 * acknowledged: then it ends as without us. If only the gap is not past, it is aborted.
 */
static void flush(int fd, struct connection *connection)
{
    uint32_t queued = 0;
    if (config.flush.most == 0 || kept_queue(fd, connection->plain, &queued) == 0)
        return;
    if (keep_flush(fd, connection, ownership_is_sole_holder(fd, connection)))
        COUNT_BY(flush_bytes, queued);
    else if (socket_unsent(fd) > 0)
        socket_disarm(fd, connection);
}

static void end(int fd, struct connection *connection, enum ending ending)
{
    if (socket_end(fd, connection, ending) && ending == ENDING_LINGER)
        keep_linger(fd, connection);
}

/* Nothing is done to it: what the policy says is only told. */
static void observe(int fd, const struct connection *connection, enum event event, const struct fate *fate)
{
    const enum ending ending = ending_of_event(fd, connection, event, fate);
    COUNT(would[event][ending]);
    PROBE3(ending, fd, (int)event, (int)ending);
    record_ending(fd, event, ending, fate);
}

/* A shutdown that has become an abort has been recorded. */
static void record(int fd, const struct connection *connection, enum event event, enum ending ending,
                   const struct fate *fate, const struct failure *failure)
{
    if (ending == ENDING_KEEP && !fate)
        return;
    if (event != EVENT_SOURCE_FAILED)
        record_ending(fd, event, ending, fate);
    else if (!source_is_aborted(connection))
        record_source_failed(fd, ending, failure);
}

static void judge(int fd, struct connection *connection, size_t buffered)
{
    struct fate room;
    struct failure failure = {.how = HOW_UNKNOWN};
    stats_begin();
    const struct fate *fate = ask_fate(&room, fd, connection);
    const enum event event = event_at(fd, connection, buffered, fate, &failure);
    PROBE2(event, fd, (int)event);
    if (config.observes) {
        observe(fd, connection, event, fate);
        return;
    }
    enum ending ending = feasible(fd, connection, ending_of_event(fd, connection, event, fate), true);
    COUNT(ended[event][ending]);
    PROBE3(ending, fd, (int)event, (int)ending);
    record(fd, connection, event, ending, fate, &failure);
    end(fd, connection, ending);
    if (ending == ENDING_FLUSH_RST)
        flush(fd, connection);
}

/* What we ask and write must not become a point at which the program's thread can be cancelled (pthreads(7)). */
static int no_cancellation(void)
{
    int before = PTHREAD_CANCEL_ENABLE;
    real(pthread_setcancelstate)(PTHREAD_CANCEL_DISABLE, &before);
    return before;
}

enum ending verdict_of_close(int fd, const struct connection *connection, size_t buffered)
{
    struct failure failure;
    return ending_of_event(fd, connection, event_at(fd, connection, buffered, NULL, &failure), NULL);
}

/*
 * The FIN would say that all was well. Its place takes the abort, when all is delivered; until then the program may read
 * on, and after it reads what a peer's reset would tell it. Within exit(3) the death waits for the delivery.
 */
bool verdict_shutdown(int fd, struct connection *connection)
{
    struct failure failure;
    const enum ending ending = verdict_wanted(connection, EVENT_SOURCE_FAILED);
    if (source_is_aborted(connection))
        return true;
    if (!ending_aborts(ending) || verdict_fin_is_out(fd, connection) ||
        !source_has_failed(connection, &failure))
        return false;
    int cancellation = no_cancellation();
    const bool at_once =
        ending == ENDING_RST || config.flush.most == 0 || kept_unflushed(fd, connection->plain) == 0;
    const bool kept = !at_once && (process_is_exiting() || keep_flush_open(fd, connection));
    const bool aborts = at_once || kept || socket_unsent(fd) == 0;
    if (aborts) {
        record_source_failed(fd, ending, &failure);
        source_aborts(connection);
    }
    if (kept)
        socket_arm(fd, connection);
    else if (aborts)
        socket_abort(fd);
    real(pthread_setcancelstate)(cancellation, NULL);
    return aborts;
}

void verdict_close(int fd, size_t buffered)
{
    if (marker_must_disarm())
        ownership_disarm_all();
    struct connection *connection = table_take(fd);
    if (!connection)
        return;
    int cancellation = no_cancellation();
    if (connection->kind == KIND_CONNECTION && ownership_gives_up(fd, connection))
        judge(fd, connection, buffered);
    table_free(connection);
    real(pthread_setcancelstate)(cancellation, NULL);
}

void verdict_close_range(unsigned first, unsigned last)
{
    if (first > INT_MAX)
        return;
    for (int fd = (int)first; (fd = table_next(fd, last)) >= 0; fd++)
        if (!keep_holds(fd))
            verdict_close(fd, 0);
}

/* Nobody else can have it, and it is armed: the kernel will abort it, without any call of ours. */
static bool kernel_will_abort(const struct connection *connection)
{
    return !marker_was_off() &&
           (atomic_load(&connection->flags) & (FLAG_ARMED | FLAG_ADOPTED)) == FLAG_ARMED &&
           atomic_load(&connection->claims) == 0;
}

/* What becomes of a connection as its process dies. False if that is left to others. */
static bool end_by_death(int fd, struct connection *connection, enum event event, enum ending *ending)
{
    struct fate room;
    const struct fate *fate = NULL;
    *ending = verdict_wanted(connection, event);
    const bool will_abort = ending_aborts(*ending) && kernel_will_abort(connection);
    if (!will_abort && !ownership_gives_up(fd, connection))
        return false;
    fate = ask_fate(&room, fd, connection);
    PROBE2(event, fd, (int)event);
    if (config.observes) {
        observe(fd, connection, event, fate);
        return false;
    }
    if (!will_abort)
        *ending = feasible(fd, connection, ending_of_event(fd, connection, event, fate), config.linger.waits);
    COUNT(ended[event][*ending]);
    PROBE3(ending, fd, (int)event, (int)*ending);
    if (fate)
        record_ending(fd, event, *ending, fate);
    if (!will_abort)
        end(fd, connection, *ending);
    if (*ending == ENDING_FLUSH_RST)
        flush_mark(fd, connection);
    return true;
}

/* A function of its own: a death may have little stack. */
__attribute__((noinline)) static bool dies_of_source(const struct connection *connection, enum event event)
{
    struct failure failure;
    return is_of_source(connection, event, &failure);
}

/* Of one connection a death is this event, that of a session, or that of a source. */
static enum event event_of_its_death(const struct connection *connection, enum event event)
{
    const enum event its_event = verdict_event_for(connection, event);
    return dies_of_source(connection, its_event) ? EVENT_SOURCE_FAILED : its_event;
}

static void record_deaths(enum event event, const unsigned count[DEATHS][ENDINGS])
{
    record_death(event, count[0]);
    if (event_of_session(event, true) != event)
        record_death(event_of_session(event, true), count[1]);
    record_death(EVENT_SOURCE_FAILED, count[2]);
}

void verdict_death(enum event event)
{
    if (config.watched || !ownership_has_connections())
        return;
    unsigned count[DEATHS][ENDINGS] = {{0}};
    int cancellation = no_cancellation();
    struct connection *connection;
    stats_begin();
    for (int fd = 0; (connection = ownership_next(&fd)); fd++) {
        const enum event its_event = event_of_its_death(connection, event);
        enum ending ending;
        if (end_by_death(fd, connection, its_event, &ending))
            count[its_event == event ? 0 : its_event == EVENT_SOURCE_FAILED ? 2 : 1][ending]++;
    }
    flush_await(true);
    record_deaths(event, (const unsigned(*)[ENDINGS])count);
    stats_died(event);
    PROBE1(death, (int)event);
    real(pthread_setcancelstate)(cancellation, NULL);
}
