#include "told.h"

#include "config.h"
#include "connection/counters.h"
#include "connection/fate.h"
#include "connection/socket.h"
#include "judge/event.h"
#include "report/probes.h"
#include "report/record.h"
#include "report/stats.h"

#include <stdlib.h>

/* The copies stay open until that is done. */
struct telling {
    int fd;
    enum event event;
    enum ending ending;
    struct fate fate;
};

struct told {
    size_t count;
    struct telling of[];
};

struct told *told_new(pid_t pid, size_t most)
{
    struct process *process = (struct process *)task_find(pid);
    const bool tells = config.log_all && process && !process->first.told;
    struct told *told = tells ? malloc(sizeof *told + most * sizeof *told->of) : NULL;
    if (told) {
        told->count = 0;
        process->first.told = true;
    }
    return told;
}

void told_note(struct told *told, int fd, enum event event, enum ending ending)
{
    const struct linger linger = socket_linger(fd);
    const struct known known = {.aborts = linger.l_onoff && linger.l_linger == 0};
    const struct fate fate = fate_of(fd, known);
    told->of[told->count++] = (struct telling){.fd = fd, .event = event, .ending = ending, .fate = fate};
    stats_begin();
    COUNT(causes[fate.why]);
}

bool told_any(const struct told *told)
{
    return told && told->count > 0;
}

void told_say(const void *data)
{
    const struct told *told = data;
    for (size_t i = 0; i < told->count; i++) {
        const struct telling *one = &told->of[i];
        record_ending(one->fd, one->event, one->ending, &one->fate);
    }
}

void told_ending(int fd, enum event event, enum ending ending)
{
    PROBE3(ending, fd, (int)event, (int)ending);
    stats_begin();
    if (config.observes)
        COUNT(would[event][ending]);
    else
        COUNT(ended[event][ending]);
}

void told_count(enum event event, const unsigned count[2][ENDINGS + 1])
{
    PROBE1(death, (int)event);
    for (int session = 0; session < 2; session++)
        for (int ending = 0; ending < ENDINGS; ending++) {
            const enum event its_event = event_of_session(event, session);
            if (count[session][ending])
                stats_begin();
            if (config.observes)
                COUNT_BY(would[its_event][ending], count[session][ending]);
            else
                COUNT_BY(ended[its_event][ending], count[session][ending]);
        }
}
