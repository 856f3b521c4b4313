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

/*
 * One character of a text that may be anybody's, LENGTH bytes from AT on (1 or more), as it may go to a
 * terminal: '?' for a byte that is no UTF-8, and for a character that is no sign but an order (control
 * characters, C1 included, line separators, changes of direction). Returns the number of its bytes.
 */
size_t text_visible(struct text *text, const char *at, size_t length);

/* Blanks up to the given length of the text. */
void text_pad(struct text *text, size_t length);

/* Ends the text with a NUL where there is room for one, and returns its whole length. */
size_t text_end(struct text *text);

#endif
