#include "text.h"

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
