#include "judge/protect.h"

#include "config.h"
#include "connection/counters.h"
#include "connection/socket.h"
#include "marker.h"
#include "process/ownership.h"
#include "process/process.h"
#include "report/probes.h"
#include "report/stats.h"

void protect_born(int fd, struct connection *connection, const struct facts *facts)
{
    stats_begin();
    COUNT(born[facts->role]);
    PROBE3(birth, fd, (int)facts->role, facts->port);
    connection->endings = policy_decide(config.policy, facts);
    connection->kind = KIND_CONNECTION;
    ownership_born(connection);
    protect(fd, connection);
}

/* What is born once exit(3) has begun is ended by a close, not by the exit. */
void protect(int fd, struct connection *connection)
{
    if (marker_must_disarm())
        ownership_disarm_all();
    if (process_is_exiting())
        atomic_fetch_or(&connection->flags, FLAG_LATE);
    else if (ending_aborts((enum ending)connection->endings->of[EVENT_CRASH]) &&
             atomic_load(&config.state) == STATE_ON && !config.watched && !config.observes)
        socket_arm(fd, connection);
}
