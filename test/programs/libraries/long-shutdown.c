/* Loaded behind the shim: shutdown(2) does its work, and does not return. */
#include <dlfcn.h>
#include <sys/socket.h>
#include <unistd.h>

int shutdown(int fd, int how)
{
    int (*next)(int, int);
    *(void **)&next = dlsym(RTLD_NEXT, "shutdown");
    next(fd, how);
    for (;;)
        pause();
}
