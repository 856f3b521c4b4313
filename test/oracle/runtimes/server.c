/* server WAY: see README.md. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int accept_one(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&address, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0)
        exit(99);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);
    int connection = accept(listener, NULL, NULL);
    return connection >= 0 && write(connection, "Hello.", 6) == 6 ? connection : -1;
}

static void wait_for_it(void)
{
    puts("waiting");
    fflush(stdout);
    sleep(20);
}

static int deeper(volatile int *above)
{
    volatile int here[1000] = {*above};
    return deeper(here) + here[999];
}

int main(int argc, char **argv)
{
    const char *way = argc > 1 ? argv[1] : "";
    int connection = accept_one();
    volatile int zero = 0;
    if (connection < 0)
        return 99;
    if (strcmp(way, "close") == 0)
        close(connection);
    else if (strcmp(way, "exit-0") == 0)
        exit(0);
    else if (strcmp(way, "exit-3") == 0)
        exit(3);
    else if (strcmp(way, "return") == 0)
        return 3;
    else if (strcmp(way, "abort") == 0)
        abort();
    else if (strcmp(way, "segv") == 0)
        *(volatile int *)(long)zero = 1;
    else if (strcmp(way, "stack") == 0)
        return deeper(&zero);
    while (strcmp(way, "oom") == 0) {
        volatile char *garbage = malloc(1 << 20);
        for (int at = 0; at < 1 << 20; at += 4096)
            garbage[at] = 1; // cppcheck-suppress nullPointerOutOfMemory  ; it is to die of that
    }
    wait_for_it();
    return 0;
}
