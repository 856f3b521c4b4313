#include "config.h"

#include "libc.h"
#include "marker.h"

#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_SIZE = 65536 };

struct config config;

/* What config.policy points at if a policy was given. */
static struct policy given COLD;

void config_degrade(enum state state)
{
    uint8_t seen = atomic_load(&config.state);
    while (seen < state && !atomic_compare_exchange_weak(&config.state, &seen, (uint8_t)state))
        ;
}

static bool refuse_whole(struct complaint *complaint, const char *text, const char *what, const char *allowed)
{
    complaint->fault = (struct fault){
        .what = what, .allowed = allowed, .at = text, .length = strlen(text), .line = 1, .column = 1};
    return false;
}

const char *config_variable(const char *name)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : NULL;
}

static bool take_policy(struct complaint *complaint, const char *subject, const char *text)
{
    complaint->subject = subject;
    config.policy = &given;
    return policy_parse(&given, text, &complaint->fault);
}

/* As many bytes as there are, up to SIZE; -1 for an error. A FIFO without a writer is empty. */
static ssize_t read_whole(const char *path, char *text, size_t size)
{
    size_t length = 0;
    ssize_t got = -1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    while (length < size && (got = read(fd, text + length, size - length)) > 0)
        length += (size_t)got;
    real(close)(fd);
    return got < 0 ? -1 : (ssize_t)length;
}

static bool read_policy_file(struct complaint *complaint, const char *path)
{
    static char text[FILE_SIZE] COLD;
    ssize_t size = read_whole(path, text, sizeof text);
    if (size < 0)
        return refuse_whole(complaint, path, "cannot read", "the path of a readable file");
    if (size == sizeof text)
        return refuse_whole(complaint, path, "file too long", "less than 64 KiB");
    text[size] = '\0';
    if (strlen(text) < (size_t)size)
        return refuse_whole(complaint, path, "no text", "a file without zero bytes");
    return take_policy(complaint, path, text);
}

static bool read_policy(struct complaint *complaint)
{
    const char *file = config_variable("TRUEFIN_POLICY_FILE");
    const char *text = config_variable("TRUEFIN_POLICY");
    config.policy = &policy_default;
    complaint->subject = "TRUEFIN_POLICY_FILE";
    if (file && text)
        return refuse_whole(complaint, file, "TRUEFIN_POLICY is set too", "one of the two");
    if (file)
        return read_policy_file(complaint, file);
    return !text || take_policy(complaint, "TRUEFIN_POLICY", text);
}

/* The value of variable NAME, which becomes what is complained of. */
static const char *value_of(struct complaint *complaint, const char *name)
{
    complaint->subject = name;
    return config_variable(name);
}

static bool read_variables(struct complaint *complaint)
{
    const char *text;
    config.linger = linger_default;
    config.flush = flush_default;
    config.defer_time = defer_time_default;
    config.clean_exits = statuses_default;
    config.stop_signals = signals_default;
#define SETTING(name, type, place, parse, ...)                                                               \
    if ((text = value_of(complaint, "TRUEFIN_" #name)) && !parse(&config.place, text, &complaint->fault))    \
        return false;
#include "settings.def"
    return true;
}

/* It keeps nothing, and so waits for nothing. To say nothing would make it useless. */
static void observe(void)
{
    config.log_all = true;
    config.linger.waits = false;
    if (!config.log && !config.stats)
        config.log = "stderr";
}

/* Does any rule change anything? */
static bool has_effect(void)
{
    if (policy_has_option(config.policy, OPTION_REFUSE_WRITE))
        return true;
    for (int i = 0; i < config.policy->rule_count; i++)
        for (int event = 0; event < EVENTS; event++)
            if (config.policy->rules[i].endings.of[event] != ENDING_KEEP)
                return true;
    return false;
}

#pragma weak gnu_get_libc_version

/*
 * musl's dynamic linker loads us too, but its structures are others. Only glibc has this function. (The
 * side-car, a static program, asks the linker for it.)
 */
static bool is_glibc(void)
{
    return gnu_get_libc_version != NULL;
}

enum reading config_read(struct complaint *complaint)
{
    if (!is_glibc())
        return CONFIG_IDLE;
    if (config_variable("TRUEFIN_OFF"))
        truefin_switched = 1;
    if (!read_policy(complaint) || !read_variables(complaint))
        return CONFIG_REFUSED;
    if (config.observes)
        observe();
    if (!has_effect() && !config.log_all)
        return CONFIG_IDLE;
    config.asks_port = policy_asks_port(config.policy);
    config.asks_peer = policy_asks_peer(config.policy);
    if (!config.observes) {
        config.keeps =
            policy_has(config.policy, ENDING_LINGER) || policy_has(config.policy, ENDING_FLUSH_RST);
        config.relays = policy_relays(config.policy);
        config.defers = policy_has_option(config.policy, OPTION_DEFER_CLOSE);
        config.flushes = policy_has(config.policy, ENDING_FLUSH_RST);
    }
    return CONFIG_ACTS;
}
