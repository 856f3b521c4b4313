#include "address.h"

#include <arpa/inet.h>
#include <string.h>

static const uint8_t ipv4_mark[12] = {[10] = 0xff, [11] = 0xff};

bool address_is_ipv4(const struct address *address)
{
    return memcmp(address->bytes, ipv4_mark, sizeof ipv4_mark) == 0;
}

/* Exactly LENGTH bytes. inet_pton(3) reads only its string: no locale, no files. */
static bool read_exactly(struct address *out, const char *text, size_t length, bool ipv4_too)
{
    char copy[INET6_ADDRSTRLEN];

    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (inet_pton(AF_INET6, copy, out->bytes) == 1)
        return true;
    if (!ipv4_too || inet_pton(AF_INET, copy, out->bytes + sizeof ipv4_mark) != 1)
        return false;
    memcpy(out->bytes, ipv4_mark, sizeof ipv4_mark);
    return true;
}

static size_t read_bracketed(struct address *out, const char *text)
{
    size_t length = strcspn(text + 1, "]");

    if (text[length + 1] != ']' || !read_exactly(out, text + 1, length, false))
        return 0;
    return length + 2;
}

/*
 * May an address end in front of TEXT? In "::1:close=rst" it may not end before "lose": then the c would belong to the
 * address. It may not end in front of "::" either, so that "1::2" is not taken for the beginning of "1::2::3".
 */
static bool may_end(const char *text)
{
    return strchr(" \t\r\n,;:#/", *text) && !(text[0] == ':' && text[1] == ':');
}

size_t address_read(struct address *out, const char *text)
{
    if (text[0] == '[')
        return read_bracketed(out, text);

    size_t length = strspn(text, "0123456789abcdefABCDEF.:");
    if (length > INET6_ADDRSTRLEN)
        length = INET6_ADDRSTRLEN;
    for (; length > 0; length--)
        if (may_end(text + length) && read_exactly(out, text, length, true))
            return length;
    return 0;
}

struct address address_cut(const struct address *address, unsigned length)
{
    struct address cut = {{0}};

    memcpy(cut.bytes, address->bytes, length / 8);
    if (length % 8)
        cut.bytes[length / 8] = (uint8_t)(address->bytes[length / 8] & (0xff00U >> length % 8));
    return cut;
}

bool prefix_is_ipv4(const struct prefix *prefix)
{
    return prefix->length >= IPV4_AT && address_is_ipv4(&prefix->address);
}

bool prefix_has(const struct prefix *prefix, const struct address *address)
{
    struct address cut;

    if (address_is_ipv4(address) != prefix_is_ipv4(prefix))
        return false;
    cut = address_cut(address, prefix->length);
    return memcmp(&cut, &prefix->address, sizeof cut) == 0;
}

static void put_ipv4(struct text *text, const struct address *address)
{
    for (size_t i = sizeof ipv4_mark; i < sizeof address->bytes; i++) {
        if (i > sizeof ipv4_mark)
            text_char(text, '.');
        text_number(text, address->bytes[i], 10);
    }
}

enum { GROUPS = 8 };

static unsigned group(const struct address *address, int i)
{
    const uint8_t *bytes = address->bytes + 2 * (size_t)i;

    return (unsigned)bytes[0] << 8 | bytes[1];
}

static int zeros_from(const struct address *address, int i)
{
    int count = 0;

    while (i + count < GROUPS && group(address, i + count) == 0)
        count++;
    return count;
}

/* RFC 5952, section 4.2: "::" stands for the longest run of at least two zero groups, and of equals for the first. */
static int longest_zeros(const struct address *address, int *count)
{
    int at = -1;

    *count = 1;
    for (int i = 0; i < GROUPS; i++)
        if (zeros_from(address, i) > *count) {
            *count = zeros_from(address, i);
            at = i;
        }
    return at;
}

static void put_ipv6(struct text *text, const struct address *address)
{
    int count, zeros = longest_zeros(address, &count);

    for (int i = 0; i < GROUPS; i++) {
        if (i == zeros) {
            text_put(text, "::");
            i += count - 1;
            continue;
        }
        if (i > 0 && i != zeros + count)
            text_char(text, ':');
        text_number(text, group(address, i), 16);
    }
}

void text_prefix(struct text *text, const struct prefix *prefix)
{
    bool ipv4 = prefix_is_ipv4(prefix), one = prefix->length == ADDRESS_BITS;

    if (ipv4)
        put_ipv4(text, &prefix->address);
    else {
        /* The ':' that ends a match may follow: brackets keep it apart for the eye. */
        text_put(text, one ? "[" : "");
        put_ipv6(text, &prefix->address);
        text_put(text, one ? "]" : "");
    }
    if (!one) {
        text_char(text, '/');
        text_number(text, ipv4 ? prefix->length - (unsigned)IPV4_AT : prefix->length, 10);
    }
}
