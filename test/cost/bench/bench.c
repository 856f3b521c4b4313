/*
 * Does the same work under several preload libraries, in turns, and prints ratios to the first of them:
 *
 *     bench cycle|fork|echo|start ROUNDS NAME=LIBRARY...
 *     bench leave CONNECTIONS ROUNDS NAME=LIBRARY...
 *
 * An empty LIBRARY is none. Behind a blank in it, VARIABLE=VALUE is one more variable of the environment. The work:
 *
 *     cycle   connect, a byte each way, the server closes, then the client
 *     fork    the same, but a forked child answers and exits 0, and the server closes its copy
 *     echo    poll, read and write of a byte, on one connection
 *     start   posix_spawn of /bin/true, and wait for its end
 *     leave   the server exits 0 with CONNECTIONS open; timed from the request to the end of the process
 *
 * A line for each library: its name, the median of the ratios of paired rounds, half the width of its 95 %
 * interval, the lower and the upper quartile of the ratios, and the median of the microseconds that one unit
 * of work takes. The server alone runs under the library, but for `start`; its policy is TRUEFIN_POLICY's.
 *
 * For counting system calls:
 *
 *     bench serve                            the server; its port on standard output
 *     bench load cycle|fork|echo COUNT PORT  COUNT units of work, with that server
 *     bench quit PORT                        tells it to exit
 *     bench files COUNT                      opens and closes a file COUNT times
 *     bench mark                             writes a line between its start and its end
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { VARIANTS = 10, MOST_ROUNDS = 8192, MOST_CONNECTIONS = 100000, SPARE_DESCRIPTORS = 64 };

/* What the first byte of a connection asks of the server. */
enum request { CYCLE = 'c', FORK = 'f', ECHO = 'e', HOLD = 'h', QUIT = 'q' };

struct variant {
    const char *name;
    char preload[4096];
    char extra[4096]; /* one more variable */
    struct sockaddr_in server;
    pid_t pid;
    double seconds[MOST_ROUNDS];
};

static struct variant variants[VARIANTS];
static int count;
static char *program;   /* this one's path */
static int connections; /* of `leave` */

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static int number(const char *text, int least, int most)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    if (end == text || *end || errno || value < least || value > most)
        errx(2, "not a number from %d to %d: %s", least, most, text);
    return (int)value;
}

/* --- The server --- */

static void echo(int fd)
{
    char byte;
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    while (poll(&readable, 1, -1) == 1 && read(fd, &byte, 1) == 1 && write(fd, &byte, 1) == 1)
        ;
}

static void answer_by_child(int fd)
{
    pid_t child = fork();
    if (child < 0)
        err(1, "fork");
    if (child == 0)
        _exit(write(fd, "!", 1) == 1 ? 0 : 1);
    close(fd);
    waitpid(child, NULL, 0);
}

static void answer(int fd)
{
    char request;
    if (read(fd, &request, 1) != 1)
        errx(1, "a connection without a request");
    if (request == QUIT)
        exit(0);
    if (request == FORK) {
        answer_by_child(fd);
        return;
    }
    if (write(fd, "!", 1) != 1)
        err(1, "answer");
    if (request == ECHO)
        echo(fd);
    if (request != HOLD)
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
    err(1, "accept");
}

/* --- The client --- */

static struct sockaddr_in address(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((in_port_t)number(port, 1, UINT16_MAX)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static int request(const struct sockaddr_in *server, enum request what)
{
    char byte = (char)what;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)server, sizeof *server) != 0 ||
        write(fd, &byte, 1) != 1)
        err(1, "connection");
    return fd;
}

static int ask(const struct sockaddr_in *server, enum request what)
{
    char byte;
    int fd = request(server, what);
    if (read(fd, &byte, 1) != 1)
        err(1, "no answer");
    return fd;
}

static void ask_and_close(const struct sockaddr_in *server, enum request what)
{
    char byte;
    int fd = ask(server, what);
    if (read(fd, &byte, 1) != 0)
        err(1, "the connection does not end after a byte");
    close(fd);
}

static void quit(const struct sockaddr_in *server)
{
    char byte;
    int fd = request(server, QUIT);
    if (read(fd, &byte, 1) > 0)
        errx(1, "the server does not exit");
    close(fd);
}

static void ask_often(const struct sockaddr_in *server, enum request what, int times)
{
    for (int i = 0; i < times; i++)
        ask_and_close(server, what);
}

static void echo_often(const struct sockaddr_in *server, int times)
{
    char byte = '.';
    int fd = ask(server, ECHO);
    for (int i = 0; i < times; i++)
        if (write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1)
            err(1, "echo");
    close(fd);
}

/* --- Processes under a library --- */

static pid_t spawn(const struct variant *variant, char *path, char *argument, int output)
{
    char preload[sizeof variant->preload];
    const char *wanted = getenv("TRUEFIN_POLICY");
    char policy[256];
    snprintf(policy, sizeof policy, "TRUEFIN_POLICY=%s", wanted ? wanted : "abort-on-crash");
    char extra[sizeof variant->extra];
    char *environment[] = {memcpy(preload, variant->preload, sizeof preload), policy,
                           memcpy(extra, variant->extra, sizeof extra), NULL};
    char *argv[] = {path, argument, NULL};
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    if (output >= 0)
        posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    errno = posix_spawn(&pid, path, &actions, NULL, argv, environment);
    if (errno)
        err(1, "%s", path);
    posix_spawn_file_actions_destroy(&actions);
    return pid;
}

static void reap(pid_t pid, const struct variant *variant)
{
    int status;
    if (waitpid(pid, &status, 0) != pid || status != 0)
        errx(1, "a process does not end well under %s", variant->name);
}

static void start_server(struct variant *variant)
{
    char command[] = "serve";
    int port[2];
    char line[16] = "";
    if (pipe2(port, O_CLOEXEC) != 0)
        err(1, "pipe");
    variant->pid = spawn(variant, program, command, port[1]);
    close(port[1]);
    if (read(port[0], line, sizeof line - 1) <= 0)
        errx(1, "the server does not start under %s", variant->name);
    close(port[0]);
    line[strcspn(line, "\n")] = '\0';
    variant->server = address(line);
}

static void stop_server(const struct variant *variant)
{
    quit(&variant->server);
    reap(variant->pid, variant);
}

/* --- The kinds of work: one turn of a variant each, answering its seconds --- */

/* Short turns, so that most of them pass without another process in between. */
enum { CYCLES = 12, FORKS = 4, ECHOES = 64, STARTS = 2, RENEWED = 10 };

static double turn_cycle(struct variant *variant)
{
    double before = now();
    ask_often(&variant->server, CYCLE, CYCLES);
    return now() - before;
}

static double turn_fork(struct variant *variant)
{
    double before = now();
    ask_often(&variant->server, FORK, FORKS);
    return now() - before;
}

static double turn_echo(struct variant *variant)
{
    double before = now();
    echo_often(&variant->server, ECHOES);
    return now() - before;
}

static double turn_start(struct variant *variant)
{
    char path[] = "/bin/true";
    double before = now();
    for (int i = 0; i < STARTS; i++)
        reap(spawn(variant, path, NULL, -1), variant);
    return now() - before;
}

static double turn_leave(struct variant *variant)
{
    static int held[MOST_CONNECTIONS];
    start_server(variant);
    for (int i = 0; i < connections; i++)
        held[i] = ask(&variant->server, HOLD);
    double before = now();
    int fd = request(&variant->server, QUIT);
    reap(variant->pid, variant);
    double seconds = now() - before;
    close(fd);
    for (int i = 0; i < connections; i++)
        close(held[i]);
    return seconds;
}

static const struct work {
    const char *name;
    double (*turn)(struct variant *variant);
    int units; /* in a turn */
    bool needs_server;
} works[] = {
    {"cycle", turn_cycle, CYCLES, true},  {"fork", turn_fork, FORKS, true}, {"echo", turn_echo, ECHOES, true},
    {"start", turn_start, STARTS, false}, {"leave", turn_leave, 1, false},
};

/* --- Rounds and ratios --- */

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static int within(double place, int rounds)
{
    int index = (int)place;
    return index < 0 ? 0 : index >= rounds ? rounds - 1 : index;
}

/* The interval of a median: those of the sorted values that lie 1.96 * sqrt(n) / 2 around the middle. */
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
    double around = 0.98 * sqrt(rounds);
    double interval =
        ratios[within(rounds / 2.0 + around, rounds)] - ratios[within(rounds / 2.0 - around, rounds)];
    printf("%s %.3f %.3f %.3f %.3f %.2f\n", variant->name, ratios[rounds / 2], interval / 2,
           ratios[rounds / 4], ratios[rounds - 1 - rounds / 4], times[rounds / 2] / units * 1e6);
}

/* A new order for every round: who always ran behind the same other would be measured with what that left. */
static void shuffle(int order[], int size)
{
    static uint64_t state = 1; /* the same orders in every run; constants: Knuth's MMIX */
    for (int i = size - 1; i > 0; i--) {
        state = state * 6364136223846793005U + 1442695040888963407U;
        int other = (int)((state >> 33) % (unsigned)(i + 1));
        int kept = order[i];
        order[i] = order[other];
        order[other] = kept;
    }
}

/* Where a process happens to lie in memory makes it a little faster or slower: many servers, not one. */
static void renew_servers(const struct work *work)
{
    for (int i = 0; i < count; i++) {
        if (variants[i].pid)
            stop_server(&variants[i]);
        start_server(&variants[i]);
        work->turn(&variants[i]); /* warms up */
    }
}

static void measure(const struct work *work, int rounds)
{
    int order[VARIANTS] = {0};
    for (int i = 0; i < count; i++)
        order[i] = i;
    for (int round = 0; round < rounds; round++) {
        if (work->needs_server && round % RENEWED == 0)
            renew_servers(work);
        shuffle(order, count);
        for (int i = 0; i < count; i++)
            variants[order[i]].seconds[round] = work->turn(&variants[order[i]]);
    }
    for (int i = 0; i < count; i++) {
        report(&variants[i], rounds, work->units);
        if (work->needs_server)
            stop_server(&variants[i]);
    }
}

static void add_variant(char *text)
{
    struct variant *variant = &variants[count++];
    char *library = strchr(text, '=');
    if (!library)
        errx(2, "not NAME=LIBRARY: %s", text);
    *library++ = '\0';
    variant->name = text;
    /* As many variables in all variants. */
    char *extra = strchr(library, ' ');
    if (extra)
        *extra++ = '\0';
    snprintf(variant->extra, sizeof variant->extra, "%s", extra ? extra : "NOTHING=MORE");
    snprintf(variant->preload, sizeof variant->preload, "%s=%s", *library ? "LD_PRELOAD" : "NO_LIBRARY",
             library);
}

/* Both ends of a connection need a descriptor, each in a process of its own. */
static void allow_descriptors(int wanted)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max < (rlim_t)wanted)
        errx(1, "%d descriptors are not allowed here (RLIMIT_NOFILE)", wanted);
}

static int files(int times)
{
    for (int i = 0; i < times; i++)
        close(open("/dev/null", O_RDONLY | O_CLOEXEC));
    return 0;
}

static int load(const char *what, int times, const char *port)
{
    const struct sockaddr_in server = address(port);
    if (what[0] == ECHO)
        echo_often(&server, times);
    else
        ask_often(&server, what[0] == FORK ? FORK : CYCLE, times);
    return 0;
}

static int usage(void)
{
    fputs("usage: bench cycle|fork|echo|start ROUNDS NAME=LIBRARY...\n"
          "       bench leave CONNECTIONS ROUNDS NAME=LIBRARY...\n"
          "       bench serve | load WORK COUNT PORT | quit PORT | files COUNT | mark\n",
          stderr);
    return 2;
}

static int help_counting(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "serve") == 0)
        return serve();
    if (argc == 2 && strcmp(argv[1], "mark") == 0)
        return write(STDOUT_FILENO, "mark\n", 5) == 5 ? 0 : 1;
    if (argc == 3 && strcmp(argv[1], "files") == 0)
        return files(number(argv[2], 0, INT32_MAX));
    if (argc == 3 && strcmp(argv[1], "quit") == 0) {
        const struct sockaddr_in server = address(argv[2]);
        quit(&server);
        return 0;
    }
    if (argc == 5 && strcmp(argv[1], "load") == 0)
        return load(argv[2], number(argv[3], 0, INT32_MAX), argv[4]);
    return usage();
}

int main(int argc, char **argv)
{
    const struct work *work = NULL;
    for (size_t i = 0; argc > 3 && i < sizeof works / sizeof *works; i++)
        if (strcmp(argv[1], works[i].name) == 0)
            work = &works[i];
    if (!work)
        return help_counting(argc, argv);
    program = argv[0];
    int next = 2;
    if (work->turn == turn_leave) {
        connections = number(argv[next++], 1, MOST_CONNECTIONS);
        allow_descriptors(connections + SPARE_DESCRIPTORS);
    }
    int rounds = number(argv[next++], 4, MOST_ROUNDS);
    if (next >= argc || argc - next > VARIANTS)
        return usage();
    while (next < argc)
        add_variant(argv[next++]);
    measure(work, rounds);
    return 0;
}
