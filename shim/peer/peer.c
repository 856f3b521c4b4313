/*
 * The observer: holds one TCP connection and tells on one line how the other side ended it.
 *
 *     connect or accept --> send and read --> FIN, RST, another error, or the deadline --> report
 *
 * One socket, non-blocking, one poll loop, one deadline for everything.
 */
#include "connect.h"
#include "deadline.h"
#include "fail.h"
#include "observe.h"
#include "options.h"
#include "report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

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
    r->outcome = observe(fd, o, deadline, r);
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
    return (int)exit_code_of(r.outcome);
}
