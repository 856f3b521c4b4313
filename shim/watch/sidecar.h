/* The side-car: a process that is no relative of the program's, and watches it. */
#ifndef TRUEFIN_WATCH_SIDECAR_H
#define TRUEFIN_WATCH_SIDECAR_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Starts one that watches the calling process. Returns its pid when it does; 0 with *WHY set to a static text
 * when it cannot. The caller keeps no child, descriptor or signal from it. TRACER is the pid of another
 * tracer that stands in the way, or 0. ARGV is the vector that main was given.
 */
pid_t sidecar_start(char **argv, const char **why, pid_t *tracer);

/*
 * After that: the side-car takes LISTENER (filter.h), which this process has, and from now on answers what it tells. False
 * if it cannot: then each close of this process fails. Or: it is to see deaths alone. Either is to be called once.
 */
bool sidecar_sees_closes(int listener);
void sidecar_sees_deaths(void);

#endif
