#include "unwind.h"

enum event unwind_event(void)
{
    return EVENT_CLOSE;
}
