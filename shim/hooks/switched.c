#include "hooks/switched.h"

#include "keep_errno.h"
#include "marker.h"
#include "process/strings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MOST_WORDS = 16384 }; /* 128 KiB of stack */

static const char name[] = "TRUEFIN_OFF=";
static char off[] = "TRUEFIN_OFF=1";
static char on[] = "TRUEFIN_OFF=";
static char in_environ[] = "TRUEFIN_OFF=1"; /* its last character follows the switch */

static bool count(struct reader *reader, const char *string, void *data)
{
    size_t *words = data;
    bool is;
    ++*words;
    return strings_begins(reader, string, name, &is);
}

size_t switched_words(char *const environment[])
{
    if (!marker_was_off())
        return 0;
    KEEP_ERRNO;
    struct reader reader = {.page = NO_PAGE};
    size_t words = 2; /* one more, and the null pointer */
    if (!strings_each(&reader, environment, count, &words) || words > MOST_WORDS)
        words = 0;
    return words;
}

/* Another thread may have shortened it meanwhile: WORDS is the most that there is. */
void switched_fill(char **copy, size_t words, char *const environment[])
{
    size_t used = 0;
    for (size_t i = 0; environment && environment[i] && used < words - 2; i++)
        if (strncmp(environment[i], name, strlen(name)) != 0)
            copy[used++] = environment[i];
    copy[used++] = marker_is_off() ? off : on;
    copy[used] = NULL;
}

static bool is_there(void)
{
    for (char **at = environ; at && *at; at++)
        if (*at == in_environ)
            return true;
    return false;
}

void switched_into_environ(void)
{
    KEEP_ERRNO;
    const size_t words = switched_words(environ);
    if (words == 0)
        return;
    in_environ[sizeof in_environ - 2] = marker_is_off() ? '1' : '\0';
    if (is_there())
        return;
    char **copy =
        mmap(NULL, words * sizeof *copy, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (copy == MAP_FAILED)
        return;
    switched_fill(copy, words, environ);
    for (char **at = copy; *at; at++)
        if (*at == off || *at == on)
            *at = in_environ;
    environ = copy;
}
