#include "guardian.h"

#include "rename.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LISTENER = 3, SIDECAR = 4 };

static void answer(__u64 id)
{
    const struct seccomp_notif_resp response = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_SEND, &response);
}

/* One that was interrupted before we asked for it is gone: ENOENT. */
static void answer_next(void)
{
    struct seccomp_notif notice;
    memset(&notice, 0, sizeof notice);
    if (ioctl(LISTENER, SECCOMP_IOCTL_NOTIF_RECV, &notice) == 0)
        answer(notice.id);
}

static void await(struct pollfd *what)
{
    while (poll(what, 1, -1) <= 0 && errno == EINTR)
        ;
}

static void guard(const struct seccomp_notif *slots, size_t count)
{
    struct pollfd sidecar = {.fd = SIDECAR, .events = POLLIN};
    struct pollfd listener = {.fd = LISTENER, .events = POLLIN};
    await(&sidecar);
    for (size_t i = 0; i < count; i++)
        if (slots[i].id)
            answer(slots[i].id);
    do {
        await(&listener);
        if (listener.revents & POLLIN)
            answer_next();
    } while (!(listener.revents & (POLLHUP | POLLERR | POLLNVAL)));
}

/* The kernel lets only the privileged say so: then it is as likely a victim as others of its size. */
static void survive_want_of_memory(void)
{
    static const char least[] = "-1000";
    const int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file >= 0 && write(file, least, sizeof least - 1) < 0)
        errno = 0;
    close(file);
}

static void serve(int listener, int sidecar, const struct seccomp_notif *slots, size_t count)
{
    const int high =
        fcntl(sidecar, F_DUPFD, SIDECAR + 1); /* neither may stand where the other one is to be */
    setsid();
    rename_self("truefin-guard");
    survive_want_of_memory();
    if (dup2(listener, LISTENER) < 0 || dup2(high, SIDECAR) < 0)
        _exit(EXIT_FAILURE);
    closefrom(SIDECAR + 1);
    guard(slots, count);
    _exit(EXIT_SUCCESS);
}

/* A child whose end sends no signal, and of that a child: the side-car waits for none but what it traces. */
static pid_t split(void)
{
    return (pid_t)syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
}

bool guardian_start(int listener, const struct seccomp_notif *slots, size_t count)
{
    int status = EXIT_FAILURE;
    const int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    const pid_t middle = self < 0 ? -1 : split();
    if (middle == 0) {
        const pid_t inner = split();
        if (inner == 0)
            serve(listener, self, slots, count);
        _exit(inner < 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    }
    if (middle > 0)
        waitpid(middle, &status, __WALL);
    if (self >= 0)
        close(self);
    return status == 0;
}
