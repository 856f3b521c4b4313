/* The values of the other variables: times, sets of exit statuses and of signals, the place for records. */
#include "scan.h"

#include <signal.h>
#include <string.h>

static bool at_end(const struct scan *scan)
{
    static const char allowed[] = "nothing after the value; values of a list are separated by ','";

    if (*scan->at == '\0')
        return true;
    return scan_fault(scan, (struct span){scan->at, strcspn(scan->at, "\n")}, "unexpected text", allowed,
                      NULL);
}

/* Milliseconds in each unit. */
static const struct word units[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}};
static const struct words unit_words = {units, sizeof units / sizeof *units, "unknown unit", "ms, s, min"};

enum { LONGEST_TIME = 3600 * 1000 };

bool time_parse(unsigned *out, const char *text, struct fault *fault)
{
    static const char allowed[] = "a whole number and ms, s or min, at most 60min; or 0";
    struct scan scan = scan_begin(text, fault);
    struct span all = {text, strcspn(text, "\n")};
    struct span digits = {text, strspn(text, "0123456789")};
    struct span unit = {text + digits.length, all.length - digits.length};
    unsigned number;
    int milliseconds;

    if (!span_number(digits, &number))
        return scan_fault(&scan, all, "not a time", allowed, NULL);
    scan.at = unit.at + unit.length;
    if (!at_end(&scan))
        return false;
    milliseconds = words_find(&unit_words, unit);
    if (unit.length == 0 && number == 0)
        milliseconds = 1;
    if (unit.length == 0 && number > 0)
        return scan_fault(&scan, all, "time without a unit", allowed, NULL);
    /* No guess at the unit: "m" is nearer to ms, and was probably meant as min. */
    if (milliseconds <= 0)
        return scan_fault(&scan, unit, unit_words.unknown, unit_words.allowed, NULL);
    if (number > (unsigned)(LONGEST_TIME / milliseconds))
        return scan_fault(&scan, all, "time too long", allowed, NULL);
    *out = number * (unsigned)milliseconds;
    return true;
}

static bool parse_statuses(struct scan *scan, struct statuses *set)
{
    static const struct number_rule status = {0,
                                              255,
                                              "missing exit status",
                                              "not an exit status",
                                              "exit status out of range",
                                              "0 to 255, or LOW-HIGH"};
    unsigned low, high;

    scan_blanks(scan);
    if (!scan_range(scan, &low, &high, &status))
        return false;
    for (unsigned i = low; i <= high; i++)
        set->bits[i / 64] |= UINT64_C(1) << i % 64;
    return true;
}

bool statuses_parse(struct statuses *out, const char *text, struct fault *fault)
{
    struct scan scan = scan_begin(text, fault);
    struct statuses set = {{0}};

    do
        if (!parse_statuses(&scan, &set))
            return false;
    while (scan_take_after_blanks(&scan, ','));
    if (!at_end(&scan))
        return false;
    *out = set;
    return true;
}

bool statuses_has(const struct statuses *set, int status)
{
    unsigned low = (unsigned)status & 0xff;

    return set->bits[low / 64] >> low % 64 & 1;
}

static bool signal_by_name(struct scan *scan, int *out)
{
    struct span name = scan_value(scan), rest = name;

    if (name.length == 0)
        return scan_missing(scan, "missing signal", signal_words.allowed);
    if (name.length > 3 && memcmp(name.at, "SIG", 3) == 0)
        rest = (struct span){name.at + 3, name.length - 3};
    *out = words_find(&signal_words, rest);
    if (*out >= 0)
        return true;
    return scan_fault(scan, name, signal_words.unknown, signal_words.allowed,
                      words_nearest(&signal_words, rest));
}

static bool signal_by_number(struct scan *scan, int *out)
{
    static const struct number_rule rule = {
        1, 63, "missing signal", "not a signal", "signal out of range", "1 to 63"};
    unsigned number;

    if (!scan_number(scan, &number, &rule))
        return false;
    *out = (int)number;
    return true;
}

/* The C library keeps the two signals between the standard ones and SIGRTMIN for its threads. */
static bool can_be_handled(int signal)
{
    return signal != SIGKILL && signal != SIGSTOP && signal != 32 && signal != 33;
}

static bool parse_signal(struct scan *scan, uint64_t *set)
{
    const char *begin;
    int signal = 0;
    bool good;

    scan_blanks(scan);
    begin = scan->at;
    good = *begin >= '0' && *begin <= '9' ? signal_by_number(scan, &signal) : signal_by_name(scan, &signal);
    if (!good)
        return false;
    if (!can_be_handled(signal))
        return scan_fault(scan, (struct span){begin, (size_t)(scan->at - begin)},
                          "signal that no program can handle", "any but KILL, STOP, 32 and 33", NULL);
    *set |= UINT64_C(1) << signal;
    return true;
}

bool signals_parse(uint64_t *out, const char *text, struct fault *fault)
{
    struct scan scan = scan_begin(text, fault);
    uint64_t set = 0;

    do
        if (!parse_signal(&scan, &set))
            return false;
    while (scan_take_after_blanks(&scan, ','));
    if (!at_end(&scan))
        return false;
    *out = set;
    return true;
}

bool log_check(const char *text, struct fault *fault)
{
    struct scan scan = scan_begin(text, fault);
    struct span all = {text, strcspn(text, "\n")};

    if (*text == '/')
        return true;
    if (text[all.length] == '\0' && words_find(&log_words, all) >= 0)
        return true;
    return scan_unknown(&scan, all, &log_words);
}
