#include "process/asked.h"

#include "keep_errno.h"
#include "libc.h"

#include <sys/mman.h>
#include <sys/syscall.h>

enum { PAGE = 4096 }; /* bytes; the kernel rounds up */

/*
 * By syscall(2), for a sanitizer's mmap chooses addresses itself. Before Linux 4.17 the kernel takes the address as
 * a hint only.
 */
static char *make_page(void)
{
    const long access = PROT_READ | PROT_WRITE;
    const long flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    const long at = real(syscall)(SYS_mmap, ASKED_AT, (long)PAGE, access, flags, -1L, 0L);
    if (at == (long)ASKED_AT)
        return (void *)at; /* NOLINT(performance-no-int-to-ptr) */
    if (at != -1)
        real(syscall)(SYS_munmap, at, (long)PAGE);
    return NULL;
}

void asked_note(void)
{
    KEEP_ERRNO;
    char *page = make_page();
    /* A fork child must not have the page, or its end would count as a stop. The write makes the page. */
    if (page && real(syscall)(SYS_madvise, page, (long)PAGE, (long)MADV_DONTFORK) == 0)
        *page = 1;
}
