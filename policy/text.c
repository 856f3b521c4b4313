#include "text.h"

#include <stdbool.h>
#include <stdint.h>

struct text text_begin(char *out, size_t size)
{
    struct text text = {.size = size};

    text.out = out;
    return text;
}

void text_char(struct text *text, char c)
{
    if (text->length + 1 < text->size)
        text->out[text->length] = c;
    text->length++;
}

void text_put(struct text *text, const char *string)
{
    while (*string)
        text_char(text, *string++);
}

void text_number(struct text *text, unsigned number, unsigned base)
{
    char digits[3 * sizeof number];
    size_t count = 0;

    do
        digits[count++] = "0123456789abcdef"[number % base];
    while ((number /= base) > 0);
    while (count > 0)
        text_char(text, digits[--count]);
}

enum { LONGEST_CHARACTER = 4 };

/* For each length in bytes: the bits of the first byte that tell it, and the least code point (RFC 3629, 3). */
static const struct {
    uint8_t mask, lead;
    uint32_t least;
} utf8[LONGEST_CHARACTER + 1] = {
    [1] = {0x80, 0x00, 0}, [2] = {0xe0, 0xc0, 0x80}, [3] = {0xf0, 0xe0, 0x800}, [4] = {0xf8, 0xf0, 0x10000}};

/* The code point of LENGTH bytes that are one character, if they are. */
static bool decode(uint32_t *code, const unsigned char *at, size_t length)
{
    if ((at[0] & utf8[length].mask) != utf8[length].lead)
        return false;
    *code = at[0] & (uint8_t)~utf8[length].mask;
    for (size_t i = 1; i < length; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return false;
        *code = *code << 6 | (at[i] & 0x3f);
    }
    return *code >= utf8[length].least && *code <= 0x10ffff && (*code < 0xd800 || *code > 0xdfff);
}

/* Is it a character that commands the terminal instead of being shown? */
static bool is_order(uint32_t code)
{
    return code < ' ' || (code >= 0x7f && code <= 0x9f) || code == 0x200e || code == 0x200f ||
           (code >= 0x2028 && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

size_t text_visible(struct text *text, const char *at, size_t length)
{
    uint32_t code = 0;
    size_t size = 1;

    while (size <= LONGEST_CHARACTER && size <= length && !decode(&code, (const unsigned char *)at, size))
        size++;
    if (size > LONGEST_CHARACTER || size > length) {
        text_char(text, '?');
        return 1;
    }
    if (is_order(code))
        text_char(text, '?');
    for (size_t i = 0; !is_order(code) && i < size; i++)
        text_char(text, at[i]);
    return size;
}

void text_pad(struct text *text, size_t length)
{
    while (text->length < length)
        text_char(text, ' ');
}

size_t text_end(struct text *text)
{
    if (text->size > 0)
        text->out[text->length < text->size ? text->length : text->size - 1] = '\0';
    return text->length;
}
