/* The process dies of its own will, for hooks that reach that by another way. */
#ifndef TRUEFIN_DEATH_H
#define TRUEFIN_DEATH_H

/* The process ends now with STATUS (its low 8 bits count): act on what is open. Keeps errno; async-signal-safe. */
void death_by_status(int status);

/* For the constructor: be told of the ends that reach no hook. */
void death_watch(void);

#endif
