/* The names by which ps(1) and pkill(1) know this process. */
#ifndef TRUEFIN_WATCH_RENAME_H
#define TRUEFIN_WATCH_RENAME_H

/* ARGV is that of main(): its room is used for the name, in the processes forked later, too. */
void rename_begin(char **argv);

/* The name of this process from now on: cut at the room that argv has, or 15 bytes. */
void rename_self(const char *name);

#endif
