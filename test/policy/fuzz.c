/*
 * The policy language against any text: no parser reads or writes out of bounds, a fault points into the
 * text, and a policy that was printed and parsed again decides as before. Aborts where that does not hold.
 */
#include "policy.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* An exact piece of the heap for each printer, so that one byte too many is seen. */
static char *printed(size_t (*print)(char *out, size_t size, const struct policy *policy),
                     const struct policy *policy)
{
    size_t length = print(NULL, 0, policy);
    char *text = malloc(length + 1);

    must(text && print(text, length + 1, policy) == length && strlen(text) == length);
    return text;
}

static void check_place(const char *text, const struct fault *fault)
{
    const char *line = text;

    must(fault->at >= text && fault->length <= strlen(text) &&
         fault->at + fault->length <= text + strlen(text));
    for (unsigned i = 1; i < fault->line; i++) {
        line = strchr(line, '\n');
        must(line != NULL);
        line++;
    }
    must(line + fault->column - 1 == fault->at);
    must(memchr(line, '\n', (size_t)(fault->at + fault->length - line)) == NULL);
}

static void check_fault(const char *text, const struct fault *fault)
{
    char small[24];

    check_place(text, fault);
    must(fault->what && fault->allowed);
    must(memchr(fault->corrected, '\0', sizeof fault->corrected) != NULL);
    size_t length = fault_print(NULL, 0, "X", fault);
    must(fault_print(small, sizeof small, "X", fault) == length && strlen(small) < sizeof small);
    length = fault_print_caret(NULL, 0, text, fault);
    must(fault_print_caret(small, sizeof small, text, fault) == length && strlen(small) < sizeof small);
}

static void same_decision(const struct policy *a, const struct policy *b, uint16_t port, struct address peer)
{
    for (int role = ROLE_ACCEPTED; role <= ROLE_CONNECTED; role++) {
        struct facts facts = {(enum role)role, port, peer};
        must(memcmp(policy_decide(a, &facts), policy_decide(b, &facts), sizeof(struct endings)) == 0);
    }
}

/* Connections just inside and just outside what the term's values say. */
static void same_at_edges(const struct policy *a, const struct policy *b, const struct term *term)
{
    for (int i = 0; i < term->count; i++) {
        const union value *value = &a->values[term->first + i];
        struct address peer = {{0}};
        if (term->kind == TERM_PORT) {
            same_decision(a, b, value->ports.low, peer);
            same_decision(a, b, (uint16_t)(value->ports.low - 1), peer);
            same_decision(a, b, value->ports.high, peer);
            same_decision(a, b, (uint16_t)(value->ports.high + 1), peer);
            continue;
        }
        unsigned length = value->prefix.length;
        peer = value->prefix.address;
        same_decision(a, b, 80, peer);
        if (length < 128)
            peer.bytes[length / 8] ^= (uint8_t)(0x80U >> length % 8);
        same_decision(a, b, 80, peer);
        if (length > 0)
            peer.bytes[(length - 1) / 8] ^= (uint8_t)(0x80U >> (length - 1) % 8);
        same_decision(a, b, 80, peer);
    }
}

static void same_policy(const struct policy *a, const struct policy *b)
{
    static const struct address ipv4 = {{[10] = 0xff, 0xff, 192, 0, 2, 1}}, ipv6 = {{0x20, 0x01, 0x0d, 0xb8}};

    must(a->rule_count == b->rule_count && a->value_count == b->value_count);
    must(policy_asks_port(a) == policy_asks_port(b) && policy_asks_peer(a) == policy_asks_peer(b));
    same_decision(a, b, 80, ipv4);
    same_decision(a, b, 443, ipv6);
    for (int i = 0; i < a->rule_count; i++) {
        must(memcmp(&a->rules[i].endings, &b->rules[i].endings, sizeof(struct endings)) == 0);
        for (int j = 0; j < a->rules[i].term_count; j++)
            same_at_edges(a, b, &a->rules[i].terms[j]);
    }
}

static void check_table(const struct policy *policy)
{
    char *table = printed(policy_print_table, policy);

    for (const char *line = table; *line; line += strcspn(line, "\n") + 1)
        must(strcspn(line, "\n") <= 100 && strchr(line, '\n'));
    free(table);
}

static void check_round_trip(const struct policy *policy)
{
    struct policy again;
    struct fault fault;
    char *text = printed(policy_print, policy);

    must(policy_parse(&again, text, &fault));
    same_policy(policy, &again);
    char *second = printed(policy_print, &again);
    must(strcmp(text, second) == 0);
    free(second);
    free(text);
}

static void check_policy(const char *text)
{
    struct policy policy;
    struct fault fault;

    memset(&policy, 0xa5, sizeof policy);
    if (policy_parse(&policy, text, &fault)) {
        check_round_trip(&policy);
        check_table(&policy);
    } else {
        check_fault(text, &fault);
        for (size_t i = 0; i < sizeof policy; i++)
            must(((unsigned char *)&policy)[i] == 0xa5);
    }
}

static void check_values(const char *text)
{
    struct statuses statuses;
    struct fault fault;
    unsigned milliseconds;
    uint64_t signals;
    uint64_t bytes;
    const char *where;
    uint8_t end;
    bool waits;

    if (!time_parse(&milliseconds, text, &fault))
        check_fault(text, &fault);
    else
        must(milliseconds <= 3600 * 1000);
    if (!statuses_parse(&statuses, text, &fault))
        check_fault(text, &fault);
    else
        must((statuses.bits[0] | statuses.bits[1] | statuses.bits[2] | statuses.bits[3]) != 0);
    if (!signals_parse(&signals, text, &fault))
        check_fault(text, &fault);
    else
        must(signals != 0 && !(signals & (UINT64_C(1) | UINT64_C(1) << 9 | UINT64_C(1) << 19)));
    if (!log_parse(&where, text, &fault))
        check_fault(text, &fault);
    else
        must(where == text);
    if (!size_parse(&bytes, text, &fault))
        check_fault(text, &fault);
    else
        must(bytes <= UINT64_C(1) << 40);
    if (!linger_end_parse(&end, text, &fault))
        check_fault(text, &fault);
    const char *directory = NULL;
    if (!log_format_parse(&waits, text, &fault))
        check_fault(text, &fault);
    if (!log_endings_parse(&waits, text, &fault))
        check_fault(text, &fault);
    if (!observe_parse(&waits, text, &fault))
        check_fault(text, &fault);
    if (!directory_parse(&directory, text, &fault))
        check_fault(text, &fault);
    if (!linger_at_exit_parse(&waits, text, &fault))
        check_fault(text, &fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    check_policy(text);
    check_values(text);
    free(text);
    return 0;
}
