#include "connection/page.h"

/* In the order of enum page_state. */
static const char names[PAGE_STATES][12] = {"on",    "observing", "blind", "sandboxed",
                                            "inert", "watched",   "off"};

const char *page_state_name(unsigned state)
{
    return state < PAGE_STATES ? names[state] : "?";
}
