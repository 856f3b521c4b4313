/*
 * The mission's client in C: asks for an abort by SO_LINGER {1,0}, connects, says Hello! through stdio and
 * returns. Its own wish is an abort; without the option (argument "plain") the same program ends with a FIN.
 */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
    const struct linger zero = {.l_onoff = 1, .l_linger = 0};
    struct sockaddr_in to = {.sin_family = AF_INET};
    FILE *stream = NULL;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (argc < 2 || fd < 0)
        errx(2, "usage: seed_linger PORT [plain]");
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((in_port_t)strtoul(argv[1], NULL, 10));
    if (argc == 2 && setsockopt(fd, SOL_SOCKET, SO_LINGER, &zero, sizeof(zero)) < 0)
        err(1, "SO_LINGER");
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0)
        err(1, "connect");
    stream = fdopen(fd, "w");
    if (stream == NULL)
        err(1, "fdopen");
    fprintf(stream, "Hello!\n");
    fflush(stream);
    return 0;
}
