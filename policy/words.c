/* The one table of names: parsing, printing and records all use it. */
#include "words.h"

#include <signal.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const struct word events[] = {
    {"close", EVENT_CLOSE},
    {"unread", EVENT_UNREAD},
    {"unwind", EVENT_UNWIND},
    {"exception", EVENT_EXCEPTION},
    {"source-failed", EVENT_SOURCE_FAILED},
    {"exit", EVENT_EXIT},
    {"exit-error", EVENT_EXIT_ERROR},
    {"session-error", EVENT_SESSION_ERROR},
    {"stop", EVENT_STOP},
    {"crash", EVENT_CRASH},
};
const struct words event_words = {
    events, COUNT(events), "unknown event",
    "close, unread, unwind, exception, source-failed, exit, exit-error, session-error, stop, crash"};

static const struct word endings[] = {
    {"keep", ENDING_KEEP},           {"fin", ENDING_FIN}, {"linger", ENDING_LINGER},
    {"flush-rst", ENDING_FLUSH_RST}, {"rst", ENDING_RST},
};
const struct words ending_words = {endings, COUNT(endings), "unknown ending",
                                   "keep, fin, linger, flush-rst, rst"};

static const struct word terms[] = {
    {"accepted", TERM_ACCEPTED},
    {"connected", TERM_CONNECTED},
    {"port", TERM_PORT},
    {"peer", TERM_PEER},
};
const struct words term_words = {terms, COUNT(terms), "unknown match term",
                                 "accepted, connected, port=, peer="};

enum {
    ABORT_ON_CRASH,
    ABORT_ON_UNREAD_DATA,
    ABORT_UNLESS_SHUTDOWN,
    ALWAYS_FIN,
    RELAY,
    FIRST_OPTION, /* in the order of enum policy_option */
    REFUSE_WRITE = FIRST_OPTION,
    DEFER_CLOSE,
    OFF,
    PRESETS
};

static const struct word presets[] = {
    {"abort-on-crash", ABORT_ON_CRASH},
    {"abort-on-unread-data", ABORT_ON_UNREAD_DATA},
    {"abort-unless-shutdown", ABORT_UNLESS_SHUTDOWN},
    {"always-fin", ALWAYS_FIN},
    {"relay", RELAY},
    {"refuse-write-after-fin", REFUSE_WRITE},
    {"defer-close", DEFER_CLOSE},
    {"off", OFF},
};
const struct words preset_words = {
    presets, COUNT(presets), "unknown word",
    "abort-on-crash, abort-on-unread-data, abort-unless-shutdown, always-fin, relay, "
    "refuse-write-after-fin, defer-close, off, EVENT=ENDING"};

/* What each preset sets, in the order of enum event. */
enum {
    AS_IS = ENDINGS,
    KEEP = ENDING_KEEP,
    FIN = ENDING_FIN,
    LINGER = ENDING_LINGER,
    FLUSH = ENDING_FLUSH_RST
};
/* clang-format off */
static const uint8_t preset_rows[PRESETS][EVENTS] = {
    /*                         close   unread  unwind  except. source  exit   exit-er. session stop   crash */
    [ABORT_ON_CRASH]        = {AS_IS,  AS_IS,  FLUSH,  AS_IS,  AS_IS,  AS_IS, FLUSH,   KEEP,   AS_IS, FLUSH},
    [ABORT_ON_UNREAD_DATA]  = {AS_IS,  FLUSH,  AS_IS,  AS_IS,  AS_IS,  AS_IS, AS_IS,   AS_IS,  AS_IS, AS_IS},
    [ABORT_UNLESS_SHUTDOWN] = {FLUSH,  FLUSH,  FLUSH,  FLUSH,  FLUSH,  FLUSH, FLUSH,   FLUSH,  FLUSH, FLUSH},
    [ALWAYS_FIN]            = {LINGER, LINGER, LINGER, LINGER, LINGER, FIN,   FIN,     FIN,    FIN,   FIN  },
    [RELAY]                 = {AS_IS,  AS_IS,  AS_IS,  AS_IS,  FLUSH,  AS_IS, AS_IS,   AS_IS,  AS_IS, AS_IS},
    [REFUSE_WRITE]          = {AS_IS,  AS_IS,  AS_IS,  AS_IS,  AS_IS,  AS_IS, AS_IS,   AS_IS,  AS_IS, AS_IS},
    [DEFER_CLOSE]           = {AS_IS,  AS_IS,  AS_IS,  AS_IS,  AS_IS,  AS_IS, AS_IS,   AS_IS,  AS_IS, AS_IS},
    [OFF]                   = {KEEP,   KEEP,   KEEP,   KEEP,   KEEP,   KEEP,  KEEP,    KEEP,   KEEP,  KEEP },
};

/* All that signal(7) calls standard signals. */
static const struct word signals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT},     {"ILL", SIGILL},   {"TRAP", SIGTRAP},
    {"ABRT", SIGABRT}, {"BUS", SIGBUS},   {"FPE", SIGFPE},       {"KILL", SIGKILL}, {"USR1", SIGUSR1},
    {"SEGV", SIGSEGV}, {"USR2", SIGUSR2}, {"PIPE", SIGPIPE},     {"ALRM", SIGALRM}, {"TERM", SIGTERM},
    {"CHLD", SIGCHLD}, {"CONT", SIGCONT}, {"STOP", SIGSTOP},     {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},
    {"TTOU", SIGTTOU}, {"URG", SIGURG},   {"XCPU", SIGXCPU},     {"XFSZ", SIGXFSZ}, {"VTALRM", SIGVTALRM},
    {"PROF", SIGPROF}, {"WINCH", SIGWINCH}, {"IO", SIGIO},       {"PWR", SIGPWR},   {"SYS", SIGSYS},
#ifdef SIGSTKFLT /* not on every architecture */
    {"STKFLT", SIGSTKFLT},
#endif
    {"IOT", SIGIOT},   {"CLD", SIGCHLD},  {"POLL", SIGPOLL},
};
/* clang-format on */
const struct words signal_words = {
    signals, COUNT(signals), "unknown signal",
    "names as in TERM or SIGTERM, numbers 1 to 63; real-time signals by number only"};

static const struct word logs[] = {{"stderr", 0}, {"syslog", 1}};
const struct words log_words = {logs, COUNT(logs), "unknown place for records",
                                "stderr, syslog, or a path that begins with '/'"};

static const struct word limits[] = {{"fin", ENDING_FIN}, {"rst", ENDING_RST}};
const struct words limit_words = {limits, COUNT(limits), "unknown ending for a limit", "fin, rst"};

static const struct word at_exits[] = {{"end", false}, {"wait", true}};
const struct words at_exit_words = {at_exits, COUNT(at_exits), "unknown choice", "end, wait"};

static const struct word formats[] = {{"logfmt", false}, {"json", true}};
const struct words format_words = {formats, COUNT(formats), "unknown form of records", "logfmt, json"};

static const struct word told[] = {{"changed", false}, {"all", true}};
const struct words told_words = {told, COUNT(told), "unknown choice", "changed, all"};

static const struct word switches[] = {{"0", false}, {"1", true}};
const struct words switch_words = {switches, COUNT(switches), "neither on nor off", "0, 1"};

static bool span_is(struct span span, const char *name)
{
    return strlen(name) == span.length && memcmp(name, span.at, span.length) == 0;
}

int words_find(const struct words *words, struct span name)
{
    for (size_t i = 0; i < words->count; i++)
        if (span_is(name, words->word[i].name))
            return words->word[i].value;
    return -1;
}

const char *words_name(const struct words *words, int value)
{
    for (size_t i = 0; i < words->count; i++)
        if (words->word[i].value == value)
            return words->word[i].name;
    return "?";
}

void preset_apply(struct endings *row, int preset)
{
    for (int event = 0; event < EVENTS; event++)
        if (preset_rows[preset][event] != AS_IS)
            row->of[event] = preset_rows[preset][event];
    for (int option = 0; option < OPTIONS; option++)
        row->has[option] = preset == FIRST_OPTION + option || (row->has[option] && preset != OFF);
}

const char *option_name(enum policy_option option)
{
    return words_name(&preset_words, FIRST_OPTION + (int)option);
}

const char *event_name(enum event event)
{
    return words_name(&event_words, (int)event);
}

const char *ending_name(enum ending ending)
{
    return words_name(&ending_words, (int)ending);
}

/* The roles are named as the match terms that ask for them. */
const char *role_name(enum role role)
{
    return words_name(&term_words, role == ROLE_ACCEPTED ? TERM_ACCEPTED : TERM_CONNECTED);
}

/* tolower(3) would ask the locale. */
static char lower(char c)
{
    if (c >= 'A' && c <= 'Z')
        return "abcdefghijklmnopqrstuvwxyz"[c - 'A'];
    return c;
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

enum { LONGEST = 32 }; /* longer words resemble none of ours */

/*
 * Edit distance: letters inserted, dropped, changed, or swapped with their neighbour (optimal string
 * alignment); upper and lower case are the same letter. Only the last three lines of the matrix are kept.
 */
static unsigned distance(struct span a, const char *b)
{
    unsigned lines[3][LONGEST + 1];
    unsigned *before = lines[0], *above = lines[1], *line = lines[2];
    size_t width = strlen(b);

    for (size_t j = 0; j <= width; j++)
        above[j] = before[j] = (unsigned)j;
    for (size_t i = 1; i <= a.length; i++) {
        line[0] = (unsigned)i;
        for (size_t j = 1; j <= width; j++) {
            char x = lower(a.at[i - 1]), y = lower(b[j - 1]);
            line[j] = least(least(above[j], line[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a.at[i - 2]))
                line[j] = least(line[j], before[j - 2] + 1);
        }
        unsigned *oldest = before;
        before = above;
        above = line;
        line = oldest;
    }
    return above[width];
}

/* One slip in a short word, about one in four letters of a long one. */
static unsigned tolerance(const char *name)
{
    return (unsigned)(strlen(name) + 2) / 4;
}

const char *words_nearest(const struct words *words, struct span name)
{
    const char *nearest = NULL;
    unsigned least_slips = LONGEST;

    if (name.length == 0 || name.length > LONGEST)
        return NULL;
    for (size_t i = 0; i < words->count; i++) {
        const char *known = words->word[i].name;
        unsigned slips = distance(name, known);
        if (slips <= tolerance(known) && slips < least_slips) {
            least_slips = slips;
            nearest = known;
        }
    }
    return nearest;
}
