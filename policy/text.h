/*
 * Writes a text into a buffer, as snprintf does, but without stdio and locale: these functions may be called in signal
 * handlers and between vfork and exec. The shim uses them too.
 */
#ifndef TRUEFIN_TEXT_H
#define TRUEFIN_TEXT_H

#include <stddef.h>

struct text {
    char *out;     /* may be NULL if size is 0 */
    size_t size;   /* bytes at out; never more are written */
    size_t length; /* bytes that the whole text has so far */
};

struct text text_begin(char *out, size_t size);
void text_char(struct text *text, char c);
void text_put(struct text *text, const char *string);
void text_number(struct text *text, unsigned number, unsigned base);

/*
 * Puts the first character of a foreign text, which has LENGTH bytes (1 or more) from AT on, so that a terminal can
 * show it. A '?' replaces a byte that is not UTF-8, and a character that would command the terminal: control
 * characters (C1 too), line separators, changes of direction. Returns the number of bytes that the character has at
 * AT.
 */
size_t text_visible(struct text *text, const char *at, size_t length);

/* Blanks up to the given length of the text. */
void text_pad(struct text *text, size_t length);

/* Ends the text with a NUL where there is room for one, and returns its whole length. */
size_t text_end(struct text *text);

#endif
