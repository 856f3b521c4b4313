/* A traced thread has stopped: what for, and how it goes on. */
#ifndef TRUEFIN_WATCH_STOPS_H
#define TRUEFIN_WATCH_STOPS_H

#include <sys/types.h>

/*
 * CODE is what siginfo_t tells of the stop: the signal, and the event above it. Only the side-car's one
 * thread may call this.
 */
void stops_at(pid_t tid, int code);

#endif
