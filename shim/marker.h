/*
 * What tools find of the library, and of the side-car, in another process: `truefin status`, `off` and `on`. A
 * note in the file (note.S) says where in memory the marker is, and what else they read. They write one
 * word, the switch, and nothing else.
 *
 * Read by hooks: no call, one load. In the child of a fork the switch is a copy; over an exec switch.h
 * carries it.
 */
#ifndef TRUEFIN_MARKER_H
#define TRUEFIN_MARKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * The switch. How often was it moved? 0 never, an odd number: off, an even one: on again. With the highest bit, who has
 * switched it off could not disarm what is armed: the library does so when a connection next begins or ends.
 */
extern _Atomic uint32_t truefin_switched;
#define MARKER_DISARM 0x80000000U

/*
 * Has somebody said that nothing is to be changed any more? Async-signal-safe, also in a vfork child, and in the thread of
 * kept/, where nothing may be instrumented (kept/raw.h).
 */
__attribute__((no_sanitize("address", "thread", "undefined"))) static inline bool marker_is_off(void)
{
    return atomic_load(&truefin_switched) & 1;
}

/* Was this process ever switched off? Then what it had armed is not armed any more. */
static inline bool marker_was_off(void)
{
    return atomic_load(&truefin_switched) != 0;
}

/* Must the caller disarm all? True once. */
static inline bool marker_must_disarm(void)
{
    return (atomic_load(&truefin_switched) & MARKER_DISARM) &&
           (atomic_fetch_and(&truefin_switched, ~MARKER_DISARM) & MARKER_DISARM);
}

/*
 * What the note of that name and type says: for each of these the distance from the field itself, in bytes.
 * The side-car has the first four.
 */
#define MARKER_NOTE "truefin"
enum { MARKER_LIBRARY = 1, MARKER_SIDECAR = 2 };
struct marker_note {
    int32_t marker, switched, config, page; /* the last: where the address of the page with counters is */
    int32_t first, others, highest;         /* connection/table.h */
    int32_t slots, slot_array;              /* kept/slots.h */
};

/* Which library is it, and how is laid out what they read? layout.c. */
struct marker {
    char magic[8]; /* "truefin" */
    char version[16];
    uint16_t config, policy, connection, slot; /* sizes */
};

extern const struct marker truefin_marker;

#endif
