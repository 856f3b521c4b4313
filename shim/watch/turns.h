/*
 * Long work in turns with the main loop, so that no watched process waits for another one's death: of the
 * pieces of work each goes on for half a millisecond, then the main loop hears what else has happened.
 *
 * A piece of work has a stack of its own (makecontext(3)) and is written as if it ran alone. Only one thing
 * runs at a time, so nothing needs a lock; but whatever turns_rest() may be called between is another time:
 * what it knew of other processes may be over.
 */
#ifndef TRUEFIN_WATCH_TURNS_H
#define TRUEFIN_WATCH_TURNS_H

#include <stdbool.h>
#include <stddef.h>

/*
 * WORK is to be done with a copy of the SIZE bytes at DATA. It has its first turn at once, but when many
 * others are under way. False without memory: then nothing was done. Not to be called by work.
 */
bool turns_begin(void (*work)(void *data), const void *data, size_t size);

/*
 * Called by work, often: if its turn has lasted long enough, the others have theirs. Does nothing elsewhere.
 * Keeps errno.
 */
void turns_rest(void);

/* The same at once: until others have done something. */
void turns_wait(void);

/* Is the caller such work? */
bool turns_is_one(void);

/* Is there work that has not ended? */
bool turns_are_due(void);

/* One turn of the work that has waited longest. */
void turns_take_one(void);

#endif
