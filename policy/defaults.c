/* The values of variables that are not set. test/policy holds them against what their texts parse to. */
#include "policy.h"

#include <signal.h>

const struct setting settings[SETTINGS] = {
#define SOURCE(name, text, ...)                      [SETTING_##name] = {"TRUEFIN_" #name, text},
#define SETTING(name, type, place, parse, text, ...) [SETTING_##name] = {"TRUEFIN_" #name, text},
#include "settings.def"
};

const struct policy policy_default = {
    .rules = {{.endings.of = {[EVENT_UNWIND] = ENDING_FLUSH_RST,
                              [EVENT_EXIT_ERROR] = ENDING_FLUSH_RST,
                              [EVENT_CRASH] = ENDING_FLUSH_RST}}},
    .rule_count = 1,
};

#define BIT(n) ((uint64_t)1 << (n))

const struct statuses statuses_default = {{BIT(0), 0, BIT(129 % 64) | BIT(130 % 64) | BIT(143 % 64), 0}};
const uint64_t signals_default = BIT(SIGTERM) | BIT(SIGINT) | BIT(SIGHUP);
const struct linger_limits linger_default = {.milliseconds = 2000, .bytes = 64 << 20, .end = ENDING_FIN};
const unsigned defer_time_default = 100;
const struct flush_limits flush_default = {.most = 10000, .at_exit = 1000, .gap = 50};
