/*
 * Calls that act on the calling thread only, or refuse if there is another: in a program without threads the
 * one of linger.c must not make a difference. It is ended first; a later close starts another one, with the
 * rights and namespaces that the program has then.
 */
#include "hooks/single_thread.h"

#include "kept/linger.h"
#include "libc.h"
#include "process/ownership.h"
#include "process/process.h"

bool single_thread_begin(void)
{
    bool halts = linger_has_thread() && process_enter();
    if (halts)
        linger_halt();
    return halts;
}

int single_thread_end(bool halted, int result)
{
    if (halted)
        linger_resume();
    return result;
}

/* After a change of the user. What the process can write from now on must not decide about others. */
static int changed_user(bool halted, int result)
{
    if (result == 0)
        ownership_cut();
    return single_thread_end(halted, result);
}

/* CLONE_NEWUSER wants one thread (unshare(2)); CLONE_FILES leaves the others what is open. */
HOOK int unshare(int flags)
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, real(unshare)(flags));
}

HOOK int setns(int fd, int kind)
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, real(setns)(fd, kind));
}

/* Of the threads libc changes those that it knows (nptl(7)): no other may keep rights that the program gives
 * up. */
HOOK int setuid(uid_t user)
{
    bool halted = single_thread_begin();
    return changed_user(halted, real(setuid)(user));
}

HOOK int seteuid(uid_t user)
{
    bool halted = single_thread_begin();
    return changed_user(halted, real(seteuid)(user));
}

HOOK int setreuid(uid_t real_user, uid_t effective)
{
    bool halted = single_thread_begin();
    return changed_user(halted, real(setreuid)(real_user, effective));
}

HOOK int setresuid(uid_t real_user, uid_t effective, uid_t saved)
{
    bool halted = single_thread_begin();
    return changed_user(halted, real(setresuid)(real_user, effective, saved));
}

HOOK int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data)
{
    bool halted = single_thread_begin();
    return changed_user(halted, real(capset)(header, data));
}

HOOK int setgid(gid_t group)
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, real(setgid)(group));
}

HOOK int setegid(gid_t group)
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, real(setegid)(group));
}

HOOK int setregid(gid_t real_group, gid_t effective)
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, real(setregid)(real_group, effective));
}

HOOK int setresgid(gid_t real_group, gid_t effective, gid_t saved)
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, real(setresgid)(real_group, effective, saved));
}

HOOK int setgroups(size_t count, const gid_t *groups)
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, real(setgroups)(count, groups));
}

HOOK int initgroups(const char *user, gid_t group)
{
    bool halted = single_thread_begin();
    return single_thread_end(halted, real(initgroups)(user, group));
}
