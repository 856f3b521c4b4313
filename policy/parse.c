/*
 * The grammar, in which blanks may stand between any two of the pieces:
 *
 *     policy  = rule { (";" | newline) rule }         rules may be empty, but not all of them
 *     rule    = [ term { blank term } ":" ] word { "," word }
 *     term    = ["!"] ( "accepted" | "connected"
 *                     | "port" "=" range { "," range }
 *                     | "peer" "=" prefix { "," prefix } )
 *     word    = preset | event "=" ending
 *     comment = "#" up to the end of the line
 */
#include "address.h"
#include "scan.h"

#include <string.h>

static const char what_may_match[] = "terms separated by blanks, then ':'";

static bool unknown_term(const struct scan *scan, struct span name)
{
    bool a_word = words_find(&preset_words, name) >= 0 || words_find(&event_words, name) >= 0;

    if (a_word)
        return scan_fault(scan, name, "missing ':' before", what_may_match, NULL);
    return scan_unknown(scan, name, &term_words);
}

/* The fault of a word that does not exist, or that stands in a wrong place. */
static bool unknown_word(const struct scan *scan, struct span name, const struct words *words)
{
    if (words_find(&term_words, name) >= 0)
        return scan_fault(scan, name, "match term after a word", "';' or a new line, to begin another rule",
                          NULL);
    if (words_find(&event_words, name) >= 0)
        return scan_fault(scan, name, "event without an ending", "EVENT=keep, fin, linger or rst", NULL);
    return scan_unknown(scan, name, words);
}

static bool parse_ports(struct scan *scan, struct port_range *out)
{
    static const struct number_rule port = {
        1, 65535, "missing port", "not a port", "port out of range", "1 to 65535, or LOW-HIGH"};
    unsigned low, high;

    if (!scan_range(scan, &low, &high, &port))
        return false;
    out->low = (uint16_t)low;
    out->high = (uint16_t)high;
    return true;
}

/*
 * The text that was meant to be an address. It ends before the ':' that ends the match, if that can be told from the
 * ':' of an IPv6 address.
 */
static struct span not_an_address(const char *at)
{
    struct span span = {at, strcspn(at, SCAN_BLANKS "\n,;#/")};
    size_t first = strcspn(at, ":");

    if (at[0] != '[' && first < span.length && strspn(at, "0123456789abcdefABCDEF") < first)
        span.length = first;
    while (span.length > 0 && at[span.length - 1] == ':')
        span.length--;
    return span;
}

static bool parse_address(struct scan *scan, struct address *out)
{
    static const char allowed[] = "an IPv4 or IPv6 address or prefix, as in 10.0.0.0/8 or 2001:db8::/32";
    size_t length = address_read(out, scan->at);
    struct span wrong;

    scan->at += length;
    if (length > 0)
        return true;
    wrong = not_an_address(scan->at);
    if (wrong.length == 0)
        return scan_missing(scan, "missing address", allowed);
    return scan_fault(scan, wrong, "not an address", allowed, NULL);
}

static bool parse_length(struct scan *scan, unsigned *out, bool ipv4)
{
    static const struct number_rule lengths[] = {
        {0, ADDRESS_BITS, "missing prefix length", "not a prefix length", "prefix length out of range",
         "0 to 128"},
        {0, IPV4_BITS, "missing prefix length", "not a prefix length", "prefix length out of range",
         "0 to 32"},
    };

    if (!scan_number(scan, out, &lengths[ipv4]))
        return false;
    if (ipv4)
        *out += IPV4_AT;
    return true;
}

static bool bits_after_prefix(const struct scan *scan, struct span where, const struct prefix *right)
{
    struct text text = text_begin(scan->fault->corrected, sizeof scan->fault->corrected);

    scan_fault(scan, where, "bits after the prefix", "only zero bits after the prefix", NULL);
    text_prefix(&text, right);
    text_end(&text);
    return false;
}

static bool parse_prefix(struct scan *scan, struct prefix *out)
{
    const char *begin = scan->at;
    struct address address;
    unsigned length = ADDRESS_BITS;

    if (!parse_address(scan, &address))
        return false;
    /* In ::ffff:10.0.0.0/104 the length counts all 128 bits. */
    bool ipv4 = address_is_ipv4(&address) && !memchr(begin, ':', (size_t)(scan->at - begin));
    if (scan_take(scan, '/') && !parse_length(scan, &length, ipv4))
        return false;
    *out = (struct prefix){address_cut(&address, length), (uint8_t)length};
    if (memcmp(&out->address, &address, sizeof address) != 0)
        return bits_after_prefix(scan, (struct span){begin, (size_t)(scan->at - begin)}, out);
    return true;
}

static bool parse_value(struct scan *scan, struct policy *policy, struct term *term)
{
    union value *value = &policy->values[policy->value_count];

    scan_blanks(scan);
    if (policy->value_count == POLICY_VALUES)
        return scan_fault(scan, scan_next(scan), "too many ports and peers", "at most 128 in a policy", NULL);
    if (!(term->kind == TERM_PORT ? parse_ports(scan, &value->ports) : parse_prefix(scan, &value->prefix)))
        return false;
    policy->value_count++;
    term->count++;
    return true;
}

static bool parse_values(struct scan *scan, struct policy *policy, struct term *term)
{
    if (!scan_take_after_blanks(scan, '='))
        return scan_missing(scan, "missing '='",
                            term->kind == TERM_PORT ? "port=80,8000-8099" : "peer=10.0.0.0/8,2001:db8::/32");
    term->first = policy->value_count;
    do
        if (!parse_value(scan, policy, term))
            return false;
    while (scan_take_after_blanks(scan, ','));
    return true;
}

static bool parse_term(struct scan *scan, struct policy *policy, struct term *term)
{
    struct span name;
    int kind;

    term->negated = scan_take(scan, '!');
    name = scan_name(scan);
    if (name.length == 0)
        return scan_missing(scan, "missing match term", term_words.allowed);
    kind = words_find(&term_words, name);
    if (kind < 0)
        return unknown_term(scan, name);
    term->kind = (uint8_t)kind;
    if (kind == TERM_PORT || kind == TERM_PEER)
        return parse_values(scan, policy, term);
    if (*scan->at == '=')
        return scan_fault(scan, scan_next(scan), "value for a term that has none", what_may_match, NULL);
    return true;
}

/* Does a match come next? If the first word is unknown, as in "acepted: off", a ':' in the rule tells. */
static bool at_match(struct scan scan)
{
    struct span name;

    if (*scan.at == '!')
        return true;
    name = scan_name(&scan);
    if (words_find(&term_words, name) >= 0)
        return true;
    if (words_find(&preset_words, name) >= 0 || words_find(&event_words, name) >= 0)
        return false;
    return scan.at[strcspn(scan.at, ":;\n#")] == ':';
}

static bool at_rule_end(const struct scan *scan)
{
    return *scan->at == '\0' || strchr(";\n#", *scan->at);
}

static bool parse_match(struct scan *scan, struct policy *policy, struct rule *rule)
{
    do {
        if (rule->term_count == POLICY_TERMS)
            return scan_fault(scan, scan_next(scan), "too many match terms", "at most 8 in a rule", NULL);
        if (!parse_term(scan, policy, &rule->terms[rule->term_count]))
            return false;
        rule->term_count++;
        if (scan_take_after_blanks(scan, ':'))
            return true;
    } while (!at_rule_end(scan) && *scan->at != ',');
    return scan_missing(scan, "missing ':' after the match", what_may_match);
}

static bool parse_setting(struct scan *scan, struct endings *row, struct span event_name)
{
    int event = words_find(&event_words, event_name), ending;
    struct span name;

    if (event < 0)
        return unknown_word(scan, event_name, &event_words);
    scan_blanks(scan);
    name = scan_name(scan);
    if (name.length == 0)
        return scan_missing(scan, "missing ending", ending_words.allowed);
    ending = words_find(&ending_words, name);
    if (ending < 0)
        return scan_unknown(scan, name, &ending_words);
    row->of[event] = (uint8_t)ending;
    return true;
}

static bool parse_word(struct scan *scan, struct endings *row)
{
    struct span name;
    int preset;

    scan_blanks(scan);
    name = scan_name(scan);
    if (name.length == 0)
        return scan_missing(scan, "missing word", preset_words.allowed);
    if (scan_take_after_blanks(scan, '='))
        return parse_setting(scan, row, name);
    preset = words_find(&preset_words, name);
    if (preset < 0)
        return unknown_word(scan, name, &preset_words);
    preset_apply(row, preset);
    return true;
}

static bool parse_words(struct scan *scan, struct endings *row)
{
    do
        if (!parse_word(scan, row))
            return false;
    while (scan_take_after_blanks(scan, ','));
    if (at_rule_end(scan))
        return true;
    return scan_fault(scan, scan_next(scan), "unexpected text", "',' and a word, or ';' and a rule", NULL);
}

static bool parse_rule(struct scan *scan, struct policy *policy)
{
    struct rule rule = {.term_count = 0};

    if (policy->rule_count == POLICY_RULES)
        return scan_fault(scan, scan_next(scan), "too many rules", "at most 32", NULL);
    if (at_match(*scan) && !parse_match(scan, policy, &rule))
        return false;
    if (!parse_words(scan, &rule.endings))
        return false;
    policy->rules[policy->rule_count++] = rule;
    return true;
}

/* Steps over blanks, comments and empty rules; false at the end of the text. */
static bool next_rule(struct scan *scan)
{
    for (;;) {
        scan->at += strspn(scan->at, SCAN_BLANKS "\n;");
        if (*scan->at != '#')
            return *scan->at != '\0';
        scan->at += strcspn(scan->at, "\n");
    }
}

/* The texts above that name the limits. */
_Static_assert(POLICY_RULES == 32 && POLICY_TERMS == 8 && POLICY_VALUES == 128,
               "say the new limits in the faults");

bool policy_parse(struct policy *out, const char *text, struct fault *fault)
{
    struct scan scan = scan_begin(text, fault);
    struct policy policy = {.rule_count = 0};

    while (next_rule(&scan))
        if (!parse_rule(&scan, &policy))
            return false;
    if (policy.rule_count == 0)
        return scan_fault(&scan, scan_next(&scan), "no rule", "at least one, as in abort-on-crash, or off",
                          NULL);
    *out = policy;
    return true;
}
