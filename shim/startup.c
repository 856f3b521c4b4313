#include "startup.h"

#include "birth.h"
#include "death.h"
#include "libc.h"
#include "record.h"
#include "signals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { EX_CONFIG = 78, FILE_SIZE = 16384, LINE_SIZE = 512 };

struct config config;

void config_degrade(enum state state)
{
    uint8_t seen = atomic_load(&config.state);
    while (seen < state && !atomic_compare_exchange_weak(&config.state, &seen, (uint8_t)state))
        ;
}

static bool is_strict(void)
{
    const char *strict = secure_getenv("TRUEFIN_STRICT");
    return strict && strcmp(strict, "1") == 0;
}

/* One line on stderr, then out of the way; under TRUEFIN_STRICT=1 the process ends before main. */
static bool refuse(const char *subject, const struct fault *fault)
{
    char line[LINE_SIZE] = "truefin: ";
    const size_t start = strlen(line);
    size_t length = start + fault_print(line + start, sizeof line - start - 1, subject, fault);
    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length++] = '\n';
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written;
    if (is_strict())
        real(_exit)(EX_CONFIG);
    return false;
}

static bool refuse_whole(const char *subject, const char *text, const char *what, const char *allowed)
{
    const struct fault fault = {
        .what = what, .allowed = allowed, .at = text, .length = strlen(text), .line = 1, .column = 1};
    return refuse(subject, &fault);
}

/* Unset and empty are the same, as in systemd's Environment=. */
static const char *variable(const char *name, const char *otherwise)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : otherwise;
}

static bool read_policy_file(const char *path)
{
    char text[FILE_SIZE];
    struct fault fault;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text);
    if (fd >= 0)
        real(close)(fd);
    if (size < 0)
        return refuse_whole("TRUEFIN_POLICY_FILE", path, "cannot read", "the path of a readable file");
    if (size == sizeof text)
        return refuse_whole("TRUEFIN_POLICY_FILE", path, "file too long", "at most 16383 bytes");
    text[size] = '\0';
    return policy_parse(&config.policy, text, &fault) || refuse(path, &fault);
}

static bool read_policy(void)
{
    struct fault fault;
    const char *file = variable("TRUEFIN_POLICY_FILE", NULL);
    const char *text = variable("TRUEFIN_POLICY", NULL);
    if (file && text)
        return refuse_whole("TRUEFIN_POLICY_FILE", file, "TRUEFIN_POLICY is set too", "one of the two");
    if (file)
        return read_policy_file(file);
    text = text ? text : policy_default_text;
    return policy_parse(&config.policy, text, &fault) || refuse("TRUEFIN_POLICY", &fault);
}

static bool read_variables(void)
{
    struct fault fault;
    const char *where = variable("TRUEFIN_LOG", NULL);
    if (!time_parse(&config.linger_ms, variable("TRUEFIN_LINGER_TIME", linger_default_text), &fault))
        return refuse("TRUEFIN_LINGER_TIME", &fault);
    if (!statuses_parse(&config.clean_exits, variable("TRUEFIN_CLEAN_EXITS", statuses_default_text), &fault))
        return refuse("TRUEFIN_CLEAN_EXITS", &fault);
    if (!signals_parse(&config.stop_signals, variable("TRUEFIN_STOP_SIGNALS", signals_default_text), &fault))
        return refuse("TRUEFIN_STOP_SIGNALS", &fault);
    if (where && !log_check(where, &fault))
        return refuse("TRUEFIN_LOG", &fault);
    record_open(where);
    return true;
}

/* Does any rule change anything? */
static bool has_effect(void)
{
    for (int i = 0; i < config.policy.rule_count; i++)
        for (int event = 0; event < EVENTS; event++)
            if (config.policy.rules[i].endings.of[event] != ENDING_KEEP)
                return true;
    return false;
}

/* inetd gives its services the connection at 0, 1 and 2. */
static void adopt_standard(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        birth_adopt(fd, true);
}

__attribute__((constructor)) static void start(void)
{
    int saved = errno;
    libc_resolve();
    if (read_policy() && read_variables() && has_effect()) {
        config.asks_port = policy_asks_port(&config.policy);
        config.asks_peer = policy_asks_peer(&config.policy);
        config_degrade(STATE_ON);
        signals_watch();
        death_watch();
        adopt_standard();
    }
    errno = saved;
}
