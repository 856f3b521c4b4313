#include "report/line.h"

#include "address.h"
#include "config.h"

#include <string.h>

enum { RESERVE = 96 }; /* in JSON, behind a string: its end, lost=N and limit=N, the brace and the newline */

static void padded(struct text *text, unsigned number, unsigned digits)
{
    unsigned power = 1;
    for (unsigned i = 1; i < digits; i++)
        power *= 10;
    for (; power > 1 && number < power; power /= 10)
        text_char(text, '0');
    text_number(text, number, 10);
}

/* gmtime_r(3) would take a lock. Days to a date: proleptic Gregorian, years that begin in March. */
static void put_time(struct text *text, struct timespec now)
{
    unsigned second = (unsigned)(now.tv_sec % 86400);
    unsigned day = (unsigned)(now.tv_sec / 86400) + 719468; /* from 0000-03-01 */
    unsigned era = day / 146097;
    unsigned of_era = day % 146097;
    unsigned year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = of_era - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * of_year + 2) / 153;
    padded(text, year + era * 400 + (month >= 10), 4);
    text_char(text, '-');
    padded(text, month < 10 ? month + 3 : month - 9, 2);
    text_char(text, '-');
    padded(text, of_year - (153 * month + 2) / 5 + 1, 2);
    text_char(text, 'T');
    padded(text, second / 3600, 2);
    text_char(text, ':');
    padded(text, second / 60 % 60, 2);
    text_char(text, ':');
    padded(text, second % 60, 2);
    text_char(text, '.');
    padded(text, (unsigned)(now.tv_nsec / 1000000), 3);
    text_char(text, 'Z');
}

/* The keys are ours: nothing in them has to be escaped. */
static void put_key(struct text *text, const char *key)
{
    const bool first = text->length == 0;
    if (config.log_json)
        text_put(text, first ? "{\"" : ",\"");
    else if (!first)
        text_char(text, ' ');
    text_put(text, key);
    text_put(text, config.log_json ? "\":" : "=");
}

static void put_quote(struct text *text)
{
    if (config.log_json)
        text_char(text, '"');
}

void line_begin(struct line *line, struct timespec now)
{
    line->text = text_begin(line->room, sizeof line->room);
    put_key(&line->text, "time");
    put_quote(&line->text);
    put_time(&line->text, now);
    put_quote(&line->text);
}

void line_word(struct line *line, const char *key, const char *word)
{
    put_key(&line->text, key);
    put_quote(&line->text);
    text_put(&line->text, word);
    put_quote(&line->text);
}

static bool is_plain(const char *value)
{
    for (const char *c = value; *c; c++)
        if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f)
            return false;
    return *value != '\0';
}

static bool has_room(const struct text *text)
{
    return !config.log_json || text->length < text->size - RESERVE;
}

/* In logfmt what has blanks or quotes stands in quotes; in JSON everything does. */
void line_string(struct line *line, const char *key, const char *value, size_t most)
{
    struct text *text = &line->text;
    const size_t length = strlen(value);
    const bool quoted = config.log_json || !is_plain(value);
    size_t at = 0;
    put_key(text, key);
    if (quoted)
        text_char(text, '"');
    while (at < length && at < most && has_room(text)) {
        if (value[at] == '"' || value[at] == '\\')
            text_char(text, '\\');
        at += text_visible(text, value + at, length - at);
    }
    if (at < length)
        text_put(text, "...");
    if (quoted)
        text_char(text, '"');
}

void line_number(struct line *line, const char *key, unsigned number)
{
    put_key(&line->text, key);
    text_number(&line->text, number, 10);
}

void line_endpoint(struct line *line, const char *key, struct endpoint end)
{
    struct text *text = &line->text;
    if (!end.known) {
        line_word(line, key, "unknown");
        return;
    }
    put_key(text, key);
    put_quote(text);
    text_prefix(text, &(struct prefix){.address = end.address, .length = ADDRESS_BITS});
    text_char(text, ':');
    text_number(text, end.port, 10);
    put_quote(text);
}

size_t line_end(struct line *line)
{
    struct text *text = &line->text;
    if (config.log_json)
        text_char(text, '}');
    size_t size = text->length < text->size - 1 ? text->length : text->size - 1;
    line->room[size] = '\n';
    return size + 1;
}
