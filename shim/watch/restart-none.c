/*
 * Elsewhere than on x86-64 the kernel has prepared the restart before the stop (arch/arm64/kernel/signal.c, do_signal()): nothing
 * that is written to the registers keeps it from EINTR.
 */
#include "restart.h"

void restart_notified(pid_t tid)
{
    (void)tid;
}
