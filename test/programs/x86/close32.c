/*
 * close32 PORT: a program of 32 bits without any library, which connects to 127.0.0.1, writes "Hello.", closes the connection and
 * waits.
 */
enum { NR_WRITE = 4, NR_CLOSE = 6, NR_PAUSE = 29, NR_EXIT = 1, NR_SOCKET = 359, NR_CONNECT = 362 };
enum { FAMILY = 2, STREAM = 1, BYTE = 8, DECIMAL = 10 };

static long call(long number, long a, long b, long c)
{
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory");
    return result;
}

static unsigned number_of(const char *text)
{
    unsigned number = 0;
    for (; *text; text++)
        number = number * DECIMAL + (unsigned)(*text - '0');
    return number;
}

__attribute__((used)) static void run(long count, char **arguments)
{
    const unsigned port = count > 1 ? number_of(arguments[1]) : 0;
    const struct {
        unsigned short family, port;
        unsigned address;
        unsigned char rest[BYTE];
    } peer = {FAMILY, (unsigned short)(port << BYTE | port >> BYTE), 0x0100007f, {0}};
    const long fd = call(NR_SOCKET, FAMILY, STREAM, 0);
    if (call(NR_CONNECT, fd, (long)&peer, sizeof peer) != 0)
        call(NR_EXIT, 1, 0, 0);
    call(NR_WRITE, fd, (long)"Hello.", 6);
    call(NR_CLOSE, fd, 0, 0);
    call(NR_PAUSE, 0, 0, 0);
}

__asm__(".globl _start\n_start: mov %esp, %eax\n lea 4(%eax), %edx\n push %edx\n push (%eax)\n call run\n");
