/*
 * A second, tiny process that answers the filter's notifications when the side-car is dead: without an answer each close
 * of the program would wait, and without any listener fail with ENOSYS, for the rest of its life.
 *
 *     the side-car lives -> it sleeps            the side-car is dead -> what is in the slots is answered, and all that
 *                                                                       comes, until nobody uses the filter any more
 *
 * It has two descriptors, the listener and a pidfd of the side-car; it is no child of either, and no signal but SIGKILL
 * reaches it.
 */
#ifndef TRUEFIN_WATCH_GUARDIAN_H
#define TRUEFIN_WATCH_GUARDIAN_H

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * Starts it. SLOTS, COUNT of them in memory that a fork shares, hold what the side-car has received and not answered; those
 * with id 0 are empty. False if no process can be made.
 */
bool guardian_start(int listener, const struct seccomp_notif *slots, size_t count);

#endif
