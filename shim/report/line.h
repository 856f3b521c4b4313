/*
 * One record, as a line of logfmt or, under TRUEFIN_LOG_FORMAT=json, as an object of JSON (RFC 8259) with the same keys:
 *
 *     line_begin();  line_word(); line_string(); line_number(); line_endpoint();  line_end();
 *
 * Pure, but for config.log_json: no allocation, no locale, safe in signal handlers and between vfork and exec. What a
 * terminal would obey is not shown, and nothing but UTF-8 (text_visible()). A line stays a line, and an object an object,
 * whatever the strings hold.
 */
#ifndef TRUEFIN_LINE_H
#define TRUEFIN_LINE_H

#include "connection/endpoint.h"
#include "text.h"

#include <time.h>

enum { LINE_SIZE = 768 };

struct line {
    struct text text;
    char room[LINE_SIZE];
};

/* Begins with "time", RFC 3339 in UTC, to milliseconds. */
void line_begin(struct line *line, struct timespec now);

/* A word of ours, which needs no quotes in logfmt. */
void line_word(struct line *line, const char *key, const char *word);

/*
 * Somebody's string. Of more than MOST bytes it shows these and "...". In JSON it also ends so where the room ends, but for
 * what line_end() and numbers behind it need.
 */
void line_string(struct line *line, const char *key, const char *value, size_t most);

void line_number(struct line *line, const char *key, unsigned number);

/* "address:port"; "unknown" if it is not known: the kernel forgets the peer of a connection that has been reset. */
void line_endpoint(struct line *line, const char *key, struct endpoint end);

/* Ends it with a newline; the text stands in line->room. Returns its size. A line of logfmt that is too long is cut. */
size_t line_end(struct line *line);

#endif
