/*
 * What errno is before a hook's own work, it is after it: the program must not find ours.
 *
 *     KEEP_ERRNO;      as a statement of a block: when the block is left, errno is put back
 */
#ifndef TRUEFIN_KEEP_ERRNO_H
#define TRUEFIN_KEEP_ERRNO_H

#include <errno.h>

static inline void keep_errno_end(const int *kept)
{
    errno = *kept;
}

#define KEEP_ERRNO const int kept_errno __attribute__((cleanup(keep_errno_end), unused)) = errno

#endif
