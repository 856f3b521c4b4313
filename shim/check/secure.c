#include "secure.h"

#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/xattr.h>
#include <unistd.h>

const char *why_secure(int fd, const struct stat *st)
{
    /* With no_new_privs, execve ignores the set-id bits; file capabilities still cause secure mode. */
    bool ignored = prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1;
    bool setuid_bit = !ignored && (st->st_mode & S_ISUID);
    /* Without group execution the setgid bit means mandatory locking. */
    bool setgid_bit = !ignored && (st->st_mode & S_ISGID) && (st->st_mode & S_IXGRP);

    if ((setuid_bit ? st->st_uid : geteuid()) != getuid())
        return setuid_bit ? "setuid: the dynamic linker ignores LD_PRELOAD"
                          : "run with a foreign effective user id: the dynamic linker ignores LD_PRELOAD";
    if ((setgid_bit ? st->st_gid : getegid()) != getgid())
        return setgid_bit ? "setgid: the dynamic linker ignores LD_PRELOAD"
                          : "run with a foreign effective group id: the dynamic linker ignores LD_PRELOAD";
    if (getuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0)
        return "has file capabilities: the dynamic linker ignores LD_PRELOAD";
    return NULL;
}
