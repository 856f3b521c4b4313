/*
 * The observer: holds one TCP connection and tells on one line how the other side ended it.
 *
 *     connect or accept --> send and read --> FIN, RST, another error, or the deadline --> report
 *
 * One socket, non-blocking, one poll loop, one deadline for everything. The rules by which an ending is told
 * are in watch() and stopped_reading(); the kernel's side of them is net/ipv4/tcp_input.c: tcp_reset(),
 * tcp_fin().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <linux/tcp.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "policy.h"

enum exit_code { EXIT_FIN, EXIT_RST, EXIT_USAGE, EXIT_UNCONNECTED, EXIT_TIMEOUT };

/* What was seen. Each has a word for the report and an exit code: see outcomes[]. */
enum outcome { SAW_FIN, SAW_RST, SAW_ERROR, SAW_NOTHING, NEVER_CONNECTED };

static const struct {
    const char *word;
    enum exit_code exit_code;
} outcomes[] = {
    [SAW_FIN] = {"fin", EXIT_FIN},
    [SAW_RST] = {"rst", EXIT_RST},
    [SAW_ERROR] = {"error", EXIT_RST},
    [SAW_NOTHING] = {"time-out", EXIT_TIMEOUT},
    [NEVER_CONNECTED] = {"unconnected", EXIT_UNCONNECTED},
};

struct options {
    const char *host, *port;
    const unsigned char *text; /* to send */
    size_t text_length;
    uint64_t read_limit; /* bytes to read before reading stops; UINT64_MAX: read all */
    unsigned timeout_ms; /* for the whole run */
    int family;          /* AF_UNSPEC, AF_INET, AF_INET6 */
    int output;          /* descriptor for what was received, or -1 */
    bool half_close, json, verbose, listen;
};

struct report {
    enum outcome outcome;
    uint64_t received, sent; /* bytes */
    int unread;              /* bytes that arrived and were left in the queue */
    int error;               /* errno of the ending, 0 after a FIN */
    int send_error;          /* errno of a failed send: EPIPE when the other side had ended before */
    int taken;               /* errno that connect or send took from the socket: recv will not see it */
    int64_t begun, ended;    /* monotonic ns: connection established, ending seen */
    const char *tcp_state;   /* the kernel's, at the end */
    char local[80], peer[80];
};

enum { NS_PER_MS = 1000 * 1000 };

static const char usage[] = "Usage: truefin peer [OPTION]... HOST PORT\n";

static const char help[] =
    "Hold one TCP connection and tell on one line how the other side ended it:\n"
    "\n"
    "    fin after 7 bytes                   it closed: that was everything\n"
    "    rst after 7 bytes (ECONNRESET)      it aborted, or crashed under truefin\n"
    "    error after 7 bytes (ETIMEDOUT)     the connection ended with any other error\n"
    "    time-out after 7 bytes              it had not ended it in time\n"
    "\n"
    "  -s, --send TEXT      send TEXT first; it may hold \\r \\n \\t \\\\ and \\xHH\n"
    "  -c, --half-close     send a FIN after TEXT (shutdown), and go on reading\n"
    "  -r, --read-bytes N   read N bytes and no more, but wait for the ending; if more than the receive "
    "buffer\n"
    "                       holds is on its way, a FIN cannot arrive, and the time-out is the answer\n"
    "  -o, --output FILE    write what was received to FILE; with '-' to stdout, and the report to stderr\n"
    "  -t, --timeout TIME   limit for the whole run, as 500ms, 10s or 2min (10s)\n"
    "  -l, --listen         accept one connection on HOST PORT instead of making one; says first on stderr "
    "where\n"
    "                       it listens; port 0 takes any free port\n"
    "  -4, -6               IPv4 or IPv6 only\n"
    "  -v, --verbose        add the time since the connection was made, and the kernel's TCP state\n"
    "  -j, --json           report all of it as one JSON object\n"
    "  -h, --help           show this\n"
    "\n"
    "Exit status: 0 FIN, 1 RST or another error on the connection, 2 usage (or FILE cannot be written),\n"
    "3 could not connect or listen, 4 time-out.\n";

/* Message on stderr, then the end. */
__attribute__((noreturn, format(printf, 2, 3))) static void fail(enum exit_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("truefin peer: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    if (code == EXIT_USAGE)
        fputs("Try 'truefin peer --help'.\n", stderr);
    exit(code);
}

static const char *error_name(int error)
{
    const char *name = strerrorname_np(error);
    return name ? name : "unknown error";
}

/* Time. */

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 * NS_PER_MS + t.tv_nsec;
}

/* Waits for WANT on FD until DEADLINE (monotonic ns). Returns what poll(2) saw, 0 once the deadline has
 * passed, even if FD is ready: an endless stream must not keep us. */
static short wait_for(int fd, short want, int64_t deadline)
{
    for (;;) {
        int64_t left = deadline - now_ns();
        if (left <= 0)
            return 0;
        struct pollfd p = {.fd = fd, .events = want};
        /* Rounded up, or the last millisecond would be spent in a busy loop. */
        int n = poll(&p, 1, (int)((left + NS_PER_MS - 1) / NS_PER_MS));
        if (n > 0)
            return p.revents;
        if (n < 0 && errno != EINTR)
            fail(EXIT_UNCONNECTED, "poll: %s", strerror(errno));
    }
}

static void give_up(int signal)
{
    (void)signal;
    static const char text[] = "truefin peer: time-out in a name lookup or a write\n";
    ssize_t n = write(STDERR_FILENO, text, sizeof text - 1);
    (void)n;
    _exit(EXIT_TIMEOUT);
}

/* The calls that poll cannot guard (getaddrinfo, writing what was received) are ended by a signal a little
 * later than the deadline, so that the ordinary report wins where there can be one. */
static void guard_blocking_calls(unsigned timeout_ms)
{
    enum { GRACE_MS = 250 };
    unsigned ms = timeout_ms + GRACE_MS;
    struct sigaction action = {.sa_handler = give_up};
    struct itimerval timer = {.it_value = {.tv_sec = ms / 1000, .tv_usec = (suseconds_t)(ms % 1000) * 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

/* Options. */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Replaces the escapes in TEXT by what they stand for, in place. Returns the length in bytes: there may be a
 * NUL. */
static size_t unescape(char *text)
{
    char *out = text;
    for (const char *in = text; *in; in++) {
        if (*in != '\\') {
            *out++ = *in;
            continue;
        }
        in++;
        if (*in == 'r') {
            *out++ = '\r';
        } else if (*in == 'n') {
            *out++ = '\n';
        } else if (*in == 't') {
            *out++ = '\t';
        } else if (*in == '\\') {
            *out++ = '\\';
        } else if (*in == 'x' && hex_digit(in[1]) >= 0 && hex_digit(in[2]) >= 0) {
            *out++ = (char)(hex_digit(in[1]) * 16 + hex_digit(in[2]));
            in += 2;
        } else {
            fail(EXIT_USAGE, "--send: unknown escape \"\\%.3s\" (allowed: \\r \\n \\t \\\\ \\xHH)", in);
        }
    }
    return (size_t)(out - text);
}

static uint64_t parse_count(const char *option, const char *text)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    /* The first byte is looked at because strtoull takes blanks and signs. */
    if (*text < '0' || *text > '9' || *end || errno)
        fail(EXIT_USAGE, "%s: \"%s\" is not a number of bytes", option, text);
    return value;
}

/* Is it a number from LOW to HIGH, in digits alone? getaddrinfo(3) takes blanks, signs, and 65537 for 1. */
static bool is_number_within(const char *text, unsigned long low, unsigned long high)
{
    size_t length = strspn(text, "0123456789");
    errno = 0;
    unsigned long value = strtoul(text, NULL, 10);
    return length > 0 && !text[length] && !errno && value >= low && value <= high;
}

/* A port, or the name of a service. Port 0 is for a listener: any free one. */
static const char *parse_port(const char *text, bool listens)
{
    const bool is_name = text[strspn(text, "0123456789")] != '\0';
    if (is_name ? !getservbyname(text, "tcp") : !is_number_within(text, !listens, UINT16_MAX))
        fail(EXIT_USAGE, "PORT: \"%s\" is no port (allowed: %d to 65535, or the name of a service)", text,
             !listens);
    return text;
}

static unsigned parse_timeout(const char *text)
{
    unsigned ms = 0;
    struct fault fault;
    if (!time_parse(&ms, text, &fault)) {
        char line[512];
        fault_print(line, sizeof line, "--timeout", &fault);
        fail(EXIT_USAGE, "%s", line);
    }
    if (ms == 0)
        fail(EXIT_USAGE, "--timeout: \"%s\" leaves no time", text);
    return ms;
}

static int open_output(const char *path)
{
    if (!strcmp(path, "-"))
        return STDOUT_FILENO;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        fail(EXIT_USAGE, "cannot write \"%s\": %s", path, strerror(errno));
    return fd;
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option names[] = {{"send", required_argument, NULL, 's'},
                                          {"half-close", no_argument, NULL, 'c'},
                                          {"read-bytes", required_argument, NULL, 'r'},
                                          {"output", required_argument, NULL, 'o'},
                                          {"timeout", required_argument, NULL, 't'},
                                          {"listen", no_argument, NULL, 'l'},
                                          {"verbose", no_argument, NULL, 'v'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options o = {.read_limit = UINT64_MAX, .timeout_ms = 10 * 1000, .family = AF_UNSPEC, .output = -1};
    static char name[] = "truefin peer"; /* begins the messages of getopt_long */
    const char *output = NULL;
    int c;

    argv[0] = name;
    while ((c = getopt_long(argc, argv, "s:cr:o:t:l46vjh", names, NULL)) != -1) {
        switch (c) {
        case 's':
            o.text_length = unescape(optarg);
            o.text = (const unsigned char *)optarg;
            break;
        case 'c':
            o.half_close = true;
            break;
        case 'r':
            o.read_limit = parse_count("--read-bytes", optarg);
            break;
        case 'o':
            output = optarg;
            break;
        case 't':
            o.timeout_ms = parse_timeout(optarg);
            break;
        case 'l':
            o.listen = true;
            break;
        case '4':
            o.family = AF_INET;
            break;
        case '6':
            o.family = AF_INET6;
            break;
        case 'v':
            o.verbose = true;
            break;
        case 'j':
            o.json = true;
            break;
        case 'h':
            printf("%s%s", usage, help);
            exit(fflush(stdout) ? EXIT_USAGE : EXIT_SUCCESS);
        default: /* getopt_long has said what is wrong */
            fputs("Try 'truefin peer --help'.\n", stderr);
            exit(EXIT_USAGE);
        }
    }
    if (argc - optind != 2)
        fail(EXIT_USAGE, "needs a HOST and a PORT");
    o.host = argv[optind];
    o.port = parse_port(argv[optind + 1], o.listen);
    if (output)
        o.output = open_output(output);
    return o;
}

/* The connection. */

/* "127.0.0.1:80", "[::1]:80" */
static void print_address(char *out, size_t size, const struct sockaddr *address, socklen_t length)
{
    char host[64];
    char port[8];
    if (getnameinfo(address, length, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV))
        snprintf(out, size, "?");
    else
        snprintf(out, size, address->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static struct addrinfo *look_up(const struct options *o)
{
    struct addrinfo hints = {.ai_family = o->family, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(o->host, o->port, &hints, &list);
    if (error)
        fail(EXIT_UNCONNECTED, "cannot look up \"%s\" port \"%s\": %s", o->host, o->port,
             error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    return list;
}

static int new_socket(const struct addrinfo *address)
{
    return socket(address->ai_family, address->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC,
                  address->ai_protocol);
}

static int pending_error(int fd)
{
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    return error;
}

/*
 * Connects to one address. Returns the descriptor, or -1 with errno set, ETIMEDOUT also at our deadline.
 * ECONNRESET is no failure to connect (that is ECONNREFUSED): the connection was made and is over already,
 * and what it brought can be read. It is noted in the report, because asking for the error has taken it from
 * the socket.
 */
static int connect_one(const struct addrinfo *address, int64_t deadline, struct report *r)
{
    int error = 0;
    int fd = new_socket(address);
    if (fd < 0)
        return -1;
    if (connect(fd, address->ai_addr, address->ai_addrlen)) {
        error = errno;
        if (error == EINPROGRESS)
            error = wait_for(fd, POLLOUT, deadline) ? pending_error(fd) : ETIMEDOUT;
    }
    if (error && error != ECONNRESET) {
        close(fd);
        errno = error;
        return -1;
    }
    r->taken = error;
    print_address(r->peer, sizeof r->peer, address->ai_addr, address->ai_addrlen);
    return fd;
}

static int connect_any(const struct options *o, int64_t deadline, struct report *r)
{
    struct addrinfo *list = look_up(o);
    int fd = -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = connect_one(a, deadline, r);
    int error = errno;
    freeaddrinfo(list);
    errno = error;
    return fd;
}

/* Binds to the first address that lets us. Returns the listener, or -1 with errno set. */
static int listen_any(const struct options *o)
{
    struct addrinfo *list = look_up(o);
    int fd = -1;
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        fd = new_socket(a);
        if (fd < 0) {
            error = errno;
            continue;
        }
        int on = 1;
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        if (bind(fd, a->ai_addr, a->ai_addrlen) || listen(fd, 1)) {
            error = errno;
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    errno = error;
    return fd;
}

static void announce(int listener)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    char host[64] = "?";
    char port[8] = "?";
    getsockname(listener, (struct sockaddr *)&address, &length);
    getnameinfo((const struct sockaddr *)&address, length, host, sizeof host, port, sizeof port,
                NI_NUMERICHOST | NI_NUMERICSERV);
    fprintf(stderr, "listening on %s port %s\n", host, port);
}

/* Accepts one connection. Returns the descriptor, or -1 with errno set, ETIMEDOUT at our deadline. */
static int accept_one(const struct options *o, int64_t deadline, struct report *r)
{
    int listener = listen_any(o);
    if (listener < 0)
        return -1;
    announce(listener);
    for (;;) {
        if (!wait_for(listener, POLLIN, deadline)) {
            close(listener);
            errno = ETIMEDOUT;
            return -1;
        }
        struct sockaddr_storage address = {0};
        socklen_t length = sizeof address;
        int fd = accept4(listener, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
        int error = errno;
        if (fd < 0 && (error == EAGAIN || error == EINTR || error == ECONNABORTED))
            continue;
        if (fd >= 0)
            print_address(r->peer, sizeof r->peer, (struct sockaddr *)&address, length);
        close(listener);
        errno = error;
        return fd;
    }
}

/* Watching. */

static void write_output(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = write(fd, data, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            fail(EXIT_USAGE, "cannot write what was received: %s", strerror(errno));
        data += n;
        length -= (size_t)n;
    }
}

/* Sends what it can. Returns whether there is more to send. An error is no ending: what the other side sent
 * before it is still to be read, and only then do we know how it ended. */
static bool send_some(int fd, const struct options *o, struct report *r)
{
    if (r->sent < o->text_length) {
        ssize_t n = send(fd, o->text + r->sent, o->text_length - r->sent, MSG_NOSIGNAL);
        if (n >= 0) {
            r->sent += (uint64_t)n;
        } else if (errno != EAGAIN && errno != EINTR) {
            r->send_error = errno;
            if (!r->taken)
                r->taken = errno;
            return false;
        }
    }
    if (r->sent < o->text_length)
        return true;
    if (o->half_close)
        shutdown(fd, SHUT_WR);
    return false;
}

/* The ending that ERROR tells of. EPIPE is what an RST after a FIN leaves: the FIN was the ending. */
static enum outcome told_by(int error, struct report *r)
{
    if (error == 0 || error == EPIPE)
        return SAW_FIN;
    r->error = error;
    return error == ECONNRESET ? SAW_RST : SAW_ERROR;
}

/* Told when reading has stopped, for the bytes in front of the ending are to stay unread: a FIN in the queue
 * shows as POLLRDHUP without an error, an RST as an error. */
static enum outcome stopped_reading(int fd, struct report *r)
{
    int error = pending_error(fd);
    return told_by(error ? error : r->taken, r);
}

/* Sends and reads until the ending or the deadline. */
static enum outcome watch(int fd, const struct options *o, int64_t deadline, struct report *r)
{
    static char buffer[64 * 1024];
    bool sending = o->text_length > 0 || o->half_close;

    for (;;) {
        uint64_t wanted = o->read_limit - r->received;
        short events =
            wait_for(fd, (short)(POLLRDHUP | (wanted ? POLLIN : 0) | (sending ? POLLOUT : 0)), deadline);
        if (!events)
            return SAW_NOTHING;
        if (sending && (events & (POLLOUT | POLLERR | POLLHUP)))
            sending = send_some(fd, o, r);
        if (!wanted) {
            if (events & (POLLRDHUP | POLLHUP | POLLERR))
                return stopped_reading(fd, r);
            continue;
        }
        ssize_t n = recv(fd, buffer, wanted < sizeof buffer ? wanted : sizeof buffer, 0);
        if (n > 0) {
            r->received += (uint64_t)n;
            if (o->output >= 0)
                write_output(o->output, buffer, (size_t)n);
        } else if (n == 0) {
            /* An end of file is also what is left after another call has taken the error. */
            return told_by(r->taken, r);
        } else if (errno != EAGAIN && errno != EINTR) {
            return told_by(errno, r);
        }
    }
}

/* Report. */

static const char *tcp_state(int fd)
{
    /* The order of enum tcp_state in include/net/tcp_states.h, the words of ss(8). */
    static const char *const names[] = {NULL,         "established", "syn-sent",  "syn-recv",
                                        "fin-wait-1", "fin-wait-2",  "time-wait", "close",
                                        "close-wait", "last-ack",    "listen",    "closing"};
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) ||
        info.tcpi_state >= sizeof names / sizeof *names)
        return NULL;
    return names[info.tcpi_state];
}

/* Not the peer's: the kernel has forgotten it after an RST. */
static void note_local_address(int fd, struct report *r)
{
    struct sockaddr_storage address = {0};
    socklen_t length = sizeof address;
    if (!getsockname(fd, (struct sockaddr *)&address, &length))
        print_address(r->local, sizeof r->local, (struct sockaddr *)&address, length);
}

/* A JSON string or null. What we print (names of errors, states, addresses) needs no escapes. */
static void print_string(FILE *to, const char *key, const char *value)
{
    if (value && *value)
        fprintf(to, ",\"%s\":\"%s\"", key, value);
    else
        fprintf(to, ",\"%s\":null", key);
}

static double milliseconds(const struct report *r)
{
    return (double)(r->ended - r->begun) / NS_PER_MS;
}

static void print_json(FILE *to, const struct report *r)
{
    fprintf(to, "{\"ending\":\"%s\",\"bytes\":%" PRIu64 ",\"unread\":%d,\"sent\":%" PRIu64,
            outcomes[r->outcome].word, r->received, r->unread, r->sent);
    print_string(to, "error", r->error ? error_name(r->error) : NULL);
    print_string(to, "send_error", r->send_error ? error_name(r->send_error) : NULL);
    fprintf(to, ",\"milliseconds\":%.3f", milliseconds(r));
    print_string(to, "tcp_state", r->tcp_state);
    print_string(to, "local", r->local);
    print_string(to, "peer", r->peer);
    fputs("}\n", to);
}

static void print_line(FILE *to, const struct report *r, bool verbose)
{
    fprintf(to, "%s after %" PRIu64 " byte%s", outcomes[r->outcome].word, r->received,
            r->received == 1 ? "" : "s");
    if (r->error)
        fprintf(to, " (%s)", error_name(r->error));
    if (verbose)
        fprintf(to, ", %.1f ms, tcp state %s", milliseconds(r), r->tcp_state ? r->tcp_state : "unknown");
    fputc('\n', to);
}

/* Connects or accepts, watches, and fills the report. */
static void run(const struct options *o, struct report *r)
{
    int64_t deadline = now_ns() + (int64_t)o->timeout_ms * NS_PER_MS;
    int fd = o->listen ? accept_one(o, deadline, r) : connect_any(o, deadline, r);
    int error = errno;

    r->begun = r->ended = now_ns();
    if (fd < 0) {
        r->outcome = r->begun >= deadline ? SAW_NOTHING : NEVER_CONNECTED;
        r->error = r->outcome == NEVER_CONNECTED ? error : 0;
        fprintf(stderr, "truefin peer: could not %s %s port %s: %s\n",
                o->listen ? "accept a connection on" : "connect to", o->host, o->port, strerror(error));
        return;
    }
    note_local_address(fd, r);
    r->outcome = watch(fd, o, deadline, r);
    r->ended = now_ns();
    r->tcp_state = tcp_state(fd);
    ioctl(fd, FIONREAD, &r->unread);
    close(fd);
}

int main(int argc, char **argv)
{
    struct options o = parse_options(argc, argv);
    struct report r = {0};
    FILE *to = o.output == STDOUT_FILENO ? stderr : stdout;

    guard_blocking_calls(o.timeout_ms);
    run(&o, &r);
    if (o.json)
        print_json(to, &r);
    else if (r.outcome != NEVER_CONNECTED)
        print_line(to, &r, o.verbose);
    if (fflush(to) || ferror(to))
        fail(EXIT_USAGE, "cannot write the report: %s", strerror(errno));
    return (int)outcomes[r.outcome].exit_code;
}
