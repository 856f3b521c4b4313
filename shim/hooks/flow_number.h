/*
 * System calls that read and write, by their numbers: what io/read.c and io/write.c hook by name (judge/source.h).
 */
#ifndef TRUEFIN_FLOW_NUMBER_H
#define TRUEFIN_FLOW_NUMBER_H

/* NUMBER was called with the arguments A, of which there are six, and had RESULT. One load where no policy asks for it. Safe
   in signal handlers; keeps errno. */
void flow_by_number(long number, const long *a, long result);

#endif
