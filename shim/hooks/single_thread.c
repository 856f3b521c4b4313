/*
 * Calls that act on the calling thread only, or that the kernel refuses if there is another thread. In a program
 * without threads our own thread (kept/thread.c) must not make a difference. So it is ended first. A later close
 * starts another one, with the rights and namespaces that the program has then.
 */
#include "hooks/single_thread.h"

#include "judge/deferred.h"
#include "kept/keep.h"
#include "libc.h"
#include "process/ownership.h"
#include "process/process.h"

bool single_thread_begin(void)
{
    bool halts = keep_has_thread() && process_enter();
    if (halts) {
        deferred_end();
        keep_halt();
    }
    return halts;
}

int single_thread_end(bool halted, int result)
{
    if (halted)
        keep_resume();
    return result;
}

/* After a change of the user. What the process can write from now on must not decide about others. */
static int changed_user(bool halted, int result)
{
    if (result == 0)
        ownership_cut();
    return single_thread_end(halted, result);
}

/*
 * The hook NAME: AFTER is called when the real function has returned. PARAMETERS and ARGUMENTS are lists in
 * parentheses. (clang-format takes them for something else.)
 */
/* clang-format off */
/* NOLINTBEGIN(bugprone-macro-parentheses): the lists have them already. */
#define HOOK_SINGLE(name, after, parameters, arguments)                                                      \
    HOOK int name parameters                                                                                 \
    {                                                                                                        \
        bool halted = single_thread_begin();                                                                 \
        return after(halted, real(name) arguments);                                                          \
    }
/* NOLINTEND(bugprone-macro-parentheses) */

/* CLONE_NEWUSER wants one thread (unshare(2)); CLONE_FILES leaves the others what is open. */
HOOK_SINGLE(unshare, single_thread_end, (int flags), (flags))
HOOK_SINGLE(setns, single_thread_end, (int fd, int kind), (fd, kind))

/* libc changes the rights of all threads that it knows (nptl(7)). Ours, which it does not know, must not keep them. */
HOOK_SINGLE(setuid, changed_user, (uid_t user), (user))
HOOK_SINGLE(seteuid, changed_user, (uid_t user), (user))
HOOK_SINGLE(setreuid, changed_user, (uid_t real_user, uid_t effective), (real_user, effective))
HOOK_SINGLE(setresuid, changed_user, (uid_t real_user, uid_t effective, uid_t saved), (real_user, effective, saved))
HOOK_SINGLE(capset, changed_user,
            (struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data), (header, data))
HOOK_SINGLE(setgid, single_thread_end, (gid_t group), (group))
HOOK_SINGLE(setegid, single_thread_end, (gid_t group), (group))
HOOK_SINGLE(setregid, single_thread_end, (gid_t real_group, gid_t effective), (real_group, effective))
HOOK_SINGLE(setresgid, single_thread_end, (gid_t real_group, gid_t effective, gid_t saved),
            (real_group, effective, saved))
HOOK_SINGLE(setgroups, single_thread_end, (size_t count, const gid_t *groups), (count, groups))
HOOK_SINGLE(initgroups, single_thread_end, (const char *user, gid_t group), (user, group))
/* clang-format on */
