#include "sidecar.h"

#include "config.h"
#include "follow.h"
#include "notices.h"
#include "proc.h"
#include "rename.h"
#include "report/setup.h"
#include "tracee.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHANNEL = 3, YAMA_ADMIN = 2, YAMA_NONE = 3 };

/*
 * A reason that CAP_SYS_PTRACE may mend, with what to do where no program can have it. Docker and its kin
 * take it from the bounding set, and forbid ptrace(2) (before Linux 4.8) and pidfd_getfd(2) by a seccomp
 * filter then.
 */
#define CONTAINED(why)                                                                                       \
    (prctl(PR_CAPBSET_READ, CAP_SYS_PTRACE, 0, 0, 0) == 0 ? why "; a container needs --cap-add SYS_PTRACE"   \
                                                          : (why))

/* What the side-car tells the program's process, once. */
struct report {
    pid_t pid;
    int error;       /* errno of ptrace(2), or of clone(2) */
    const char *why; /* another reason, or NULL; a static text, which is at the same address in both */
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
    if (channel != CHANNEL)
        dup2(channel, CHANNEL);
    closefrom(CHANNEL + 1);
    setup_read();
    config_degrade(STATE_ON);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (nothing < 0 || dup2(nothing, fd) < 0)
            close(fd);
    if (nothing > STDERR_FILENO)
        close(nothing);
    if (chdir("/") != 0)
        return;
}

/* NULL if it can be called. Asked by the side-car, because a filter may kill who asks. */
static const char *lacks_getfd(void)
{
    if (syscall(SYS_pidfd_getfd, -1, 0, 0) >= 0 || errno == EBADF)
        return NULL;
    return errno == ENOSYS ? CONTAINED("pidfd_getfd(2) is missing, which Linux has from 5.6 on")
                           : CONTAINED("pidfd_getfd(2) is not permitted here");
}

static void serve(pid_t program, int channel, char **argv)
{
    struct report report = {.pid = getpid(), .why = lacks_getfd()};
    rename_begin(argv);
    rename_self("truefin-watch");
    leave(channel);
    if (!report.why && !tracee_seize(program))
        report.error = errno;
    if (write(CHANNEL, &report, sizeof report) == sizeof report && !report.error && !report.why) {
        notices_await(CHANNEL, program);
        follow_all();
    }
    _exit(EXIT_SUCCESS);
}

/* Orphans come to the nearest subreaper above them. Were that this process, the side-car would become its child. */
static int set_subreaper(int on)
{
    int before = 0;
    prctl(PR_GET_CHILD_SUBREAPER, &before, 0, 0, 0);
    if (before != on)
        prctl(PR_SET_CHILD_SUBREAPER, on, 0, 0, 0);
    return before;
}

/* Close-on-exec. */
static int to_sidecar = -1;

/* Returns when the side-car has told, or is not there. */
static struct report start(const int channel[2], char **argv)
{
    struct report report = {.error = 0};
    const pid_t self = getpid();
    const int reaper = set_subreaper(0);
    pid_t middle = split();
    if (middle == 0) {
        pid_t inner = split();
        report.error = errno;
        if (inner == 0)
            serve(self, channel[1], argv);
        if (inner < 0 && write(channel[1], &report, sizeof report) < 0)
            _exit(EXIT_FAILURE);
        _exit(EXIT_SUCCESS);
    }
    if (middle < 0)
        report.error = errno;
    close(channel[1]);
    if (middle > 0) {
        waitpid(middle, NULL, __WALL);
        if (read(channel[0], &report, sizeof report) != sizeof report)
            report.why =
                CONTAINED("the side-car was killed at once, as by a seccomp filter against ptrace(2)");
    }
    to_sidecar = channel[0];
    set_subreaper(reaper);
    return report;
}

static const char *reason(int error, pid_t *tracer)
{
    if (error == EAGAIN || error == ENOMEM)
        return "no process can be started for it";
    *tracer = proc_pid(getpid(), "TracerPid");
    if (*tracer)
        return "it is traced already";
    long yama = proc_number("/proc/sys/kernel/yama/ptrace_scope");
    if (yama >= YAMA_NONE)
        return "kernel.yama.ptrace_scope=3 forbids it";
    if (yama == YAMA_ADMIN)
        return CONTAINED("kernel.yama.ptrace_scope=2 needs CAP_SYS_PTRACE");
    return error == ENOSYS ? CONTAINED("there is no ptrace(2) here")
                           : CONTAINED("ptrace(2) is not permitted here");
}

pid_t sidecar_start(char **argv, const char **why, pid_t *tracer)
{
    int channel[2];
    *tracer = 0;
    if (!proc_is_ours()) {
        *why = "/proc is not mounted, or is that of another pid namespace";
        return 0;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, channel) != 0) {
        *why = "there is no socket";
        return 0;
    }
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY, 0, 0, 0); /* for yama 1; unknown without yama */
    const struct report report = start(channel, argv);
    prctl(PR_SET_PTRACER, 0, 0, 0, 0);
    if (!report.error && !report.why)
        return report.pid;
    *why = report.why ? report.why : reason(report.error, tracer);
    return 0;
}

bool sidecar_sees_closes(int listener)
{
    bool begun = false;
    return write(to_sidecar, &listener, sizeof listener) == sizeof listener &&
           read(to_sidecar, &begun, sizeof begun) == sizeof begun && begun;
}

void sidecar_sees_deaths(void)
{
    close(to_sidecar);
}
