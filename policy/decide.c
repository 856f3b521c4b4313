#include "address.h"

static bool ports_have(const union value *values, int count, uint16_t port)
{
    for (int i = 0; i < count; i++)
        if (values[i].ports.low <= port && port <= values[i].ports.high)
            return true;
    return false;
}

static bool prefixes_have(const union value *values, int count, const struct address *peer)
{
    for (int i = 0; i < count; i++)
        if (prefix_has(&values[i].prefix, peer))
            return true;
    return false;
}

static bool term_holds(const struct term *term, const union value *values, const struct facts *facts)
{
    switch ((enum term_kind)term->kind) {
    case TERM_ACCEPTED:
        return facts->role == ROLE_ACCEPTED;
    case TERM_CONNECTED:
        return facts->role == ROLE_CONNECTED;
    case TERM_PORT:
        return ports_have(values + term->first, term->count, facts->port);
    case TERM_PEER:
        return prefixes_have(values + term->first, term->count, &facts->peer);
    }
    return false;
}

static bool rule_matches(const struct rule *rule, const union value *values, const struct facts *facts)
{
    for (int i = 0; i < rule->term_count; i++)
        if (term_holds(&rule->terms[i], values, facts) == rule->terms[i].negated)
            return false;
    return true;
}

const struct endings *policy_decide(const struct policy *policy, const struct facts *facts)
{
    static const struct endings keep;

    for (int i = 0; i < policy->rule_count; i++)
        if (rule_matches(&policy->rules[i], policy->values, facts))
            return &policy->rules[i].endings;
    return &keep;
}

static bool asks(const struct policy *policy, enum term_kind kind)
{
    for (int i = 0; i < policy->rule_count; i++)
        for (int j = 0; j < policy->rules[i].term_count; j++)
            if (policy->rules[i].terms[j].kind == kind)
                return true;
    return false;
}

bool policy_asks_port(const struct policy *policy)
{
    return asks(policy, TERM_PORT);
}

bool policy_asks_peer(const struct policy *policy)
{
    return asks(policy, TERM_PEER);
}

bool policy_has_option(const struct policy *policy, enum policy_option option)
{
    for (int i = 0; i < policy->rule_count; i++)
        if (policy->rules[i].endings.has[option])
            return true;
    return false;
}

bool policy_has(const struct policy *policy, enum ending ending)
{
    for (int i = 0; i < policy->rule_count; i++)
        for (int event = 0; event < EVENTS; event++)
            if (policy->rules[i].endings.of[event] == ending)
                return true;
    return false;
}

bool policy_relays(const struct policy *policy)
{
    for (int i = 0; i < policy->rule_count; i++) {
        const uint8_t *of = policy->rules[i].endings.of;
        if (of[EVENT_SOURCE_FAILED] != ENDING_KEEP && of[EVENT_SOURCE_FAILED] != of[EVENT_CLOSE])
            return true;
    }
    return false;
}

bool ending_aborts(enum ending ending)
{
    return ending == ENDING_FLUSH_RST || ending == ENDING_RST;
}
