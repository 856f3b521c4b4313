/*
 * #! lines, as execve(2) and env(1) read them.
 */
#ifndef TRUEFIN_CHECK_SCRIPT_H
#define TRUEFIN_CHECK_SCRIPT_H

#include "answer.h"

/*
 * The first line behind its #!, without the blanks at its end. NULL if there is no #! or no interpreter. START is the
 * beginning of the file as a text; it is changed.
 */
char *after_hash_bang(char *start);

/*
 * Takes the LINE of after_hash_bang() apart. OUT (PATH_MAX bytes) becomes the path of what runs the script; for
 * env(1) that is the command that it finds. Returns EXIT_YES, or what ends the search.
 */
enum exit_code follow_script(struct answer *a, char *line, char *out);

#endif
