/* Words for what is counted; also for the tool that prints it (shim/stats/). */
#include "connection/page.h"

/* In the order of enum page_state. */
static const char names[PAGE_STATES][12] = {"on",    "observing", "blind", "sandboxed",
                                            "inert", "watched",   "off"};

const char *page_state_name(unsigned state)
{
    return state < PAGE_STATES ? names[state] : "?";
}

/* In the order of enum cause. Arrays, not pointers, which the dynamic linker would have to relocate. */
static const struct {
    char name[14];
    char sends[5];
} causes[CAUSES] = {
    [CAUSE_PLAIN] = {"plain", "fin"},
    [CAUSE_UNREAD] = {"unread", "rst"},
    [CAUSE_LINGER] = {"linger", "rst"},
    [CAUSE_FIN_SENT] = {"fin-sent", "fin"},
    [CAUSE_PEER_RESET] = {"peer-reset", "none"},
    [CAUSE_TIMED_OUT] = {"timed-out", "none"},
    [CAUSE_NOT_CONNECTED] = {"not-connected", "none"},
    [CAUSE_OVER] = {"over", "none"},
};

const char *fate_sends(enum cause why)
{
    return causes[why].sends;
}

const char *fate_why(enum cause why)
{
    return causes[why].name;
}
