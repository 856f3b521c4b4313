#include "config.h"

#include "connection/socket.h"
#include "hooks/death.h"
#include "hooks/dispositions.h"
#include "hooks/signals.h"
#include "judge/absence.h"
#include "judge/birth.h"
#include "judge/deferred.h"
#include "keep_errno.h"
#include "kept/keep.h"
#include "process/holder.h"
#include "process/ownership.h"
#include "process/process.h"
#include "report/record.h"
#include "report/setup.h"
#include "report/stats.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

enum { MOST_PASSED = 1024 };

/* sd_listen_fds(3): descriptors from 3 on, if LISTEN_PID is us. Listeners among them are left alone. */
static int listen_fds(void)
{
    const char *pid = config_variable("LISTEN_PID");
    const char *count = config_variable("LISTEN_FDS");
    if (!pid || !count || strtol(pid, NULL, 10) != getpid())
        return 0;
    long passed = strtol(count, NULL, 10);
    return passed > 0 && passed <= MOST_PASSED ? (int)passed : 0;
}

/* inetd gives its services the connection at 0, 1 and 2, systemd with Accept=yes at 3. */
static void adopt_inherited(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        birth_adopt(fd, true);
    for (int i = listen_fds(); i > 0; i--)
        birth_adopt(STDERR_FILENO + i, true);
}

/* Without signs of life each close would wait for its time to run out. */
static void start_options(void)
{
    const bool refuses = !config.observes && policy_has_option(config.policy, OPTION_REFUSE_WRITE);
    if ((refuses || config.defers || config.relays) && !dlsym(RTLD_DEFAULT, "truefin_io")) {
        if (refuses)
            record_note("refuse-write-after-fin has no effect: libtruefin-io.so is not loaded");
        if (config.defers)
            record_note("defer-close has no effect: libtruefin-io.so is not loaded");
        if (config.relays)
            record_note("source-failed has no effect: libtruefin-io.so is not loaded");
        config.defers = false;
        config.relays = false;
    }
    if (config.defers)
        deferred_start();
}

/* Inert, we end nothing: what a process above us armed must not reach the program so. */
__attribute__((constructor)) static void start(void)
{
    KEEP_ERRNO;
    if (setup_read()) {
        const char *watcher = config_variable("TRUEFIN_WATCH");
        config.watched = watcher && holder_traced_by(watcher);
        config_degrade(STATE_ON);
        stats_open(NULL, false);
        process_at_birth(stats_new_process);
        process_at_birth(keep_new_process);
        process_at_birth(ownership_new_process);
        process_at_birth(dispositions_new_process);
        signals_watch();
        death_watch();
        adopt_inherited();
        absence_begin();
        start_options();
    } else {
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
            socket_release(fd, false);
    }
}
