/*
 * Which source's bytes lie at an address? The last reads of this process, each with the memory that it has filled.
 *
 * The most recent reader of an address counts. A read that is forgotten hides itself and nothing else: what a bucket has
 * lost is remembered by its turn, and an older read found there is then taken for no answer. So a relay may go unnoticed,
 * but is never taken for another one.
 *
 * A program may fill the same memory without a read: the first and the last bytes are compared with what was read, as far as
 * they are written.
 *
 * 8192 buckets of 256 bytes, whatever the buffers are; touched where they are used. No lock, no allocation, no system call;
 * safe with threads, and in signal handlers: who finds an entry busy leaves it, and says that the bucket has lost something.
 */
#ifndef TRUEFIN_READS_H
#define TRUEFIN_READS_H

#include <stddef.h>
#include <stdint.h>

/* What bytes came from: a connection by its table_name, or a child (feeds.h); 0 for anything else. */
typedef uint64_t source_name;

/* So many bytes at each end are compared. */
enum { READS_SAMPLE = 16 };

/* SOURCE has just filled SIZE bytes at DATA, which can be read. */
void reads_note(const void *data, size_t size, source_name source);

/* What the SIZE bytes at DATA end in, as a number. */
uint64_t reads_tail(const void *data, size_t size);

/*
 * From whom is the last of the SIZE > 0 bytes at DATA, which can be read? 0: nobody knows. Where neither end of what was read
 * is among them, so that nothing can be compared, only BEFORE, from whom the bytes before them were, is believed.
 */
source_name reads_source(const void *data, size_t size, source_name before);

#endif
