/*
 * Names of the policy language, for the parsers and the printers. Everything here is pure and may be called
 * in signal handlers and between vfork and exec. Private to policy/.
 */
#ifndef TRUEFIN_WORDS_H
#define TRUEFIN_WORDS_H

#include "policy.h"

/* A piece of somebody else's text; not NUL-terminated. */
struct span {
    const char *at;
    size_t length;
};

struct word {
    const char *name;
    int value;
};

/* All names of one kind, and what to tell a person whose word is not among them. */
struct words {
    const struct word *word;
    size_t count;
    const char *unknown; /* "unknown event" */
    const char *allowed; /* every name of the kind, or a short way to say it */
};

extern const struct words event_words;   /* enum event */
extern const struct words ending_words;  /* enum ending */
extern const struct words preset_words;  /* for preset_apply */
extern const struct words term_words;    /* enum term_kind */
extern const struct words signal_words;  /* signal numbers; an alias follows the usual name */
extern const struct words log_words;     /* what TRUEFIN_LOG may say besides a path */
extern const struct words limit_words;   /* enum ending: what there can be at the end of lingering */
extern const struct words at_exit_words; /* does an exit wait for what lingers? */
extern const struct words format_words;  /* are records JSON? */
extern const struct words told_words;    /* are all endings recorded? */
extern const struct words switch_words;  /* 0 and 1 */

/* The value of the word that is exactly NAME, or -1. */
int words_find(const struct words *words, struct span name);

/* The first name with VALUE, or "?". */
const char *words_name(const struct words *words, int value);

/* The known name that NAME was probably meant to be, or NULL. Static. */
const char *words_nearest(const struct words *words, struct span name);

/* The word for OPTION. Static. */
const char *option_name(enum policy_option option);

/* PRESET (a value of preset_words) sets its events in the row and leaves the others as they are. */
void preset_apply(struct endings *row, int preset);

#endif
