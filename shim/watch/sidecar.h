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

#endif
