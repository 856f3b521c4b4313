#include "hooks/option.h"

#include "config.h"
#include "connection/counters.h"
#include "connection/socket.h"
#include "connection/table.h"
#include "hooks/dispositions.h"
#include "judge/birth.h"
#include "judge/deferred.h"
#include "judge/source.h"
#include "judge/verdict.h"
#include "kept/keep.h"
#include "libc.h"
#include "process/ownership.h"
#include "process/process.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <string.h>

/* The record of a socket whose SO_LINGER or FIN is the program's business here; NULL: pass through. */
static struct connection *ours(int fd)
{
    struct connection *record = table_find(fd);
    return record && process_enter() ? record : NULL;
}

/* A socket whose connect(2) failed may become a listener: then it is no connection any more. */
static void becomes_listener(int fd, struct connection *record)
{
    if (record->kind == KIND_CONNECTION && ownership_is_ours(record))
        ownership_gives_up(fd, record);
    record->kind = KIND_LISTENER;
    record->plain = config.flushes && socket_transport(fd) == TRANSPORT_TCP;
}

bool option_before_listen(int fd)
{
    struct connection *record = ours(fd);
    bool armed = record && (atomic_load(&record->flags) & FLAG_ARMED);
    if (armed)
        socket_disarm(fd, record);
    return armed;
}

int option_after_listen(int fd, bool armed, int result)
{
    struct connection *record = ours(fd);
    if (record && result == 0)
        becomes_listener(fd, record);
    else if (record && armed)
        socket_arm(fd, record);
    return result;
}

HOOK int listen(int fd, int backlog)
{
    bool armed = option_before_listen(fd);
    return option_after_listen(fd, armed, real(listen)(fd, backlog));
}

/* The connection whose sending side shutdown(FD, HOW) is about to end, or has ended; NULL: none of ours. */
static struct connection *sends_fin(int fd, int how)
{
    struct connection *connection = how == SHUT_RD ? NULL : ours(fd);
    return connection && connection->kind == KIND_CONNECTION && ownership_is_ours(connection) ? connection
                                                                                              : NULL;
}

bool option_before_shutdown(int fd, int how)
{
    struct connection *connection = sends_fin(fd, how);
    bool armed = connection && (atomic_load(&connection->flags) & FLAG_ARMED);
    if (armed)
        socket_disarm(fd, connection);
    return armed;
}

bool option_shutdown_aborts(int fd, int how)
{
    struct connection *connection = config.relays ? sends_fin(fd, how) : NULL;
    return connection && verdict_shutdown(fd, connection);
}

int option_after_shutdown(int fd, int how, bool armed, int result)
{
    struct connection *connection = sends_fin(fd, how);
    if (connection && result == 0)
        atomic_fetch_or(&connection->flags, FLAG_SHUT);
    else if (connection && armed)
        socket_arm(fd, connection);
    return result;
}

HOOK int shutdown(int fd, int how)
{
    if (option_shutdown_aborts(fd, how))
        return 0;
    bool armed = option_before_shutdown(fd, how);
    return option_after_shutdown(fd, how, armed, real(shutdown)(fd, how));
}

/*
 * What the kernel makes of a time differs between its versions outside of this range (sk_setsockopt in
 * net/core/sock.c): asked.
 */
static struct linger taken(int fd, struct linger linger)
{
    enum { PLAIN = 1 << 20 }; /* seconds: times a kernel's HZ it still is an int */
    return linger.l_onoff && (linger.l_linger < 0 || linger.l_linger > PLAIN) ? socket_linger(fd) : linger;
}

/* As sk_setsockopt does: switching it off leaves the time as it was. */
static void remember(int fd, struct connection *record, const void *value)
{
    struct linger linger;
    memcpy(&linger, value, sizeof linger);
    linger = taken(fd, linger);
    if (linger.l_onoff) {
        record->linger_seconds = linger.l_linger;
        atomic_fetch_or(&record->flags, FLAG_LINGER_ON);
    } else {
        atomic_fetch_and(&record->flags, (uint16_t)~FLAG_LINGER_ON);
    }
    /* What waits in the backlog has the value that was set at its handshake (inet_csk_clone_lock, net/ipv4). */
    if (record->kind == KIND_LISTENER)
        atomic_fetch_or(&record->flags, FLAG_LINGER_LATE);
}

static bool is_linger(int level, int option)
{
    return level == SOL_SOCKET && option == SO_LINGER;
}

int option_after_set(int fd, int level, int option, const void *value, int result)
{
    if (result != 0 || !is_linger(level, option))
        return result;
    struct connection *record = ours(fd);
    if (record) {
        remember(fd, record, value);
        if (atomic_load(&record->flags) & FLAG_ARMED)
            socket_arm(fd, record);
    }
    return result;
}

HOOK int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    return option_after_set(fd, level, option, value, real(setsockopt)(fd, level, option, value, size));
}

/* Arming, and the marks of socket_release(), leave their time behind where the option is off. */
static struct linger as_set(const struct connection *record, const struct linger *kernel)
{
    uint16_t flags = atomic_load(&record->flags);
    int on = flags & FLAG_ARMED ? (flags & FLAG_LINGER_ON) != 0 : kernel->l_onoff;
    bool kept = on && !(flags & FLAG_ARMED);
    return (struct linger){.l_onoff = on, .l_linger = kept ? kernel->l_linger : record->linger_seconds};
}

/* Neither has to be aligned. */
static void tell_error(int fd, const void *value, const socklen_t *size)
{
    int error = 0;
    socklen_t given;
    memcpy(&given, size, sizeof given);
    memcpy(&error, value, given < sizeof error ? given : sizeof error);
    if (error)
        source_told(fd, error);
}

int option_after_get(int fd, int level, int option, void *value, socklen_t *size, int result)
{
    if (result == 0 && level == SOL_SOCKET && option == SO_ERROR)
        tell_error(fd, value, size);
    if (result != 0 || config.observes || !is_linger(level, option))
        return result;
    const struct connection *record = ours(fd);
    if (record) {
        /* Neither has to be aligned, and they may overlap: the kernel writes the size last (sk_getsockopt). */
        struct linger linger = {0};
        socklen_t given;
        memcpy(&given, size, sizeof given);
        memcpy(&linger, value, given);
        linger = as_set(record, &linger);
        memcpy(value, &linger, given);
        memcpy(size, &given, sizeof given);
    }
    return result;
}

HOOK int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    return option_after_get(fd, level, option, value, size, real(getsockopt)(fd, level, option, value, size));
}

void option_sandbox(void)
{
    if (!process_enter())
        return;
    deferred_end();
    keep_halt();
    ownership_disarm_all();
    ownership_cut();
    dispositions_restore();
    config_degrade(STATE_QUIET);
    counters_say(PAGE_SANDBOXED);
}

void option_prctl(int operation, unsigned long mode, unsigned long filter)
{
    /* Without a filter it is the question whether there are filters: EFAULT says yes (prctl(2)). */
    if (operation == PR_SET_SECCOMP && (mode == SECCOMP_MODE_STRICT || filter))
        option_sandbox();
}

HOOK int prctl(int operation, ...)
{
    unsigned long argument[4];
    va_list more;
    va_start(more, operation);
    for (int i = 0; i < 4; i++)
        argument[i] = va_arg(more, unsigned long);
    va_end(more);
    option_prctl(operation, argument[0], argument[1]);
    return real(prctl)(operation, argument[0], argument[1], argument[2], argument[3]);
}
