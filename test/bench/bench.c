/*
 * Times the same work under several preload libraries, in turns, and prints ratios to the first:
 *
 *     bench cycle|fork|echo|start ROUNDS NAME=LIBRARY...     LIBRARY may be empty: no library
 *     bench serve                                           what the first three start: a server, port on
 * stdout bench files COUNT                                     opens and closes a file COUNT times, for
 * counting calls bench load cycle|fork|echo COUNT PORT                 COUNT times the work, against a server
 *
 * cycle: connect, one byte each way, the server closes. fork: the same with a forked child that answers and
 * exits 0. echo: one byte there and back on one connection. start: posix_spawn of /bin/true and wait. A line
 * for each library: name, median of the ratios of paired rounds, lower and upper quartile, microseconds of
 * the median round per unit of work.
 */
#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VARIANTS = 8, BATCH = 64, MOST_ROUNDS = 4096 };

struct variant {
    const char *name;
    char preload[4096];
    struct sockaddr_in server;
    pid_t pid;
    double seconds[MOST_ROUNDS];
};

static struct variant variants[VARIANTS];
static int count;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* --- The server: the first byte of a connection says what is wanted --- */

static void echo(int fd)
{
    char byte;
    while (read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
        ;
}

static void answer(int fd)
{
    char what;
    if (read(fd, &what, 1) != 1)
        return;
    if (what == 'f') {
        pid_t child = fork();
        if (child == 0) {
            if (write(fd, "!", 1) != 1)
                _exit(1);
            _exit(0);
        }
        close(fd);
        waitpid(child, NULL, 0);
        return;
    }
    if (write(fd, "!", 1) == 1 && what == 'e')
        echo(fd);
    close(fd);
}

static int serve(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (struct sockaddr *)&name, size) != 0 || listen(listener, 64) != 0 ||
        getsockname(listener, (struct sockaddr *)&name, &size) != 0)
        err(1, "listen");
    printf("%d\n", ntohs(name.sin_port));
    fflush(stdout);
    int fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0)
        answer(fd);
    return 0;
}

/* --- The client, never under a library --- */

static int ask(const struct sockaddr_in *server, char what)
{
    char byte;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, (const struct sockaddr *)server, sizeof *server) != 0 || write(fd, &what, 1) != 1 ||
        read(fd, &byte, 1) != 1)
        err(1, "connection");
    return fd;
}

static void finish(int fd)
{
    char byte;
    if (read(fd, &byte, 1) > 0)
        errx(1, "more than one byte");
    close(fd);
}

static void one_echo(int fd)
{
    char byte = '.';
    if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
        err(1, "echo");
}

static void work(const struct sockaddr_in *server, char what, int times)
{
    int fd = what == 'e' ? ask(server, 'e') : -1;
    for (int i = 0; i < times; i++) {
        if (what == 'e')
            one_echo(fd);
        else
            finish(ask(server, what));
    }
    if (fd >= 0)
        close(fd);
}

static void start_once(struct variant *variant)
{
    char *environment[] = {variant->preload, NULL};
    char itself[] = "true";
    char *argv[] = {itself, NULL};
    pid_t pid;
    int status;
    if (posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environment) != 0 ||
        waitpid(pid, &status, 0) != pid || status != 0)
        errx(1, "/bin/true does not run under %s", variant->name);
}

static void run_batch(struct variant *variant, char what)
{
    if (what == 's')
        for (int i = 0; i < BATCH / 8; i++)
            start_once(variant);
    else
        work(&variant->server, what, what == 'e' ? 8 * BATCH : BATCH);
}

static int batch_of(char what)
{
    return what == 's' ? BATCH / 8 : what == 'e' ? 8 * BATCH : BATCH;
}

static void start_server(struct variant *variant, char *self)
{
    char *environment[] = {variant->preload, NULL};
    char command[] = "serve";
    char *argv[] = {self, command, NULL};
    posix_spawn_file_actions_t actions;
    int port[2];
    char line[16] = "";
    if (pipe2(port, O_CLOEXEC) != 0)
        err(1, "pipe");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, port[1], STDOUT_FILENO);
    if (posix_spawn(&variant->pid, self, &actions, NULL, argv, environment) != 0)
        errx(1, "cannot start the server");
    posix_spawn_file_actions_destroy(&actions);
    close(port[1]);
    if (read(port[0], line, sizeof line - 1) <= 0)
        errx(1, "the server does not start under %s", variant->name);
    close(port[0]);
    variant->server.sin_family = AF_INET;
    variant->server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    variant->server.sin_port = htons((uint16_t)strtoul(line, NULL, 10));
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void report(const struct variant *variant, int rounds, int units)
{
    static double ratios[MOST_ROUNDS];
    static double times[MOST_ROUNDS];
    for (int i = 0; i < rounds; i++) {
        ratios[i] = variant->seconds[i] / variants[0].seconds[i];
        times[i] = variant->seconds[i];
    }
    qsort(ratios, (size_t)rounds, sizeof *ratios, compare);
    qsort(times, (size_t)rounds, sizeof *times, compare);
    printf("%s %.3f %.3f %.3f %.2f\n", variant->name, ratios[rounds / 2], ratios[rounds / 4],
           ratios[rounds - 1 - rounds / 4], times[rounds / 2] / units * 1e6);
}

static int measure(char what, int rounds, char *self)
{
    for (int i = 0; what != 's' && i < count; i++)
        start_server(&variants[i], self);
    for (int round = -2; round < rounds; round++)
        for (int k = 0; k < count; k++) {
            /* Every round begins with another library, so that no place in the row is favoured. */
            struct variant *variant = &variants[(k + round + 2) % count];
            double before = now();
            run_batch(variant, what);
            if (round >= 0)
                variant->seconds[round] = now() - before;
        }
    for (int i = 0; i < count; i++) {
        report(&variants[i], rounds, batch_of(what));
        if (variants[i].pid)
            kill(variants[i].pid, SIGKILL);
    }
    return 0;
}

static int files(int times)
{
    for (int i = 0; i < times; i++) {
        int fd = open("/dev/null", O_RDONLY);
        close(fd);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    if (argc == 3 && strcmp(argv[1], "files") == 0)
        return files((int)strtol(argv[2], NULL, 10));
    if (argc == 5 && strcmp(argv[1], "load") == 0) {
        struct sockaddr_in server = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        server.sin_port = htons((uint16_t)strtoul(argv[4], NULL, 10));
        work(&server, argv[2][0], (int)strtol(argv[3], NULL, 10));
        return 0;
    }
    if (argc < 4 || argc - 3 > VARIANTS)
        errx(2, "usage: bench cycle|fork|echo|start ROUNDS NAME=LIBRARY...");
    int rounds = (int)strtol(argv[2], NULL, 10);
    if (rounds < 4 || rounds > MOST_ROUNDS)
        errx(2, "rounds: 4 to %d", MOST_ROUNDS);
    for (int i = 3; i < argc; i++) {
        struct variant *variant = &variants[count++];
        char *library = strchr(argv[i], '=');
        if (!library) {
            errx(2, "not NAME=LIBRARY: %s", argv[i]);
        } else {
            *library = '\0';
            variant->name = argv[i];
            snprintf(variant->preload, sizeof variant->preload, library[1] ? "LD_PRELOAD=%s" : "NO=%s",
                     library + 1);
        }
    }
    return measure(argv[1][0], rounds, argv[0]);
}
