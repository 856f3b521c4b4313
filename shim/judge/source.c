#include "judge/source.h"

#include "config.h"
#include "connection/socket.h"
#include "flow/pipes.h"
#include "judge/event.h"
#include "keep_errno.h"
#include "libc.h"
#include "own_calls.h"
#include "process/process.h"
#include "report/sink.h"

#include <errno.h>

enum {
    PROMPT =
        1000, /* milliseconds: who ends a connection because its source has failed does it within that time */
    OVER = FLOW_ENDED | FLOW_FAILED |
           FLOW_ABORTED, /* it cannot fail any more; what we abort is no source that has failed */
    PATIENCE = 20,       /* the same, at most: a child closes its pipe, and then dies */
    LATER =
        20, /* the same: a FIN that is read after a failure is a reason of its own, but for one of the same moment */
};

static bool is_connection(const struct connection *record)
{
    return record && record->kind == KIND_CONNECTION;
}

void source_born(int fd, const struct connection *record, struct endpoint peer)
{
    if (!config.relays)
        return;
    KEEP_ERRNO;
    if (!peer.known && sink_is_open())
        peer = endpoint_peer(fd);
    flow_born(fd, record, peer);
}

static void fails(struct flow *flow, uint32_t how, uint32_t state)
{
    const struct failure failure = {.how = how,
                                    .at = flow_now(),
                                    .partner = atomic_load(&flow->source),
                                    .tail = atomic_load(&flow->tails[(flow->next_tail - 1) % FLOW_TAILS]),
                                    .peer = flow->peer};
    flow_fails(atomic_load(&flow->owner), &failure);
    atomic_fetch_or(&flow->state, FLOW_FAILED | state);
}

bool source_watches(void)
{
    return config.relays && !truefin_in_vfork;
}

/* What says that the connection is over (tcp(7), ip(7)), not that the call was wrong, or came too early. */
static bool is_fatal(int error)
{
    switch (error) {
    case ECONNRESET:
    case ETIMEDOUT:
    case EPIPE:
    case ECONNABORTED:
    case ENETRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case EPROTO:
        return true;
    default:
        return false;
    }
}

/*
 * EPIPE: the peer has sent its FIN and then, as more came to it, an RST (tcp_reset in net/ipv4/tcp_input.c). If the program
 * has read all, the connection has ended well, for what it was a source of. If not, that is to be seen. After its own
 * shutdown EPIPE says nothing.
 */
static void is_a_broken_pipe(int fd, const struct connection *record, struct flow *flow)
{
    char byte = 0;
    if (atomic_load(&record->flags) & FLAG_SHUT || atomic_load(&config.state) == STATE_QUIET)
        return;
    const ssize_t left = own_recv(fd, &byte, sizeof byte, MSG_PEEK | MSG_DONTWAIT);
    if (left == 0)
        atomic_fetch_or(&flow->state, FLOW_ENDED);
    else
        fails(flow, EPIPE, left > 0 ? FLOW_DOUBTFUL : 0);
}

static void fails_by(int fd, const struct connection *record, struct flow *flow, int error)
{
    if (!is_fatal(error) || atomic_load(&flow->state) & OVER)
        return;
    KEEP_ERRNO;
    if (error == EPIPE)
        is_a_broken_pipe(fd, record, flow);
    else
        fails(flow, (uint32_t)error, 0);
}

/* After an error that was told the kernel says 0, too. */
static void has_ended(struct flow *flow)
{
    const uint32_t state = atomic_load(&flow->state);
    if ((state & FLOW_FAILED) && !(state & FLOW_DOUBTFUL))
        return;
    if (state & FLOW_DOUBTFUL) {
        flow_fails_not(atomic_load(&flow->owner));
        atomic_fetch_and(&flow->state, ~(uint32_t)(FLOW_FAILED | FLOW_DOUBTFUL));
    }
    if (!(state & FLOW_ENDED)) {
        atomic_store(&flow->ended, flow_now());
        atomic_fetch_or(&flow->state, FLOW_ENDED);
    }
}

struct flow *source_heard(int fd, ssize_t result, bool reads)
{
    const struct connection *record = table_find(fd);
    struct flow *flow = is_connection(record) ? flow_of(record) : NULL;
    if (flow && result < 0)
        fails_by(fd, record, flow, errno);
    else if (flow && result == 0 && reads)
        has_ended(flow);
    return flow;
}

void source_told(int fd, int error)
{
    const struct connection *record = source_watches() ? table_find(fd) : NULL;
    struct flow *flow = is_connection(record) ? flow_of(record) : NULL;
    if (flow)
        fails_by(fd, record, flow, error);
}

void source_forgets(int fd)
{
    if (source_watches())
        pipes_closed(fd);
}

/* Does anybody else have what FD is? Then its error is not ours to take. */
static uint32_t error_of(int fd, const struct connection *record)
{
    const int error = atomic_load(&record->claims) ? 0 : socket_error(fd);
    return error > 0 ? (uint32_t)error : HOW_UNKNOWN;
}

/* After the program's own FIN TCP_CLOSE may be a good end. */
static void asked(int fd, const struct connection *record, struct flow *flow, bool closes)
{
    if (atomic_load(&flow->state) & OVER || atomic_load(&record->flags) & FLAG_SHUT || !socket_is_over(fd))
        return;
    const uint32_t how = closes ? error_of(fd, record) : HOW_UNKNOWN;
    if (how == EPIPE)
        is_a_broken_pipe(fd, record, flow);
    else
        fails(flow, how, 0);
}

void source_closes(int fd, const struct connection *record)
{
    if (!source_watches() || !is_connection(record))
        return;
    struct flow *flow = flow_of(record);
    if (!flow || !(atomic_load(&flow->state) & (FLOW_FEEDS | FLOW_FED)))
        return;
    KEEP_ERRNO;
    asked(fd, record, flow, true);
}

/* Whose failure would end FLOW? If nothing was ever written to it, that of what its own bytes were written to. */
static source_name source_for(const struct flow *flow)
{
    const source_name source = atomic_load(&flow->source);
    return source || atomic_load(&flow->state) & FLOW_FED ? source : atomic_load(&flow->sink);
}

/* A child that has died badly: as a process would that had the connection. */
static bool child_has_failed(source_name source, struct failure *failure)
{
    struct ended ended;
    if (!pipes_died(source, PATIENCE, &ended))
        return false;
    const enum event event = event_of_death((struct death){.signal = ended.signal, .status = ended.status});
    *failure = (struct failure){
        .how = ended.signal ? HOW_SIGNAL | (uint32_t)ended.signal : HOW_STATUS | (uint32_t)ended.status,
        .at = flow_now(),
        .child = ended.child,
    };
    return event == EVENT_CRASH || event == EVENT_EXIT_ERROR;
}

/* The failure of SOURCE, asking for it where the program still has it and may not know of it. */
static bool find(source_name source, struct failure *failure)
{
    if (pipes_is_child(source))
        return child_has_failed(source, failure);
    if (flow_failed(source, failure))
        return true;
    const struct connection *record = table_named(source);
    struct flow *flow = flow_named(source);
    if (!record || !flow || table_find(flow->fd) != record)
        return false;
    asked(flow->fd, record, flow, false);
    return flow_failed(source, failure);
}

static bool within(uint32_t from, uint32_t to, uint32_t most)
{
    return (int32_t)(to - from) <= (int32_t)most;
}

/* Is FLOW ended for FAILURE, and not for what happened to itself later? */
static bool is_for(const struct flow *flow, const struct failure *failure)
{
    const uint32_t late = atomic_load(&flow->fed);
    const uint32_t since = late && !within(late, failure->at, 0) ? late : failure->at;
    if (failure->partner && failure->partner != atomic_load(&flow->owner))
        return false;
    if (!within(since, flow_now(), PROMPT))
        return false;
    return !(atomic_load(&flow->state) & FLOW_ENDED) || within(failure->at, atomic_load(&flow->ended), LATER);
}

bool source_has_failed(const struct connection *connection, struct failure *failure)
{
    if (!source_watches() || atomic_load(&config.state) != STATE_ON)
        return false;
    const struct flow *flow = flow_of(connection);
    const source_name source = flow ? source_for(flow) : 0;
    if (!source)
        return false;
    KEEP_ERRNO;
    const bool failed = find(source, failure) && is_for(flow, failure);
    return failed;
}

void source_aborts(const struct connection *connection)
{
    struct flow *flow = flow_of(connection);
    if (flow)
        atomic_fetch_or(&flow->state, FLOW_ABORTED);
}

bool source_is_aborted(const struct connection *connection)
{
    const struct flow *flow = source_watches() ? flow_of(connection) : NULL;
    return flow && (atomic_load(&flow->state) & FLOW_ABORTED);
}
