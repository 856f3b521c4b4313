#include "kept/flush.h"

#include "config.h"
#include "connection/counters.h"
#include "keep_errno.h"
#include "kept/keep.h"
#include "kept/kept.h"
#include "kept/raw.h"
#include "process/ownership.h"
#include "report/record.h"

enum { LONGEST_REST = 20 }; /* milliseconds: the process ends soon after the last byte is acknowledged */

static _Atomic uint32_t marked;

void flush_mark(int fd, struct connection *connection)
{
    uint32_t queued = 0;
    if (config.flush.at_exit == 0 || kept_queue(fd, connection->plain, &queued) == 0)
        return;
    if (!(atomic_fetch_or(&connection->flags, FLAG_FLUSHES) & FLAG_FLUSHES)) {
        atomic_fetch_add(&marked, 1);
        COUNT(awaited);
        COUNT_BY(flush_bytes, queued);
    }
}

static void unmark(struct connection *connection)
{
    if (atomic_fetch_and(&connection->flags, (uint16_t)~FLAG_FLUSHES) & FLAG_FLUSHES)
        atomic_fetch_sub(&marked, 1);
}

/* The next one that is marked, at *FD or above. */
static struct connection *next(int *fd)
{
    struct connection *connection;
    for (; (connection = ownership_next(fd)); ++*fd)
        if (atomic_load(&connection->flags) & FLAG_FLUSHES)
            return connection;
    return NULL;
}

/*
 * A peer that waits for us to read, before it reads itself, must not wait for ever. But behind an exec that
 * fails the program reads on.
 */
static uint32_t look(int fd, const struct connection *connection, bool for_good, uint32_t *queued)
{
    if (for_good && ownership_is_sole_holder(fd, connection))
        kept_drain(fd);
    return kept_queue(fd, connection->plain, queued);
}

/* Milliseconds until the next look; 0 when all is delivered. LEFT: bytes that are not acknowledged. */
static uint32_t look_at_all(bool for_good, uint64_t *left)
{
    uint32_t longest = 0;
    *left = 0;
    struct connection *connection;
    for (int fd = 0; (connection = next(&fd)); fd++) {
        uint32_t queued = 0;
        const uint32_t wait = look(fd, connection, for_good, &queued);
        *left += wait > 0 ? queued : 0;
        if (wait == 0)
            unmark(connection);
        longest = wait > longest ? wait : longest;
    }
    return longest < LONGEST_REST ? longest : LONGEST_REST;
}

static void rest(uint32_t milliseconds)
{
    const struct timespec time = {.tv_nsec = (long)milliseconds * 1000000};
    CALL4(nanosleep, &time, NULL, 0, 0);
}

/* Those that are left stay armed. */
static void give_up(void)
{
    struct connection *connection;
    for (int fd = 0; (connection = next(&fd)); fd++) {
        unmark(connection);
        atomic_fetch_add(&record_limits, 1);
        COUNT(awaited_limit);
    }
}

void flush_await(bool for_good)
{
    KEEP_ERRNO;
    if (marked == 0 && !keep_flushes())
        return;
    const uint32_t limit = raw_now() + config.flush.at_exit;
    uint32_t left = config.flush.at_exit;
    uint32_t wait;
    uint64_t bytes = 0;
    while (marked > 0 && (wait = look_at_all(for_good, &bytes)) > 0 && left > 0) {
        rest(wait < left ? wait : left);
        left = (int32_t)(limit - raw_now()) > 0 ? limit - raw_now() : 0;
    }
    if (marked > 0)
        COUNT_BY(timed_out_bytes, bytes);
    give_up();
    keep_end_flushes(left);
}
