#include "process/strings.h"

#include "libc.h"

#include <errno.h>
#include <sys/syscall.h>

enum {
    MOST_STRINGS = 65536, /* of an environment or a command line; of more nothing is told */
    MOST_BYTES = 131072,  /* MAX_ARG_STRLEN: of one of them */
    PAGE = 4096,          /* the smallest one; all of it can be read, or nothing */
};

bool strings_can_read(struct reader *reader, const void *at, size_t size)
{
    const uintptr_t last = ((uintptr_t)at + size - 1) & ~(uintptr_t)(PAGE - 1);
    for (uintptr_t page = (uintptr_t)at & ~(uintptr_t)(PAGE - 1); page <= last; page += PAGE) {
        if (page != reader->page &&
            real(syscall)(SYS_rt_sigprocmask, -1L, page | sizeof(uint64_t), NULL, (long)sizeof(uint64_t)) <
                0 &&
            errno == EFAULT)
            return false;
        reader->page = page;
    }
    return true;
}

bool strings_begins(struct reader *reader, const char *text, const char *name, bool *does)
{
    for (*does = true; *does && *name; text++, name++) {
        if (!strings_can_read(reader, text, 1))
            return false;
        *does = *text == *name;
    }
    return true;
}

bool strings_holds(struct reader *reader, const char *text, const char *name, bool *does)
{
    *does = false;
    for (int i = 0; i < MOST_BYTES && !*does; i++) {
        if (!strings_can_read(reader, text + i, 1) || !strings_begins(reader, text + i, name, does))
            return false;
        if (!text[i])
            return true;
    }
    return *does;
}

bool strings_each(struct reader *reader, char *const *vector, strings_see *see, void *data)
{
    for (int i = 0; vector && i <= MOST_STRINGS; i++) {
        if (i == MOST_STRINGS || !strings_can_read(reader, &vector[i], sizeof *vector))
            return false;
        if (!vector[i])
            return true;
        if (!see(reader, vector[i], data))
            return false;
    }
    return true;
}
