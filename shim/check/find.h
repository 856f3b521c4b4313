/*
 * Names, and finding a command as a shell would.
 */
#ifndef TRUEFIN_CHECK_FIND_H
#define TRUEFIN_CHECK_FIND_H

#include "answer.h"

#include <stdbool.h>

bool starts_with(const char *text, const char *start);

/* The part behind the last slash. */
const char *base_name(const char *path);

bool is_regular(const char *path);

/* A regular file that the effective user may execute. */
bool is_executable(const char *path);

/*
 * Puts the path that a shell would execute for NAME into OUT (PATH_MAX bytes). Returns EXIT_YES, EXIT_NOT_FOUND,
 * or EXIT_CANNOT_RUN if no file of that name is executable; OUT is then the first of these files.
 */
enum exit_code find_command(char *out, const char *name);

#endif
