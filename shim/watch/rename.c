#include "rename.h"

#include <string.h>
#include <sys/prctl.h>

static char *place;
static size_t room;

/* The words of a command line stand behind one another. */
void rename_begin(char **argv)
{
    char **last = argv;
    while (last[1])
        last++;
    place = *argv;
    room = (size_t)(*last - *argv) + strlen(*last);
}

/* What pkill(1) -f looks at would name the program. */
void rename_self(const char *name)
{
    const size_t size = strlen(name) + 1;
    memset(place, 0, room);
    memcpy(place, name, room < size ? room : size);
    prctl(PR_SET_NAME, name);
}
