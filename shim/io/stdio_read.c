/* What takes bytes out of a stream, for stdio's own reads reach no hook: what was read may be relayed (told.h). */
#include "../libc.h"
#include "told.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* DATA has GOT bytes. SHORT_OF what was asked for: what ended the stream a read of stdio's own has heard. */
static void told_stream_read(FILE *stream, void *data, size_t got, bool short_of)
{
    if (!truefin_has_read)
        return;
    const int saved = errno;
    if (got > 0)
        told_read(fileno_unlocked(stream), data, got, (ssize_t)got);
    errno = saved;
    if (short_of && feof_unlocked(stream))
        told_read(fileno_unlocked(stream), data, 1, 0);
    else if (short_of && ferror_unlocked(stream))
        told_read(fileno_unlocked(stream), data, 1, -1);
    errno = saved;
}

HOOK size_t fread(void *data, size_t size, size_t count, FILE *stream)
{
    size_t got = real(fread)(data, size, count, stream);
    told_stream_read(stream, data, got * size, got < count && size > 0);
    return got;
}

HOOK size_t __fread_chk(void *data, size_t room, size_t size, size_t count, FILE *stream)
{
    size_t got = real(__fread_chk)(data, room, size, count, stream);
    told_stream_read(stream, data, got * size, got < count && size > 0);
    return got;
}

HOOK char *fgets(char *text, int size, FILE *stream)
{
    char *got = real(fgets)(text, size, stream);
    told_stream_read(stream, text, got ? strlen(got) : 0, !got);
    return got;
}

HOOK char *__fgets_chk(char *text, size_t room, int size, FILE *stream)
{
    char *got = real(__fgets_chk)(text, room, size, stream);
    told_stream_read(stream, text, got ? strlen(got) : 0, !got);
    return got;
}

HOOK ssize_t getdelim(char **line, size_t *size, int end, FILE *stream)
{
    ssize_t got = real(getdelim)(line, size, end, stream);
    told_stream_read(stream, *line, got > 0 ? (size_t)got : 0, got < 0);
    return got;
}

HOOK ssize_t __getdelim(char **line, size_t *size, int end, FILE *stream)
{
    return getdelim(line, size, end, stream);
}

HOOK ssize_t getline(char **line, size_t *size, FILE *stream)
{
    return getdelim(line, size, '\n', stream);
}
