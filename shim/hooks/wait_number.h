/*
 * System calls that wait, by their numbers: what io/wait.c hooks by name. A program that makes them by syscall(2) goes on
 * too; Rust waits so for its locks and threads.
 */
#ifndef TRUEFIN_WAIT_NUMBER_H
#define TRUEFIN_WAIT_NUMBER_H

/* NUMBER is about to be called with the arguments A, of which there are six: what the thread has closed is closed, if it
   waits. Safe in signal handlers; keeps errno. */
void wait_by_number(long number, const long *a);

#endif
