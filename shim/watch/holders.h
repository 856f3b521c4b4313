/*
 * Which watched processes have a socket? Looked up for all of them at once when first asked, and remembered
 * until holders_forget(): of a thousand processes that are killed together not each looks at all others.
 */
#ifndef TRUEFIN_WATCH_HOLDERS_H
#define TRUEFIN_WATCH_HOLDERS_H

#include <stdbool.h>
#include <sys/types.h>

/* Has a process other than BUT, with a living thread, the socket? True if that cannot be told for want of
 * memory. */
bool holders_have(ino_t inode, pid_t but);

/* What was looked up is not true any more. */
void holders_forget(void);

#endif
