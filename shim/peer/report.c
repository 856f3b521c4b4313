#include "report.h"

#include "deadline.h"

#include <inttypes.h>
#include <string.h>

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

enum exit_code exit_code_of(enum outcome outcome)
{
    return outcomes[outcome].exit_code;
}

static const char *error_name(int error)
{
    const char *name = strerrorname_np(error);
    return name ? name : "unknown error";
}

static double milliseconds(const struct report *r)
{
    return (double)(r->ended - r->begun) / NS_PER_MS;
}

/* A JSON string or null. What we print (names of errors, states, addresses) needs no escapes. */
static void print_string(FILE *to, const char *key, const char *value)
{
    if (value && *value)
        fprintf(to, ",\"%s\":\"%s\"", key, value);
    else
        fprintf(to, ",\"%s\":null", key);
}

void print_json(FILE *to, const struct report *r)
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

void print_line(FILE *to, const struct report *r, bool verbose)
{
    fprintf(to, "%s after %" PRIu64 " byte%s", outcomes[r->outcome].word, r->received,
            r->received == 1 ? "" : "s");
    if (r->error)
        fprintf(to, " (%s)", error_name(r->error));
    if (verbose)
        fprintf(to, ", %.1f ms, tcp state %s", milliseconds(r), r->tcp_state ? r->tcp_state : "unknown");
    fputc('\n', to);
}
