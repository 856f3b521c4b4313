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

/* A whole number and a unit; how many of the least unit there can be. */
struct quantity {
    const struct words *units;
    uint64_t most;
    const char *not_one, *no_unit, *too_much; /* fault.what */
    const char *allowed;                      /* fault.allowed */
};

static bool quantity_parse(uint64_t *out, const char *text, struct fault *fault, const struct quantity *kind)
{
    struct scan scan = scan_begin(text, fault);
    struct span all = {text, strcspn(text, "\n")};
    struct span digits = {text, strspn(text, "0123456789")};
    struct span unit = {text + digits.length, all.length - digits.length};
    unsigned number;
    int factor;

    if (!span_number(digits, &number))
        return scan_fault(&scan, all, kind->not_one, kind->allowed, NULL);
    scan.at = unit.at + unit.length;
    if (!at_end(&scan))
        return false;
    factor = words_find(kind->units, unit);
    if (unit.length == 0 && number == 0)
        factor = 1;
    if (unit.length == 0 && number > 0)
        return scan_fault(&scan, all, kind->no_unit, kind->allowed, NULL);
    /* No guess at the unit: "m" is nearer to ms, and was probably meant as min. */
    if (factor <= 0)
        return scan_fault(&scan, unit, kind->units->unknown, kind->units->allowed, NULL);
    if (number > kind->most / (unsigned)factor)
        return scan_fault(&scan, all, kind->too_much, kind->allowed, NULL);
    *out = (uint64_t)number * (unsigned)factor;
    return true;
}

bool time_parse(unsigned *out, const char *text, struct fault *fault)
{
    static const struct quantity time = {
        &unit_words,           LONGEST_TIME,    "not a time",
        "time without a unit", "time too long", "a whole number and ms, s or min, at most 60min; or 0"};
    uint64_t milliseconds = 0;

    if (!quantity_parse(&milliseconds, text, fault, &time))
        return false;
    *out = (unsigned)milliseconds;
    return true;
}

static const struct word sizes[] = {{"K", 1 << 10}, {"M", 1 << 20}, {"G", 1 << 30}};
static const struct words size_words = {sizes, sizeof sizes / sizeof *sizes, "unknown unit", "K, M, G"};

bool size_parse(uint64_t *out, const char *text, struct fault *fault)
{
    static const struct quantity size = {
        &size_words,           UINT64_C(1) << 40, "not a size",
        "size without a unit", "size too large",  "a whole number and K, M or G, at most 1024G; or 0"};

    return quantity_parse(out, text, fault, &size);
}

static bool word_parse(int *out, const char *text, struct fault *fault, const struct words *words)
{
    struct scan scan = scan_begin(text, fault);
    struct span all = {text, strcspn(text, "\n")};
    int value = words_find(words, all);

    if (value < 0)
        return scan_unknown(&scan, all, words);
    scan.at += all.length;
    if (!at_end(&scan))
        return false;
    *out = value;
    return true;
}

bool linger_end_parse(uint8_t *out, const char *text, struct fault *fault)
{
    int ending = ENDING_KEEP;

    if (!word_parse(&ending, text, fault, &limit_words))
        return false;
    *out = (uint8_t)ending;
    return true;
}

static bool choice_parse(bool *out, const char *text, struct fault *fault, const struct words *words)
{
    int choice = 0;

    if (!word_parse(&choice, text, fault, words))
        return false;
    *out = choice;
    return true;
}

bool linger_at_exit_parse(bool *out, const char *text, struct fault *fault)
{
    return choice_parse(out, text, fault, &at_exit_words);
}

bool log_format_parse(bool *out, const char *text, struct fault *fault)
{
    return choice_parse(out, text, fault, &format_words);
}

bool log_endings_parse(bool *out, const char *text, struct fault *fault)
{
    return choice_parse(out, text, fault, &told_words);
}

bool observe_parse(bool *out, const char *text, struct fault *fault)
{
    return choice_parse(out, text, fault, &switch_words);
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
    int found;

    if (name.length == 0)
        return scan_missing(scan, "missing signal", signal_words.allowed);
    if (name.length > 3 && memcmp(name.at, "SIG", 3) == 0)
        rest = (struct span){name.at + 3, name.length - 3};
    found = words_find(&signal_words, rest);
    if (found < 0)
        return scan_fault(scan, name, signal_words.unknown, signal_words.allowed,
                          words_nearest(&signal_words, rest));
    *out = found;
    return true;
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

bool log_parse(const char **out, const char *text, struct fault *fault)
{
    struct scan scan = scan_begin(text, fault);
    struct span all = {text, strcspn(text, "\n")};
    const bool is_word = text[all.length] == '\0' && words_find(&log_words, all) >= 0;

    if (*text == '/' || is_word) {
        *out = text;
        return true;
    }
    return scan_unknown(&scan, all, &log_words);
}

bool directory_parse(const char **out, const char *text, struct fault *fault)
{
    struct scan scan = scan_begin(text, fault);
    struct span all = {text, strcspn(text, "\n")};

    if (*text != '/' || text[all.length] != '\0')
        return scan_fault(&scan, all, "not an absolute path", "a path that begins with '/'", NULL);
    *out = text;
    return true;
}
