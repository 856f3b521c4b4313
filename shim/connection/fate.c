#include "connection/fate.h"

#include "connection/socket.h"

#include <netinet/tcp.h>

/* Bit N for the state N (netinet/tcp.h). */
#define STATE(name) (1U << TCP_##name)

static bool is_one_of(const struct tcp_info *info, unsigned states)
{
    return states >> info->tcpi_state & 1;
}

/* In TCP_CLOSE: how did it get there? A connection that was established has measured a round trip. */
static enum cause why_over(const struct tcp_info *info, struct known known)
{
    if (known.shut)
        return CAUSE_FIN_SENT;
    if (info->tcpi_rtt == 0)
        return CAUSE_NOT_CONNECTED;
    if (info->tcpi_retransmits > 0 || info->tcpi_probes > 0)
        return CAUSE_TIMED_OUT;
    return known.shut_no ? CAUSE_PEER_RESET : CAUSE_OVER;
}

static enum cause why(const struct tcp_info *info, struct known known, const struct fate *fate)
{
    const unsigned resets =
        STATE(ESTABLISHED) | STATE(CLOSE_WAIT) | STATE(FIN_WAIT1) | STATE(FIN_WAIT2) | STATE(SYN_RECV);
    if (is_one_of(info, STATE(CLOSE)))
        return why_over(info, known);
    if (is_one_of(info, STATE(SYN_SENT)))
        return CAUSE_NOT_CONNECTED;
    if (fate->unread > 0)
        return CAUSE_UNREAD;
    if (known.aborts && is_one_of(info, resets))
        return CAUSE_LINGER;
    return fate->fin_sent ? CAUSE_FIN_SENT : CAUSE_PLAIN;
}

struct fate fate_of(int fd, struct known known)
{
    const unsigned sent =
        STATE(FIN_WAIT1) | STATE(FIN_WAIT2) | STATE(CLOSING) | STATE(LAST_ACK) | STATE(TIME_WAIT);
    struct tcp_info info;
    socket_info(fd, &info);
    struct fate fate = {.unread = (unsigned)socket_unread(fd),
                        .fin_sent = known.shut || is_one_of(&info, sent)};
    fate.why = why(&info, known, &fate);
    return fate;
}
