#include "notices.h"

#include "guardian.h"

#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64) /* Linux 6.6 */
#endif

enum { SLOTS = 48, SYNC_WAKE_UP = 1 };

static struct {
    int listener; /* 0 for none */
    struct seccomp_notif *slots;
    unsigned busy;
    int channel; /* 0 for none */
    pid_t program;
} all;

void notices_await(int channel, pid_t program)
{
    all.channel = channel;
    all.program = program;
}

int notices_channel(void)
{
    return all.channel > 0 ? all.channel : -1;
}

static bool start(int listener)
{
    struct seccomp_notif *slots =
        mmap(NULL, SLOTS * sizeof *slots, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (slots == MAP_FAILED)
        return false;
    memset(slots, 0, SLOTS * sizeof *slots); /* the page is there, also for the guardian */
    if (!guardian_start(listener, slots, SLOTS))
        return false;
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, SYNC_WAKE_UP); /* an older kernel wakes more slowly */
    all.listener = listener;
    all.slots = slots;
    return true;
}

static bool take_listener(int number)
{
    const int pidfd = (int)syscall(SYS_pidfd_open, all.program, 0);
    const int listener = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    if (pidfd >= 0)
        close(pidfd);
    return listener >= 0 && start(listener);
}

bool notices_begin(void)
{
    int number = -1;
    bool begun = false;
    if (read(all.channel, &number, sizeof number) == sizeof number) {
        begun = take_listener(number);
        begun = write(all.channel, &begun, sizeof begun) == sizeof begun && begun;
    }
    close(all.channel);
    all.channel = 0;
    return begun;
}

bool notices_are_on(void)
{
    return all.listener > 0;
}

int notices_fd(void)
{
    return all.listener > 0 && all.busy < SLOTS ? all.listener : -1;
}

void notices_end(void)
{
    close(all.listener);
    all.listener = 0;
}

static struct seccomp_notif *free_slot(void)
{
    for (size_t i = 0; i < SLOTS; i++)
        if (!all.slots[i].id)
            return &all.slots[i];
    return NULL;
}

struct seccomp_notif *notices_take(void)
{
    struct seccomp_notif *slot = free_slot();
    if (!slot || ioctl(all.listener, SECCOMP_IOCTL_NOTIF_RECV, slot) != 0)
        return NULL;
    all.busy++;
    return slot;
}

bool notices_answer(struct seccomp_notif *notice)
{
    const struct seccomp_notif_resp response = {.id = notice->id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    const bool was_there = ioctl(all.listener, SECCOMP_IOCTL_NOTIF_SEND, &response) == 0;
    memset(notice, 0, sizeof *notice);
    all.busy--;
    return was_there;
}
