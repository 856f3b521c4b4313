/* What stdio has read ahead. glibc has no function for it; the fields are part of its binary interface. */
#ifndef TRUEFIN_STDIO_BUFFER_H
#define TRUEFIN_STDIO_BUFFER_H

#include <stdio.h>

/*
 * Bytes that STREAM has read from its descriptor and not handed out. Takes no lock: the caller is about to
 * close it.
 */
static inline size_t stdio_unread(const FILE *stream)
{
    return (size_t)(stream->_IO_read_end - stream->_IO_read_ptr);
}

#endif
