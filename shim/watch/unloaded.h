/*
 * Programs that watched processes execute, and that do not load the library, although `truefin run` has asked
 * for it: a note names each, once, and says what that means. Without the library nobody sees what the program
 * closes; its death is judged all the same.
 *
 * Nothing here opens the program or asks for its attributes: it may lie on a file system that a watched
 * program serves. The kernel has told the process all that matters (/proc/PID/auxv, environ, maps).
 */
#ifndef TRUEFIN_WATCH_UNLOADED_H
#define TRUEFIN_WATCH_UNLOADED_H

#include <stdbool.h>
#include <sys/types.h>

/* PRELOAD is the LD_PRELOAD that the command gets, or NULL. Without the library in it nothing is noted. */
void unloaded_expect(const char *preload);

/*
 * PID has execed, and is still in the stop for that; OTHER_CLASS: a program of another class (32-bit). True if the
 * program does not load the library. What cannot be told counts as loading it.
 */
bool unloaded_note(pid_t pid, bool other_class);

#endif
