#include "sidecar.h"

#include "follow.h"
#include "proc.h"
#include "startup.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANNEL = 3, YAMA_ADMIN = 2, YAMA_NONE = 3 };

/* What the side-car tells the program's process, once. */
struct report {
    pid_t pid;
    int error; /* errno of ptrace(2) */
};

/* A child whose end sends no signal: the program must not find one pending. */
static pid_t split(void)
{
    return (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
}

/* Descriptors, terminal, session, directory and signals of the program's: none is kept. */
static void leave(int channel)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    signal(SIGCHLD, SIG_DFL);
    setsid();
    prctl(PR_SET_NAME, "truefin-watch");
    if (channel != CHANNEL)
        dup2(channel, CHANNEL);
    syscall(SYS_close_range, CHANNEL + 1, ~0U, 0);
    config_read();
    config_degrade(STATE_ON);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        dup2(nothing, fd);
    close(nothing);
    if (chdir("/") != 0)
        return;
}

static void serve(pid_t program, int channel)
{
    struct report report = {.pid = getpid()};
    leave(channel);
    if (!follow_seize(program))
        report.error = errno;
    bool told = write(CHANNEL, &report, sizeof report) == sizeof report;
    close(CHANNEL);
    if (told && !report.error)
        follow_all();
    _exit(EXIT_SUCCESS);
}

static const char *reason(int error, pid_t *tracer)
{
    *tracer = proc_pid(getpid(), "TracerPid");
    if (*tracer)
        return "it is traced already";
    long yama = proc_number("/proc/sys/kernel/yama/ptrace_scope");
    if (yama >= YAMA_NONE)
        return "kernel.yama.ptrace_scope=3 forbids it";
    if (yama == YAMA_ADMIN)
        return "kernel.yama.ptrace_scope=2 wants CAP_SYS_PTRACE";
    return error == ENOSYS ? "there is no ptrace(2) here" : "ptrace(2) is not permitted here";
}

pid_t sidecar_start(const char **why, pid_t *tracer)
{
    int channel[2];
    struct report report = {.error = EPERM};
    *tracer = 0;
    if (syscall(SYS_pidfd_getfd, -1, 0, 0) < 0 && errno != EBADF) {
        *why = errno == ENOSYS ? "pidfd_getfd(2) is missing, which Linux has from 5.6 on"
                               : "pidfd_getfd(2) is not permitted here";
        return 0;
    }
    if (pipe2(channel, O_CLOEXEC) != 0) {
        *why = "there is no pipe";
        return 0;
    }
    pid_t self = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* for yama 1; unknown without yama */
    pid_t middle = split();
    if (middle == 0) {
        if (split() == 0)
            serve(self, channel[1]);
        _exit(EXIT_SUCCESS);
    }
    close(channel[1]);
    waitpid(middle, NULL, __WALL);
    bool got = read(channel[0], &report, sizeof report) == sizeof report;
    close(channel[0]);
    prctl(PR_SET_PTRACER, 0, 0, 0, 0);
    if (got && !report.error)
        return report.pid;
    *why = reason(report.error, tracer);
    return 0;
}
