#include "answer.h"

#include <stdarg.h>

FILE *messages;

void say(struct answer *a, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int n = vsnprintf(a->text + a->length, sizeof a->text - a->length, format, arguments);
    va_end(arguments);
    if (n > 0)
        a->length += (size_t)n;
    if (a->length >= sizeof a->text)
        a->length = sizeof a->text - 1;
}

enum exit_code no(struct answer *a, const char *why)
{
    say(a, "%s", why);
    return EXIT_NO;
}

void print_line(FILE *to, const char *text)
{
    for (; *text; text++)
        fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, to);
    fputc('\n', to);
}

enum exit_code cannot_run(enum exit_code code, const char *path, const char *why)
{
    char text[PATH_MAX + 128];
    snprintf(text, sizeof text, "truefin: %s: %s", path, why);
    print_line(messages, text);
    return code;
}
