#include "connection/cause.h"

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

const char *cause_sends(enum cause cause)
{
    return causes[cause].sends;
}

const char *cause_name(enum cause cause)
{
    return causes[cause].name;
}
