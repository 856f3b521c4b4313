#include "print.h"

#include "text.h"

#include <stdio.h>
#include <string.h>

/* TEXT as a terminal can show it: a name may hold anything. */
static void put_visible(const char *text, size_t width)
{
    char out[4 * TEXT_SIZE];
    struct text visible = text_begin(out, sizeof out);
    const size_t length = strlen(text);
    for (size_t i = 0; i < length;)
        i += text_visible(&visible, text + i, length - i);
    text_pad(&visible, width);
    text_end(&visible);
    fputs(out, stdout);
}

static void put_number(bool known, size_t number)
{
    if (known)
        printf("%11zu  ", number);
    else
        printf("%11s  ", "?");
}

void print_head(void)
{
    puts("    PID  PROGRAM          STATE      CONNECTIONS        ARMED  POLICY, OR WHY NOT");
}

void print_row(const struct row *row)
{
    printf("%7d  ", row->pid);
    put_visible(row->name, sizeof row->name);
    printf(" %-9s  ", row->state);
    put_number(row->counted, row->connections);
    put_number(row->counted, row->armed);
    put_visible(row->policy, 0);
    if (*row->policy && *row->why)
        fputs(" (", stdout);
    put_visible(row->why, 0);
    puts(*row->policy && *row->why ? ")" : "");
}

static void put_string(const char *text)
{
    putchar('"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        if ((unsigned char)*text < ' ' || *text == '\x7f')
            printf("\\u%04x", (unsigned)*text);
        else
            putchar(*text);
    }
    putchar('"');
}

/* JSON is UTF-8: what is not becomes '?'. */
static void put_member(const char *name, const char *text)
{
    char out[4 * TEXT_SIZE];
    struct text visible = text_begin(out, sizeof out);
    const size_t length = strlen(text);
    for (size_t i = 0; i < length;)
        i += text_visible(&visible, text + i, length - i);
    text_end(&visible);
    printf(", \"%s\": ", name);
    if (*text)
        put_string(out);
    else
        fputs("null", stdout);
}

static void put_count(const char *name, bool known, size_t number)
{
    if (known)
        printf(", \"%s\": %zu", name, number);
    else
        printf(", \"%s\": null", name);
}

void print_json_row(const struct row *row, bool first)
{
    printf("%s{\"pid\": %d", first ? "[" : ",\n ", row->pid);
    put_member("program", row->name);
    put_member("state", *row->state == '-' || *row->state == '?' ? "" : row->state);
    printf(", \"loaded\": %s", *row->state == '?' ? "null" : row->loaded ? "true" : "false");
    printf(", \"covered\": %s", row->covered ? "true" : "false");
    put_count("connections", row->counted, row->connections);
    put_count("armed", row->counted, row->armed);
    put_member("policy", row->policy);
    put_member("why", row->why);
    putchar('}');
}

void print_json_end(bool any)
{
    puts(any ? "]" : "[]");
}
