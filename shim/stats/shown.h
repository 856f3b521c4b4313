/* What the printers share: the single counters with their names, and names that a terminal may see. */
#ifndef TRUEFIN_STATS_SHOWN_H
#define TRUEFIN_STATS_SHOWN_H

#include "rows.h"
#include "text.h"

#include <stdio.h>
#include <string.h>

enum { SHOWN_SIZE = 4 * PAGE_PROGRAM };

/*
 * The single counters. NAME is JSON's, METRIC Prometheus' ("" for what it has in another shape), MEANING its help. In this
 * order they are printed.
 */
#define SHOWN_COUNTERS(SHOW)                                                                                 \
    SHOW(kept_linger, "", "")                                                                                \
    SHOW(kept_flush, "", "")                                                                                 \
    SHOW(kept_ended, "", "")                                                                                 \
    SHOW(flushed, "", "")                                                                                    \
    SHOW(kept_limit, "", "")                                                                                 \
    SHOW(kept_gave_way, "", "")                                                                              \
    SHOW(flush_bytes, "truefin_flush_bytes_total",                                                           \
         "Bytes that were not acknowledged when flush-rst began to wait for them.")                          \
    SHOW(timed_out_bytes, "truefin_flush_timed_out_bytes_total",                                             \
         "Bytes that were still not acknowledged at the limit of flush-rst, and were lost.")                 \
    SHOW(discarded_bytes, "truefin_linger_discarded_bytes_total",                                            \
         "Bytes that were discarded of lingering connections.")                                              \
    SHOW(awaited, "truefin_exit_waits_total",                                                                \
         "Connections of which a process at its end waited for the delivery.")                               \
    SHOW(awaited_limit, "truefin_exit_waits_timed_out_total",                                                \
         "Connections that were not delivered within TRUEFIN_FLUSH_AT_EXIT.")                                \
    SHOW(missed_births, "truefin_missed_births_total",                                                       \
         "Sockets that came to a process unseen, inherited listeners too.")                                  \
    SHOW(missed_closes, "truefin_missed_closes_total", "Closes that went past truefin, as the audit found.") \
    SHOW(lost_open, "truefin_lost_connections_total",                                                        \
         "Connections that were open when their process died without running code.")                         \
    SHOW(lost_armed, "truefin_lost_armed_connections_total",                                                 \
         "Connections of these that were armed: the kernel has reset them.")                                 \
    SHOW(died_unseen, "truefin_lost_processes_total",                                                        \
         "Processes that died with connections open without running code.")

/* Somebody's name, as a terminal may see it; what is quoted is escaped by a backslash. */
static inline const char *shown(char out[SHOWN_SIZE], const char *name, bool quoted)
{
    struct text text = text_begin(out, SHOWN_SIZE);
    const size_t length = strlen(name);
    for (size_t at = 0; at < length;) {
        if (quoted && (name[at] == '"' || name[at] == '\\'))
            text_char(&text, '\\');
        at += text_visible(&text, name + at, length - at);
    }
    text_end(&text);
    return out;
}

#endif
