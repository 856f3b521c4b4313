/* Numbers where ptrace(2) and process_vm_readv(2) want pointers. */
#ifndef TRUEFIN_WATCH_WORD_H
#define TRUEFIN_WATCH_WORD_H

#include <stdint.h>

static inline void *word(uintptr_t value)
{
    return (void *)value; /* NOLINT(performance-no-int-to-ptr) */
}

#endif
