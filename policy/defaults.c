/* The values of variables that are not set. test/policy holds them against what their texts parse to. */
#include "policy.h"

#include <signal.h>

const char policy_default_text[] = "abort-on-crash";
const char statuses_default_text[] = "0,129,130,143";
const char signals_default_text[] = "TERM,INT,HUP";
const char linger_time_default_text[] = "2s";
const char linger_bytes_default_text[] = "64M";
const char linger_end_default_text[] = "fin";
const char linger_at_exit_default_text[] = "end";

const struct policy policy_default = {
    .rules =
        {{.endings.of =
              {[EVENT_CRASH] = ENDING_RST, [EVENT_EXIT_ERROR] = ENDING_RST, [EVENT_UNWIND] = ENDING_RST}}},
    .rule_count = 1,
};

#define BIT(n) ((uint64_t)1 << (n))

const struct statuses statuses_default = {{BIT(0), 0, BIT(129 % 64) | BIT(130 % 64) | BIT(143 % 64), 0}};
const uint64_t signals_default = BIT(SIGTERM) | BIT(SIGINT) | BIT(SIGHUP);
const struct linger_limits linger_default = {.milliseconds = 2000, .bytes = 64 << 20, .end = ENDING_FIN};
