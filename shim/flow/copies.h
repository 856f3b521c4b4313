/*
 * Relays that copy what they have read before they write it (Node, sslh): then its address tells nothing, and what it ends in
 * is compared with what was read last
 *
 *     - from whatever the connection is paired with, one way or the other, four reads back
 *     - by this thread
 *     - from any connection that has fed none yet, if no other one has read the same since
 *
 * Many read the same at the same time: so the last two count only where neither side is paired with somebody else, and where
 * nobody else has read the same.
 *
 * Bounded, without a lock; safe with threads and in signal handlers.
 */
#ifndef TRUEFIN_COPIES_H
#define TRUEFIN_COPIES_H

#include "flow/flow.h"

/* A read from SOURCE, with FLOW (NULL for none), has ended in what TAIL says (reads_tail()). */
void copies_note(struct flow *flow, source_name source, uint64_t tail);

/* From whom is what was written to FLOW, of which nobody knows the memory? 0: nobody knows. */
source_name copies_source(const struct flow *flow, uint64_t tail, size_t size);

#endif
