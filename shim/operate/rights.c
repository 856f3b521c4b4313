#include "rights.h"

#include "processes.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NUMBER = 32 };

static int yama(void)
{
    char text[NUMBER] = "";
    FILE *file = fopen("/proc/sys/kernel/yama/ptrace_scope", "re");
    if (file) {
        if (!fgets(text, sizeof text, file))
            *text = '\0';
        fclose(file);
    }
    return (int)strtol(text, NULL, 10);
}

void rights_missing(char *out, size_t size, pid_t pid, int error)
{
    const uid_t owner = (uid_t)processes_status(pid, "Uid");
    if (error == EINVAL) {
        snprintf(out, size, "what it has in its memory is no policy");
        return;
    }
    if (error == ENOSYS)
        snprintf(out, size,
                 "process_vm_readv(2) and pidfd_getfd(2) are missing or forbidden here: Linux 5.6 has them; "
                 "a container needs --cap-add SYS_PTRACE");
    else if (owner != geteuid() && geteuid() != 0) {
        const struct passwd *user = getpwuid(owner);
        if (user)
            snprintf(out, size, "it belongs to user %s: only that user and root may (CAP_SYS_PTRACE)",
                     user->pw_name);
        else
            snprintf(out, size, "it belongs to user %u: only that user and root may (CAP_SYS_PTRACE)", owner);
    } else if (geteuid() != 0 && yama() > 0)
        snprintf(out, size, "kernel.yama.ptrace_scope=%d allows it to root only (CAP_SYS_PTRACE)", yama());
    else if (geteuid() != 0)
        snprintf(out, size,
                 "it has more rights than its user, or hides itself (PR_SET_DUMPABLE): only root may "
                 "(CAP_SYS_PTRACE)");
    else
        snprintf(out, size, "%s: CAP_SYS_PTRACE is missing here", strerror(error));
}
