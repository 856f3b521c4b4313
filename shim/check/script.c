#include "script.h"

#include "find.h"

#include <string.h>

/* Cuts the next word off *line, and sets *line behind it. NULL at the end. */
static char *next_word(char **line)
{
    char *word = *line + strspn(*line, " \t");
    if (!*word)
        return NULL;
    *line = word + strcspn(word, " \t");
    if (**line)
        *(*line)++ = '\0';
    return word;
}

/*
 * The command that env(1) would run for ARGUMENT. That is all that follows env on a #! line, for the kernel
 * passes it as one argument: "X", or with -S "-S [NAME=VALUE]... X ARGUMENT...". NULL if other options are
 * used, which may drop LD_PRELOAD.
 */
static char *command_of_env(char *argument)
{
    if (!argument)
        return NULL;
    if (!starts_with(argument, "-S"))
        return *argument == '-' || strchr(argument, '=') ? NULL : argument;
    argument += strlen("-S");
    char *word = next_word(&argument);
    while (word && strchr(word, '=') && !starts_with(word, "LD_PRELOAD="))
        word = next_word(&argument);
    return word && *word != '-' && !strchr(word, '=') ? word : NULL;
}

char *after_hash_bang(char *start)
{
    if (!starts_with(start, "#!"))
        return NULL;
    size_t length = strcspn(start, "\n");
    while (length > 2 && strchr(" \t", start[length - 1]))
        length--;
    start[length] = '\0';
    return length > 2 ? start + 2 : NULL;
}

enum exit_code follow_script(struct answer *a, char *line, char *out)
{
    char *interpreter = next_word(&line);
    say(a, "script run by %s, ", interpreter);
    if (strcmp(base_name(interpreter), "env") != 0) {
        snprintf(out, PATH_MAX, "%s", interpreter);
        return EXIT_YES;
    }
    line += strspn(line, " \t");
    char *name = command_of_env(*line ? line : NULL);
    if (!name)
        return no(a, "whose options hide what runs in the end");
    enum exit_code code = find_command(out, name);
    if (code != EXIT_YES)
        return cannot_run(code, name, code == EXIT_NOT_FOUND ? "not found" : "cannot be run");
    say(a, "which finds %s, ", out);
    return EXIT_YES;
}
