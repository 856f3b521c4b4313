/*
 * Reads a text from left to right, for all parsers. These functions are pure, and may be called in signal handlers and
 * between vfork and exec. Private to policy/.
 */
#ifndef TRUEFIN_SCAN_H
#define TRUEFIN_SCAN_H

#include "policy.h"
#include "words.h"

struct scan {
    const char *text; /* the whole text, NUL-terminated */
    const char *at;   /* the next byte to be read */
    struct fault *fault;
};

/* At the start of TEXT. The fault is empty until there is one. */
struct scan scan_begin(const char *text, struct fault *fault);

/* Bytes that end a value: blanks, separators, the comment sign. The end of the text ends it, too. */
#define SCAN_BLANKS " \t\r"
#define SCAN_ENDS   SCAN_BLANKS "\n,;:#"

/* Fills the fault and returns false. NEAREST may be NULL. */
bool scan_fault(const struct scan *scan, struct span where, const char *what, const char *allowed,
                const char *nearest);

/* The fault that something is missing where the scan is; it has no length. Returns false. */
bool scan_missing(const struct scan *scan, const char *what, const char *allowed);

/* The fault of a name that is not among WORDS, with the nearest of them; returns false. */
bool scan_unknown(const struct scan *scan, struct span name, const struct words *words);

void scan_blanks(struct scan *scan);

/* Steps over C if it comes next: at once, or after blanks. Returns whether it did. */
bool scan_take(struct scan *scan, char c);
bool scan_take_after_blanks(struct scan *scan, char c);

/* Steps over all bytes up to one of SCAN_ENDS. A name ends at '=', too. The span may be empty. */
struct span scan_value(struct scan *scan);
struct span scan_name(struct scan *scan);

/* What to point at if something else should stand here: the next value or separator; empty at the end of a line. */
struct span scan_next(const struct scan *scan);

/* What is wrong with a number, and the numbers that are right. */
struct number_rule {
    unsigned low, high;
    const char *missing, *not_one, *out_of_range; /* fault.what */
    const char *allowed;                          /* fault.allowed */
};

/* "80": digits only, no sign, no leading zeros. */
bool scan_number(struct scan *scan, unsigned *out, const struct number_rule *rule);

/* "80" or "8000-8099": both ends included. */
bool scan_range(struct scan *scan, unsigned *low, unsigned *high, const struct number_rule *rule);

/* Digits only, no leading zeros. OUT becomes UINT_MAX if the number is too large for any use here. */
bool span_number(struct span span, unsigned *out);

#endif
