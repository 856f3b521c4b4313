/* As qemu-user before 10 does: madvise(MADV_WIPEONFORK) is taken, and nothing is wiped. */
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

int madvise(void *address, size_t size, int advice)
{
    if (advice == MADV_WIPEONFORK)
        return 0;
    return (int)syscall(SYS_madvise, address, size, advice);
}
