/* Tells a person what is wrong with a text, and where. */
#include "policy.h"
#include "text.h"

#include <string.h>

enum { LONGEST_QUOTE = 60 };

/* Not the first byte of a UTF-8 character. */
static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static void put_visible(struct text *text, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length;)
        i += text_visible(text, bytes + i, length - i);
}

/* The number of bytes of the next character, as put_visible() shows it. */
static size_t character(const char *at, size_t length)
{
    struct text nowhere = text_begin(NULL, 0);

    return text_visible(&nowhere, at, length);
}

static void put_quote(struct text *text, const struct fault *fault)
{
    size_t length = fault->length;

    if (length > LONGEST_QUOTE)
        for (length = LONGEST_QUOTE; length > 0 && continues(fault->at[length]);)
            length--;
    text_put(text, " \"");
    put_visible(text, fault->at, length);
    text_put(text, length < fault->length ? "...\"" : "\"");
}

static void put_place(struct text *text, const struct fault *fault)
{
    text_put(text, " at ");
    if (fault->line > 1) {
        text_put(text, "line ");
        text_number(text, fault->line, 10);
        text_put(text, ", ");
    }
    text_put(text, "column ");
    text_number(text, fault->column, 10);
}

size_t fault_print(char *out, size_t size, const char *subject, const struct fault *fault)
{
    struct text text = text_begin(out, size);
    const char *meant = fault->nearest ? fault->nearest : fault->corrected;

    text_put(&text, subject);
    text_put(&text, ": ");
    text_put(&text, fault->what);
    if (fault->length > 0)
        put_quote(&text, fault);
    put_place(&text, fault);
    text_put(&text, " (allowed: ");
    text_put(&text, fault->allowed);
    if (*meant) {
        text_put(&text, "; did you mean ");
        text_put(&text, meant);
        text_char(&text, '?');
    }
    text_char(&text, ')');
    return text_end(&text);
}

/* A '^' for each character of the fault. If something is missing, the fault has none, and gets one '^'. */
static void put_carets(struct text *text, const struct fault *fault)
{
    size_t i = 0;

    do {
        text_char(text, '^');
        i += i < fault->length ? character(fault->at + i, fault->length - i) : 1;
    } while (i < fault->length);
}

/* Tabs are kept: the line of carets has them too, so that both lines are moved alike. */
static void put_line(struct text *text, const char *at, size_t length)
{
    for (size_t i = 0; i < length;) {
        if (at[i] == '\t')
            text_char(text, at[i++]);
        else
            i += text_visible(text, at + i, length - i);
    }
}

static void put_room(struct text *text, const char *at, size_t length)
{
    for (size_t i = 0; i < length; i += character(at + i, length - i))
        text_char(text, at[i] == '\t' ? '\t' : ' ');
}

size_t fault_print_caret(char *out, size_t size, const char *text, const struct fault *fault)
{
    struct text to = text_begin(out, size);
    const char *line = fault->at;

    while (line > text && line[-1] != '\n')
        line--;
    put_line(&to, line, strcspn(line, "\n"));
    text_char(&to, '\n');
    put_room(&to, line, (size_t)(fault->at - line));
    put_carets(&to, fault);
    text_char(&to, '\n');
    return text_end(&to);
}
