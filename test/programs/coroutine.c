/*
 * coroutine ROOM [alternate]: accepts a connection, then waits for a signal on a stack that has ROOM bytes
 * more than the kernel's frame for a signal takes at most (AT_MINSIGSTKSZ). With "alternate" the thread has
 * an alternate stack.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 65536, ALTERNATE = 65536 }; /* bytes; PAGE at least as large as one */

static ucontext_t caller, coroutine;

static void waits(void)
{
    for (;;)
        pause();
}

static void accept_one(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        err(2, "listen");
    dprintf(STDOUT_FILENO, "port %d\n", ntohs(address.sin_port));
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 || write(fd, "Hello.", 6) != 6)
        err(2, "accept");
}

/* SIZE bytes whose lower end is the end of what may be written. */
static char *stack_of(size_t size)
{
    size_t whole = (size_t)2 * PAGE + (size + PAGE - 1) / PAGE * PAGE;
    char *memory = mmap(NULL, whole, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || mprotect(memory, PAGE, PROT_NONE) != 0)
        err(2, "mmap");
    return memory + PAGE;
}

int main(int count, char **arguments)
{
    if (count < 2)
        errx(2, "usage: coroutine ROOM [alternate]");
    size_t size = getauxval(AT_MINSIGSTKSZ) + strtoul(arguments[1], NULL, 10);
    stack_t alternate = {.ss_sp = stack_of(ALTERNATE), .ss_size = ALTERNATE};
    if (count > 2 && sigaltstack(&alternate, NULL) != 0)
        err(2, "sigaltstack");
    accept_one();
    getcontext(&coroutine);
    coroutine.uc_stack = (stack_t){.ss_sp = stack_of(size), .ss_size = size};
    makecontext(&coroutine, waits, 0);
    dprintf(STDOUT_FILENO, "ready\n");
    swapcontext(&caller, &coroutine);
    return 1;
}
