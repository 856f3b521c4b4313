#include "option.h"

#include "act.h"
#include "birth.h"
#include "libc.h"
#include "linger.h"
#include "signals.h"
#include "startup.h"
#include "table.h"
#include "tree.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdarg.h>
#include <string.h>

/* The record of a socket whose SO_LINGER or FIN is the program's business here; NULL: pass through. */
static struct connection *ours(int fd)
{
    struct connection *record = table_find(fd);
    return record && tree_enter() ? record : NULL;
}

/* A listener is never armed: what it accepts would inherit that, whoever accepts it. */
HOOK int listen(int fd, int backlog)
{
    struct connection *record = ours(fd);
    if (record) {
        act_disarm(fd, record);
        record->kind = KIND_LISTENER;
    }
    return real(listen)(fd, backlog);
}

/* The FIN is out: it says that all was well, and no crash may take that back. */
HOOK int shutdown(int fd, int how)
{
    int result = real(shutdown)(fd, how);
    if (result != 0 || how == SHUT_RD)
        return result;
    struct connection *connection = ours(fd);
    if (connection && connection->kind == KIND_CONNECTION && tree_is_ours(connection)) {
        atomic_fetch_or(&connection->flags, FLAG_SHUT);
        act_disarm(fd, connection);
    }
    return result;
}

/* As sk_setsockopt does (net/core/sock.c): switching it off leaves the time as it was. */
static void remember(struct connection *record, struct linger linger)
{
    if (linger.l_onoff) {
        record->linger_seconds = linger.l_linger;
        atomic_fetch_or(&record->flags, FLAG_LINGER_ON);
    } else {
        atomic_fetch_and(&record->flags, (uint16_t)~FLAG_LINGER_ON);
    }
}

/* The kernel judges the arguments first; what it took is remembered, and what was armed is armed again. */
HOOK int setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
    int result = real(setsockopt)(fd, level, option, value, size);
    if (result != 0 || level != SOL_SOCKET || option != SO_LINGER)
        return result;
    struct connection *record = ours(fd);
    if (record) {
        struct linger linger;
        memcpy(&linger, value, sizeof linger);
        remember(record, linger);
        if (atomic_load(&record->flags) & FLAG_ARMED)
            act_arm(fd, record);
    }
    return result;
}

/* The program reads what it set, not what we did. The kernel has judged the arguments and cut the length. */
HOOK int getsockopt(int fd, int level, int option, void *value, socklen_t *size)
{
    int result = real(getsockopt)(fd, level, option, value, size);
    if (result != 0 || level != SOL_SOCKET || option != SO_LINGER)
        return result;
    const struct connection *record = ours(fd);
    if (record && (atomic_load(&record->flags) & FLAG_ARMED)) {
        const struct linger linger = {
            .l_onoff = (atomic_load(&record->flags) & FLAG_LINGER_ON) != 0,
            .l_linger = record->linger_seconds,
        };
        memcpy(value, &linger, *size < sizeof linger ? *size : sizeof linger);
    }
    return result;
}

void option_sandbox(void)
{
    if (!tree_enter())
        return;
    linger_halt();
    tree_disarm_all();
    tree_cut();
    signals_restore();
    config_degrade(STATE_QUIET);
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
