/*
 * The side-car's only work: wait for the threads that it traces to stop, and let them go on (ptrace(2)).
 *
 *     fork, vfork, clone, exec -> the new thread is traced from its birth
 *     a signal                 -> delivered; TERM and INT with a handler: "asked to stop"
 *     a stop of job control    -> stays stopped until SIGCONT
 *     the exit of a thread     -> judge.c, if the whole process is dying; then it goes on dying
 */
#ifndef TRUEFIN_WATCH_FOLLOW_H
#define TRUEFIN_WATCH_FOLLOW_H

/* Until all that is traced has ended. */
void follow_all(void);

#endif
