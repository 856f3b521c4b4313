#include "scan.h"

#include <limits.h>
#include <string.h>

struct scan scan_begin(const char *text, struct fault *fault)
{
    *fault = (struct fault){.at = text};
    return (struct scan){text, text, fault};
}

bool scan_fault(const struct scan *scan, struct span where, const char *what, const char *allowed,
                const char *nearest)
{
    struct fault fault = {.what = what,
                          .allowed = allowed,
                          .nearest = nearest,
                          .at = where.at,
                          .length = where.length,
                          .line = 1,
                          .column = 1};

    for (const char *at = scan->text; at < where.at; at++) {
        fault.column++;
        if (*at == '\n') {
            fault.line++;
            fault.column = 1;
        }
    }
    *scan->fault = fault;
    return false;
}

bool scan_missing(const struct scan *scan, const char *what, const char *allowed)
{
    return scan_fault(scan, (struct span){scan->at, 0}, what, allowed, NULL);
}

bool scan_unknown(const struct scan *scan, struct span name, const struct words *words)
{
    return scan_fault(scan, name, words->unknown, words->allowed, words_nearest(words, name));
}

void scan_blanks(struct scan *scan)
{
    scan->at += strspn(scan->at, SCAN_BLANKS);
}

bool scan_take(struct scan *scan, char c)
{
    if (*scan->at != c)
        return false;
    scan->at++;
    return true;
}

bool scan_take_after_blanks(struct scan *scan, char c)
{
    scan_blanks(scan);
    return scan_take(scan, c);
}

static struct span take_until(struct scan *scan, const char *ends)
{
    struct span span = {scan->at, strcspn(scan->at, ends)};

    scan->at += span.length;
    return span;
}

struct span scan_value(struct scan *scan)
{
    return take_until(scan, SCAN_ENDS);
}

struct span scan_name(struct scan *scan)
{
    return take_until(scan, SCAN_ENDS "=");
}

struct span scan_next(const struct scan *scan)
{
    struct span span = {scan->at, strcspn(scan->at, SCAN_ENDS)};

    if (span.length == 0 && *span.at != '\0' && strchr(",;:", *span.at))
        span.length = 1;
    return span;
}

bool span_number(struct span span, unsigned *out)
{
    unsigned number = 0;

    if (span.length == 0 || (span.length > 1 && span.at[0] == '0'))
        return false;
    for (size_t i = 0; i < span.length; i++) {
        if (span.at[i] < '0' || span.at[i] > '9')
            return false;
        unsigned digit = (unsigned)(span.at[i] - '0');
        number = number > (UINT_MAX - digit) / 10 ? UINT_MAX : number * 10 + digit;
    }
    *out = number;
    return true;
}

static bool number_within(const struct scan *scan, struct span span, unsigned *out,
                          const struct number_rule *rule)
{
    if (!span_number(span, out))
        return scan_fault(scan, span, rule->not_one, rule->allowed, NULL);
    if (*out < rule->low || *out > rule->high)
        return scan_fault(scan, span, rule->out_of_range, rule->allowed, NULL);
    return true;
}

bool scan_number(struct scan *scan, unsigned *out, const struct number_rule *rule)
{
    struct span number = scan_value(scan);

    if (number.length == 0)
        return scan_missing(scan, rule->missing, rule->allowed);
    return number_within(scan, number, out, rule);
}

bool scan_range(struct scan *scan, unsigned *low, unsigned *high, const struct number_rule *rule)
{
    struct span range = scan_value(scan);
    const char *dash = range.length ? memchr(range.at, '-', range.length) : NULL;

    if (range.length == 0)
        return scan_missing(scan, rule->missing, rule->allowed);
    if (!dash || dash == range.at || dash + 1 == range.at + range.length) {
        if (!number_within(scan, range, low, rule))
            return false;
        *high = *low;
        return true;
    }
    struct span first = {range.at, (size_t)(dash - range.at)};
    struct span last = {dash + 1, range.length - first.length - 1};
    if (!number_within(scan, first, low, rule) || !number_within(scan, last, high, rule))
        return false;
    if (*low > *high)
        return scan_fault(scan, range, "range ends before it begins", "LOW-HIGH", NULL);
    return true;
}
