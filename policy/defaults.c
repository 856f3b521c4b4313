/* The values of variables that are not set. test/policy holds them against what their texts parse to. */
#include "policy.h"

#include <signal.h>

const char policy_default_text[] = "abort-on-crash";
const char statuses_default_text[] = "0,129,130,143";
const char signals_default_text[] = "TERM,INT,HUP";
const char linger_default_text[] = "2s";

const struct policy policy_default = {
    .rules =
        {{.endings.of =
              {[EVENT_CRASH] = ENDING_RST, [EVENT_EXIT_ERROR] = ENDING_RST, [EVENT_UNWIND] = ENDING_RST}}},
    .rule_count = 1,
};

#define BIT(n) ((uint64_t)1 << (n))

const struct statuses statuses_default = {{BIT(0), 0, BIT(129 % 64) | BIT(130 % 64) | BIT(143 % 64), 0}};
const uint64_t signals_default = BIT(SIGTERM) | BIT(SIGINT) | BIT(SIGHUP);
const unsigned linger_default = 2000;
