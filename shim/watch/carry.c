#include "carry.h"

#include "config.h"
#include "connection/counters.h"
#include "connection/endpoint.h"
#include "connection/fate.h"
#include "connection/socket.h"
#include "copies.h"
#include "keeper.h"
#include "kept/kept.h"
#include "listeners.h"
#include "marker.h"
#include "proc.h"
#include "report/record.h"
#include "told.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <unistd.h>

static struct facts facts_of(int fd, pid_t thread, struct endpoint peer)
{
    struct facts facts = {.role = ROLE_CONNECTED, .port = peer.port, .peer = peer.address};
    uint16_t local = endpoint_local(fd).port;
    if (listeners_have(thread, local)) {
        facts.role = ROLE_ACCEPTED;
        facts.port = local;
    }
    return facts;
}

/* Is any rule for some connections alone? */
static bool asks_anything(void)
{
    for (int i = 0; i < config.policy->rule_count; i++)
        if (config.policy->rules[i].term_count > 0)
            return true;
    return false;
}

/* By the state of the TCP socket, the first byte of tcp_info: with one call. False also where that does not tell. */
static bool is_plainly_connected(int fd)
{
    uint8_t state = TCP_CLOSE;
    socklen_t size = sizeof state;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, &size) == 0 && state != TCP_CLOSE &&
           state != TCP_LISTEN && state != TCP_SYN_SENT;
}

const struct endings *carry_endings(int fd, pid_t thread)
{
    if (!asks_anything() && is_plainly_connected(fd))
        return policy_decide(config.policy, &(struct facts){.role = ROLE_ACCEPTED});
    struct endpoint peer = endpoint_peer(fd);
    if (!peer.known || !socket_is_tcp(fd))
        return NULL;
    const struct facts facts = facts_of(fd, thread, peer);
    return policy_decide(config.policy, &facts);
}

/*
 * The last close of the process must neither abort nor wait, for what is not delivered yet. What cannot be
 * kept ends as without us: an abort would destroy it.
 */
static bool flush(int fd, struct connection *as_found)
{
    if (config.flush.most == 0 || kept_unflushed(fd, false) == 0) {
        socket_end(fd, as_found, ENDING_RST);
        return false;
    }
    socket_end(fd, as_found, ENDING_FIN);
    if (keeper_flush(fd))
        return true;
    kept_arm_delivered(fd);
    record_note("too many connections to deliver: one was not kept");
    return false;
}

bool carry_out(int fd, enum ending ending, bool lingers)
{
    struct connection as_found = {0};
    if (socket_learn_linger(fd, &as_found))
        as_found.flags = FLAG_LINGER_ON; /* for "1,0" the program's own */
    if (ending == ENDING_FLUSH_RST)
        return flush(fd, &as_found);
    return socket_end(fd, &as_found, ending) && lingers && config.linger.milliseconds &&
           config.linger.bytes && keeper_discard(fd);
}

/*
 * With "stderr" a record goes to what the process has there, of which this process keeps no copy. While it
 * stands at 2 it is one of the copies, too, so it is not closed for the last time here.
 */
void carry_record(pid_t pid, int pidfd, void (*report)(const void *data), const void *data)
{
    char name[PROC_NAME];
    proc_name(name, pid);
    int theirs = copies_take(pidfd, STDERR_FILENO);
    record_about(pid, name, "watch");
    int nothing = dup(STDERR_FILENO);
    if (theirs >= 0 && nothing >= 0)
        dup2(theirs, STDERR_FILENO);
    report(data);
    if (nothing >= 0) {
        dup2(nothing, STDERR_FILENO);
        close(nothing);
    }
    record_about(0, NULL, NULL);
}

/* For REPORT of carry_record(). */
struct ended {
    int fd;
    enum event event;
    enum ending ending;
    struct fate fate;
    bool known; /* the fate */
};

static void say(const void *data)
{
    const struct ended *ended = data;
    record_ending(ended->fd, ended->event, ended->ending, ended->known ? &ended->fate : NULL);
}

void carry_record_ending(pid_t pid, int pidfd, int fd, enum event event, enum ending ending)
{
    struct ended ended = {.fd = fd, .event = event, .ending = ending};
    told_ending(fd, event, ending);
    ended.known = config.log_all && (record_wanted() || config.stats);
    if (ended.known) {
        const struct linger linger = socket_linger(fd);
        ended.fate = fate_of(fd, (struct known){.aborts = linger.l_onoff && linger.l_linger == 0});
        COUNT(causes[ended.fate.why]);
    }
    if ((ending != ENDING_KEEP || config.log_all) && record_wanted())
        carry_record(pid, pidfd, say, &ended);
}

enum ending carry_ending(int fd, const struct endings *endings, enum event event)
{
    const enum ending ending = (enum ending)endings->of[event];
    return marker_is_off() || (ending_aborts(ending) && socket_fin_sent(fd)) ? ENDING_KEEP : ending;
}
