#include "startup.h"

#include "libc.h"
#include "report/record.h"
#include "report/sink.h"
#include "text.h"

#include <gnu/libc-version.h>
#include <stdlib.h>
#include <string.h>

enum { EX_CONFIG = 78, FILE_SIZE = 65536, LINE_SIZE = 512, WHAT_SIZE = 128 };

struct config config;

/* What config.policy points at if a policy was given. */
static struct policy given COLD;

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
    ssize_t written = sink_stderr_is_client() ? 0 : write(STDERR_FILENO, line, length);
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

const char *config_variable(const char *name)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : NULL;
}

static bool take_policy(const char *subject, const char *text)
{
    struct fault fault;
    config.policy = &given;
    return policy_parse(&given, text, &fault) || refuse(subject, &fault);
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

static bool read_policy_file(const char *path)
{
    static char text[FILE_SIZE] COLD;
    ssize_t size = read_whole(path, text, sizeof text);
    if (size < 0)
        return refuse_whole("TRUEFIN_POLICY_FILE", path, "cannot read", "the path of a readable file");
    if (size == sizeof text)
        return refuse_whole("TRUEFIN_POLICY_FILE", path, "file too long", "less than 64 KiB");
    text[size] = '\0';
    if (strlen(text) < (size_t)size)
        return refuse_whole("TRUEFIN_POLICY_FILE", path, "no text", "a file without zero bytes");
    return take_policy(path, text);
}

static bool read_policy(void)
{
    const char *file = config_variable("TRUEFIN_POLICY_FILE");
    const char *text = config_variable("TRUEFIN_POLICY");
    config.policy = &policy_default;
    if (file && text)
        return refuse_whole("TRUEFIN_POLICY_FILE", file, "TRUEFIN_POLICY is set too", "one of the two");
    if (file)
        return read_policy_file(file);
    return !text || take_policy("TRUEFIN_POLICY", text);
}

/* Without its records truefin still does the rest. */
static void open_log(const char *where)
{
    char what[WHAT_SIZE] = "cannot open (";
    const int error = record_open(where);
    if (!error || record_was_checked(where))
        return;
    struct text text = {.out = what, .size = sizeof what, .length = strlen(what)};
    text_put(&text, strerror(error));
    text_char(&text, ')');
    text_end(&text);
    refuse_whole("TRUEFIN_LOG", where, what, "a file that can be written, stderr, or syslog");
}

static bool read_variables(void)
{
    struct fault fault;
    const char *text;
    config.linger = linger_default;
    config.clean_exits = statuses_default;
    config.stop_signals = signals_default;
    if ((text = config_variable("TRUEFIN_LINGER_TIME")) &&
        !time_parse(&config.linger.milliseconds, text, &fault))
        return refuse("TRUEFIN_LINGER_TIME", &fault);
    if ((text = config_variable("TRUEFIN_LINGER_BYTES")) && !size_parse(&config.linger.bytes, text, &fault))
        return refuse("TRUEFIN_LINGER_BYTES", &fault);
    if ((text = config_variable("TRUEFIN_LINGER_END")) && !linger_end_parse(&config.linger.end, text, &fault))
        return refuse("TRUEFIN_LINGER_END", &fault);
    if ((text = config_variable("TRUEFIN_LINGER_AT_EXIT")) &&
        !linger_at_exit_parse(&config.linger.waits, text, &fault))
        return refuse("TRUEFIN_LINGER_AT_EXIT", &fault);
    if ((text = config_variable("TRUEFIN_CLEAN_EXITS")) && !statuses_parse(&config.clean_exits, text, &fault))
        return refuse("TRUEFIN_CLEAN_EXITS", &fault);
    if ((text = config_variable("TRUEFIN_STOP_SIGNALS")) &&
        !signals_parse(&config.stop_signals, text, &fault))
        return refuse("TRUEFIN_STOP_SIGNALS", &fault);
    if ((text = config_variable("TRUEFIN_LOG")) && !log_check(text, &fault))
        return refuse("TRUEFIN_LOG", &fault);
    open_log(text);
    return true;
}

/* Does any rule change anything? */
static bool has_effect(void)
{
    if (policy_refuses_write(config.policy))
        return true;
    for (int i = 0; i < config.policy->rule_count; i++)
        for (int event = 0; event < EVENTS; event++)
            if (config.policy->rules[i].endings.of[event] != ENDING_KEEP)
                return true;
    return false;
}

#ifndef HOOKS_NOTHING
#pragma weak gnu_get_libc_version
#endif

/*
 * musl's dynamic linker loads us too, but its structures are others. Only glibc has this function, and a
 * static program, as the side-car, does not get it by a weak reference.
 */
static bool is_glibc(void)
{
#ifdef HOOKS_NOTHING
    return true;
#else
    return gnu_get_libc_version != NULL;
#endif
}

bool config_read(void)
{
    if (!is_glibc() || !read_policy() || !read_variables() || !has_effect())
        return false;
    config.asks_port = policy_asks_port(config.policy);
    config.asks_peer = policy_asks_peer(config.policy);
    config.lingers = policy_lingers(config.policy);
    return true;
}
