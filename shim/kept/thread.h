/*
 * The thread that looks at kept connections (kept.h). It is started when there is something to keep
 * and ends when there is nothing. It runs no code of libc's and has no thread-local data, so starting it
 * allocates nothing and takes no lock: a close in a signal handler may do it. It never keeps a process alive.
 *
 *     DOWN --thread_start()--> STARTING --> UP --nothing is kept--> LEAVING --> DOWN
 *                                  \--> DOWN, if it cannot be started     \--> UP, if something came
 *
 * All keep errno, and are safe in signal handlers; none in a vfork child.
 */
#ifndef TRUEFIN_KEPT_THREAD_H
#define TRUEFIN_KEPT_THREAD_H

#include "kept/kept.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum { THREAD_TICK = KEPT_TICK }; /* milliseconds between looks at what is due */

/* Starts it where there is none. The caller has counted its connection in `kept`. False if it cannot be started. */
bool thread_start(void);

/* FD, a duplicate with a slot, is to be looked at when something arrives. */
bool thread_attends(int fd);

/* Is the thread there? One load. */
bool thread_is_there(void);

/* Ends all that is kept, and waits for the thread to be gone, some milliseconds, at most a second. */
void thread_end(void);

/* Waits until COUNT, one of slots.h's, is 0, for at most MILLISECONDS. */
void thread_await(_Atomic uint32_t *count, uint32_t milliseconds);

/* In a fork child: there is none. */
void thread_is_lost(void);

#endif
