/*
 * Writing a text of known limits, as snprintf does but without stdio and locale, so that it may be called in
 * signal handlers and between vfork and exec. Also for the shim.
 */
#ifndef TRUEFIN_TEXT_H
#define TRUEFIN_TEXT_H

#include <stddef.h>

struct text {
    char *out;     /* may be NULL when size is 0 */
    size_t size;   /* bytes at out; never more are written */
    size_t length; /* bytes that the whole text has so far */
};

struct text text_begin(char *out, size_t size);
void text_char(struct text *text, char c);
void text_put(struct text *text, const char *string);
void text_number(struct text *text, unsigned number, unsigned base);

/* Blanks up to the given length of the text. */
void text_pad(struct text *text, size_t length);

/* Ends the text with a NUL where there is room for one, and returns its whole length. */
size_t text_end(struct text *text);

#endif
