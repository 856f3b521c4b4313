#include "options.h"

#include "fail.h"
#include "policy.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char usage[] = "Usage: truefin peer [OPTION]... HOST PORT\n";

static const char help[] =
    "Hold one TCP connection and tell on one line how the other side ended it:\n"
    "\n"
    "    fin after 7 bytes                   it closed: that was everything\n"
    "    rst after 7 bytes (ECONNRESET)      it aborted, or crashed under truefin\n"
    "    error after 7 bytes (ETIMEDOUT)     the connection ended with any other error\n"
    "    time-out after 7 bytes              the time was over before it ended\n"
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

/* Replaces the escapes in TEXT by what they stand for, in place. Returns the length in bytes, for \x00 is allowed. */
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

/* Is it a number from LOW to HIGH, in digits alone? getaddrinfo(3) would take blanks, signs, and 65537 as 1. */
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

/* One option that getopt_long has found, with its value in optarg. */
static void take_option(struct options *o, int option)
{
    switch (option) {
    case 's':
        o->text_length = unescape(optarg);
        o->text = (const unsigned char *)optarg;
        break;
    case 'c':
        o->half_close = true;
        break;
    case 'r':
        o->read_limit = parse_count("--read-bytes", optarg);
        break;
    case 'o':
        o->output_path = optarg;
        break;
    case 't':
        o->timeout_ms = parse_timeout(optarg);
        break;
    case 'l':
        o->listen = true;
        break;
    case '4':
        o->family = AF_INET;
        break;
    case '6':
        o->family = AF_INET6;
        break;
    case 'v':
        o->verbose = true;
        break;
    case 'j':
        o->json = true;
        break;
    case 'h':
        printf("%s%s", usage, help);
        exit(fflush(stdout) ? EXIT_USAGE : EXIT_SUCCESS);
    default: /* getopt_long has said what is wrong */
        fputs("Try 'truefin peer --help'.\n", stderr);
        exit(EXIT_USAGE);
    }
}

struct options parse_options(int argc, char **argv)
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
    int option;

    argv[0] = name;
    while ((option = getopt_long(argc, argv, "s:cr:o:t:l46vjh", names, NULL)) != -1)
        take_option(&o, option);
    if (argc - optind != 2)
        fail(EXIT_USAGE, "needs a HOST and a PORT");
    o.host = argv[optind];
    o.port = parse_port(argv[optind + 1], o.listen);
    if (o.output_path)
        o.output = open_output(o.output_path);
    return o;
}
