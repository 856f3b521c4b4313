#include "write.h"

#include "../libc.h"
#include "told.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio_ext.h>
#include <string.h>

/* What printf(3) and its kin are under _FORTIFY_SOURCE; in no header without it. */
int __fprintf_chk(FILE *stream, int flag, const char *format, ...);
int __printf_chk(int flag, const char *format, ...);
int __dprintf_chk(int fd, int flag, const char *format, ...);
int __vprintf_chk(int flag, const char *format, va_list values);

/* _IO_ERR_SEEN of glibc's libio: what ferror(3) tells. There is no function that sets it. */
enum { ERROR_SEEN = 0x20 };

static bool refused(FILE *stream)
{
    if (!write_refused(fileno_unlocked(stream), 0))
        return false;
    stream->_flags |= ERROR_SEEN;
    return true;
}

/* Nothing waits to be written, or there is no one stream: no business of ours. */
HOOK int fflush(FILE *stream)
{
    return stream && __fpending(stream) > 0 && refused(stream) ? EOF : real(fflush)(stream);
}

/* It closes, whatever becomes of what is written. */
HOOK int fclose(FILE *stream)
{
    bool lost = __fpending(stream) > 0 && refused(stream);
    int result = real(fclose)(stream);
    if (!lost)
        return result;
    errno = EPIPE;
    return EOF;
}

HOOK size_t fwrite(const void *data, size_t size, size_t count, FILE *stream)
{
    if (size * count > 0 && refused(stream))
        return 0;
    size_t done = real(fwrite)(data, size, count, stream);
    told_stream_written(stream, data, done * size);
    return done;
}

HOOK int fputs(const char *text, FILE *stream)
{
    if (refused(stream))
        return EOF;
    int result = real(fputs)(text, stream);
    told_stream_written(stream, text, result == EOF ? 0 : strlen(text));
    return result;
}

HOOK int puts(const char *text)
{
    return fputs(text, stdout) == EOF || fputc('\n', stdout) == EOF ? EOF : 1;
}

HOOK int fputc(int byte, FILE *stream)
{
    if (refused(stream))
        return EOF;
    told_own(fileno_unlocked(stream));
    return real(fputc)(byte, stream);
}

#undef putc
HOOK int putc(int byte, FILE *stream)
{
    return fputc(byte, stream);
}

#undef putchar
HOOK int putchar(int byte)
{
    return fputc(byte, stdout);
}

HOOK int vfprintf(FILE *stream, const char *format, va_list values)
{
    if (refused(stream))
        return -1;
    told_own(fileno_unlocked(stream));
    return real(vfprintf)(stream, format, values);
}

HOOK int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list values)
{
    if (refused(stream))
        return -1;
    told_own(fileno_unlocked(stream));
    return real(__vfprintf_chk)(stream, flag, format, values);
}

HOOK int vdprintf(int fd, const char *format, va_list values)
{
    if (write_refused(fd, 0))
        return -1;
    told_own(fd);
    return real(vdprintf)(fd, format, values);
}

HOOK int __vdprintf_chk(int fd, int flag, const char *format, va_list values)
{
    if (write_refused(fd, 0))
        return -1;
    told_own(fd);
    return real(__vdprintf_chk)(fd, flag, format, values);
}

HOOK int vprintf(const char *format, va_list values)
{
    return vfprintf(stdout, format, values);
}

HOOK int __vprintf_chk(int flag, const char *format, va_list values)
{
    return __vfprintf_chk(stdout, flag, format, values);
}

/* RESULT of CALL, which has the values after FORMAT as a list. */
#define WITH_VALUES(call)                                                                                    \
    va_list values;                                                                                          \
    va_start(values, format);                                                                                \
    int result = call;                                                                                       \
    va_end(values);                                                                                          \
    return result

HOOK int fprintf(FILE *stream, const char *format, ...)
{
    WITH_VALUES(vfprintf(stream, format, values));
}

HOOK int printf(const char *format, ...)
{
    WITH_VALUES(vfprintf(stdout, format, values));
}

HOOK int dprintf(int fd, const char *format, ...)
{
    WITH_VALUES(vdprintf(fd, format, values));
}

HOOK int __fprintf_chk(FILE *stream, int flag, const char *format, ...)
{
    WITH_VALUES(__vfprintf_chk(stream, flag, format, values));
}

HOOK int __printf_chk(int flag, const char *format, ...)
{
    WITH_VALUES(__vfprintf_chk(stdout, flag, format, values));
}

HOOK int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    WITH_VALUES(__vdprintf_chk(fd, flag, format, values));
}
