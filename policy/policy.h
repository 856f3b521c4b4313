/*
 * The policy language: what a user writes in TRUEFIN_POLICY, and what it decides.
 *
 *     text --parse--> struct policy --decide(facts)--> one ending for each event
 *
 * Everything here is pure: no sockets, no globals, no allocation, no locale. All functions may be called in
 * signal handlers and between vfork and exec; they write only to what they are given.
 * docs/man/truefin-policy.7 is the grammar in words for users; words.c is the one table of names.
 */
#ifndef TRUEFIN_POLICY_H
#define TRUEFIN_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Why a connection ends. The order is that of the printed table. */
enum event {
    EVENT_CLOSE,
    EVENT_UNREAD,
    EVENT_UNWIND,
    EVENT_EXCEPTION,
    EVENT_SOURCE_FAILED,
    EVENT_EXIT,
    EVENT_EXIT_ERROR,
    EVENT_SESSION_ERROR,
    EVENT_STOP,
    EVENT_CRASH,
    EVENTS
};

/* What truefin does about it. KEEP is zero: a zeroed row changes nothing. */
enum ending { ENDING_KEEP, ENDING_FIN, ENDING_LINGER, ENDING_FLUSH_RST, ENDING_RST, ENDINGS };

/* How the connection was born. */
enum role { ROLE_ACCEPTED, ROLE_CONNECTED };

/* An address of either family in one shape: IPv4 a.b.c.d is held as ::ffff:a.b.c.d, network byte order. */
struct address {
    uint8_t bytes[16];
};

/* What a rule may ask about a connection. */
struct facts {
    enum role role;
    uint16_t port;       /* host order; of the service: our port if accepted, the peer's if connected */
    struct address peer; /* the remote address */
};

/* What a rule may say besides endings, each a word of its own. */
enum policy_option {
    OPTION_REFUSE_WRITE, /* no write after the peer's FIN has been read */
    OPTION_DEFER_CLOSE,  /* a close is believed when the program goes on */
    OPTIONS,
};

/* One ending for each event, and the options. */
struct endings {
    uint8_t of[EVENTS]; /* enum ending */
    bool has[OPTIONS];
};

enum {
    POLICY_RULES = 32,   /* rules in a policy */
    POLICY_TERMS = 8,    /* match terms in a rule */
    POLICY_VALUES = 128, /* port ranges and prefixes in a policy, all rules together */
};

enum term_kind { TERM_ACCEPTED, TERM_CONNECTED, TERM_PORT, TERM_PEER };

/* One match term. PORT and PEER match when one of their values does. */
struct term {
    uint8_t kind; /* enum term_kind */
    bool negated;
    uint8_t first, count; /* the slice of policy.values, for PORT and PEER */
};

struct port_range {
    uint16_t low, high; /* inclusive, host order */
};

/* A prefix of an IPv6 address never matches an IPv4 peer, "::/0" included. */
struct prefix {
    struct address address; /* bits after length are zero */
    uint8_t length;         /* 0..128, counted in the 128-bit form */
};

union value {
    struct port_range ports;
    struct prefix prefix;
};

/* All terms must match. No terms: every connection matches. */
struct rule {
    struct term terms[POLICY_TERMS];
    uint8_t term_count;
    struct endings endings;
};

struct policy {
    struct rule rules[POLICY_RULES];
    uint8_t rule_count;
    union value values[POLICY_VALUES];
    uint8_t value_count;
};

/* What is wrong with a text. All strings are static, or point into the text that was parsed. */
struct fault {
    const char *what;    /* "unknown word", "port out of range", ... */
    const char *allowed; /* what could stand there, for a person */
    const char *nearest; /* the known word that was probably meant, or NULL */
    const char *at;      /* first byte of the offending text */
    size_t length;       /* its length in bytes; 0 where something is missing */
    unsigned line;       /* 1-based */
    unsigned column;     /* 1-based, in bytes */
    char corrected[56];  /* a value that was probably meant, as "10.0.0.0/8"; "" for none */
};

/*
 * Parsers. Each reads the whole of TEXT and returns true. If the text is wrong, it returns false, fills *fault, and
 * leaves *out as it was. An empty policy (nothing but blanks, separators and comments) is a fault.
 */

/* Rules separated by ';' or newlines, '#' comments to the end of the line. */
bool policy_parse(struct policy *out, const char *text, struct fault *fault);

/* "2s", "500ms", "1min": milliseconds, at most one hour. A number without a unit is a fault, except "0". */
bool time_parse(unsigned *out, const char *text, struct fault *fault);

/* "64M", "512K", "1G": bytes, K is 1024; at most 1024G. A number without a unit is a fault, except "0". */
bool size_parse(uint64_t *out, const char *text, struct fault *fault);

/* The limits of a lingering connection, and what happens at them. */
struct linger_limits {
    unsigned milliseconds;
    uint64_t bytes;
    uint8_t end; /* ENDING_FIN or ENDING_RST */
    bool waits;  /* does an exit wait for connections that still linger? */
};

/* "fin" or "rst": what happens when a limit is reached. */
bool linger_end_parse(uint8_t *out, const char *text, struct fault *fault);

/* "end" or "wait": whether an exit waits for what still lingers. */
bool linger_at_exit_parse(bool *out, const char *text, struct fault *fault);

/* How long a connection that is to be aborted may take to deliver what the program has written. Milliseconds. */
struct flush_limits {
    unsigned most;    /* where the process lives on, or a side-car has the connection */
    unsigned at_exit; /* where a process that ends waits */
    unsigned gap;     /* between the last byte sent and the abort */
};

/* A set of exit statuses 0..255: "0,129,130-143". */
struct statuses {
    uint64_t bits[4];
};
bool statuses_parse(struct statuses *out, const char *text, struct fault *fault);
bool statuses_has(const struct statuses *set, int status); /* the low 8 bits count, as in wait(2) */

/*
 * A set of signals 1..63, bit N for signal N: "TERM,INT,HUP", "SIGTERM", "15". Faults: KILL and STOP, and 32
 * and 33, which the C library keeps for itself. Signal 64 has no bit.
 */
bool signals_parse(uint64_t *out, const char *text, struct fault *fault);

/* A place for records: "stderr", "syslog", or an absolute path. OUT becomes TEXT itself. */
bool log_parse(const char **out, const char *text, struct fault *fault);

/* An absolute path. OUT becomes TEXT itself; whether it is a directory is not asked. */
bool directory_parse(const char **out, const char *text, struct fault *fault);

/* The form of a record: "logfmt" or "json". OUT: is it json? */
bool log_format_parse(bool *out, const char *text, struct fault *fault);

/* Which endings are recorded: "changed" or "all". OUT: all? */
bool log_endings_parse(bool *out, const char *text, struct fault *fault);

/* "0" or "1": is nothing to be changed? */
bool observe_parse(bool *out, const char *text, struct fault *fault);

/* The variables of settings.def: SETTING_POLICY, SETTING_LINGER_TIME and so on. */
enum setting_name {
#define SOURCE(name, ...)  SETTING_##name,
#define SETTING(name, ...) SETTING_##name,
#include "settings.def"
    SETTINGS
};

/* Arrays, not pointers, which the dynamic linker would have to relocate in each process. */
struct setting {
    char variable[24];
    char default_text[16]; /* what stands for a variable that is not set; "" for none */
};
extern const struct setting settings[SETTINGS];

/* What the texts of the defaults parse to, so that a process which sets nothing parses nothing. */
extern const struct policy policy_default;
extern const struct statuses statuses_default;
extern const uint64_t signals_default;
extern const struct linger_limits linger_default;
extern const struct flush_limits flush_default;
extern const unsigned defer_time_default; /* milliseconds */

/* The endings of the first rule that matches; a row of KEEP if no rule matches. Never NULL. */
const struct endings *policy_decide(const struct policy *policy, const struct facts *facts);

/* Does any rule ask for the port / the peer's address? Lets the caller skip finding them out. */
bool policy_asks_port(const struct policy *policy);
bool policy_asks_peer(const struct policy *policy);

/* Does any rule have OPTION? Then the library with the hooks on the data path is needed, too. */
bool policy_has_option(const struct policy *policy, enum policy_option option);

/* Does any event of any rule end in ENDING? */
bool policy_has(const struct policy *policy, enum ending ending);

/* Has source-failed, in any rule, an ending of its own: other than that of close, and not keep? */
bool policy_relays(const struct policy *policy);

/* Does ENDING abort the connection, be it at once or later? */
bool ending_aborts(enum ending ending);

/* The names of the values. Never NULL for a value of the enum. */
const char *event_name(enum event event);
const char *ending_name(enum ending ending);
const char *role_name(enum role role);

/*
 * Printers. They write at most SIZE bytes to OUT, with a NUL at the end if SIZE > 0, and return the length of the
 * whole text, as snprintf does. Round trip: policy_parse(policy_print(p)) has the same effect as p, and is printed as
 * the same text.
 */

/* The canonical text, on one line. */
size_t policy_print(char *out, size_t size, const struct policy *policy);

/* A table of whole lines, events across and rules down, at most 140 columns wide. */
size_t policy_print_table(char *out, size_t size, const struct policy *policy);

/*
 * One line without newline: SUBJECT: what "quoted" at column N (allowed: ...; did you mean ...?).
 * SUBJECT is the variable or file that the text came from. Control bytes in the quotation are shown as '?', and a long
 * quotation is cut. From the second line on, it says "at line L, column N".
 */
size_t fault_print(char *out, size_t size, const char *subject, const struct fault *fault);

/* The line of the text that has the fault, then a line with carets under it; both end with a newline. */
size_t fault_print_caret(char *out, size_t size, const char *text, const struct fault *fault);

#endif
