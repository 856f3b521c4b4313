/*
 * sandbox MODE ENTRY END: serves one connection, then shuts itself into a seccomp filter that kills for every
 * call that this program does not list, and goes on within it: answers "Hello.", takes a second connection,
 * answers it, and ends.
 *
 *     MODE   prctl, syscall (seccomp(2)), syscall_prctl: how the filter is installed
 *     ENTRY  before: the filter is there before any connection; between: the first one is open then
 *     END    close: closes both, returns; open: returns with both open; fail: exits 3 with both open
 *
 * sandbox without-kcmp COMMAND...: runs COMMAND under a filter that kills for kcmp(2) only: as a container or
 * a systemd unit may. without-ptrace: ptrace(2) gives EPERM. without-debug: what systemd calls @debug kills.
 * without-pidfd_getfd: that gives ENOSYS, as it does on an old kernel. without-inspection: what Docker
 * forbids to a container without CAP_SYS_PTRACE gives EPERM; without-vm: only process_vm_readv(2) does.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef __aarch64__
#define ARCH AUDIT_ARCH_AARCH64
#else
#define ARCH AUDIT_ARCH_X86_64
#endif

enum { FAILED = 99, FAILING = 3 };

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define ON(number, action)                                                                                   \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, action)
#define ALLOW(number) ON(number, SECCOMP_RET_ALLOW)

/* Another architecture's numbers mean other calls. */
#define LOAD_NUMBER                                                                                          \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),                                 \
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 1, 0),                                                     \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),                                                 \
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))

/* All that the program itself still calls: writes, accepts, closes, ends. */
static struct sock_filter strict[] = {
    LOAD_NUMBER,      ALLOW(SYS_accept),     ALLOW(SYS_write),
    ALLOW(SYS_close), ALLOW(SYS_exit_group), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
};

static struct sock_filter no_kcmp[] = {
    LOAD_NUMBER,
    ON(SYS_kcmp, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static struct sock_filter no_ptrace[] = {
    LOAD_NUMBER,
    ON(SYS_ptrace, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static struct sock_filter no_debug[] = {
    LOAD_NUMBER,
    ON(SYS_ptrace, SECCOMP_RET_KILL_PROCESS),
    ON(SYS_pidfd_getfd, SECCOMP_RET_KILL_PROCESS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static struct sock_filter no_inspection[] = {
    LOAD_NUMBER,
    ON(SYS_ptrace, SECCOMP_RET_ERRNO | EPERM),
    ON(SYS_pidfd_getfd, SECCOMP_RET_ERRNO | EPERM),
    ON(SYS_process_vm_readv, SECCOMP_RET_ERRNO | EPERM),
    ON(SYS_process_vm_writev, SECCOMP_RET_ERRNO | EPERM),
    ON(SYS_kcmp, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static struct sock_filter no_vm[] = {
    LOAD_NUMBER,
    ON(SYS_process_vm_readv, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static struct sock_filter no_pidfd_getfd[] = {
    LOAD_NUMBER,
    ON(SYS_pidfd_getfd, SECCOMP_RET_ERRNO | ENOSYS),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static void install(const char *mode, struct sock_filter *filter, size_t length)
{
    const struct sock_fprog program = {.len = (unsigned short)length, .filter = filter};
    long result = -1;

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        err(FAILED, "PR_SET_NO_NEW_PRIVS");
    if (strcmp(mode, "prctl") == 0)
        result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    else if (strcmp(mode, "syscall") == 0)
        result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
    else if (strcmp(mode, "syscall_prctl") == 0)
        result = syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    if (result != 0)
        err(FAILED, "seccomp by %s", mode);
}

static int listen_anywhere(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t size = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || bind(fd, (struct sockaddr *)&at, size) != 0 || listen(fd, SOMAXCONN) != 0 ||
        getsockname(fd, (struct sockaddr *)&at, &size) != 0)
        err(FAILED, "listen");
    dprintf(STDOUT_FILENO, "port %u\n", ntohs(at.sin_port));
    return fd;
}

static int serve(int listener)
{
    int fd = accept(listener, NULL, NULL);
    if (fd < 0 || write(fd, "Hello.", 6) != 6)
        _exit(FAILED);
    return fd;
}

/* Messages are out of the question in here: stdio may need calls that the filter kills for. */
static void serve_sandboxed(const char *mode, bool before, const char *end)
{
    int listener = listen_anywhere();
    int first = before ? -1 : serve(listener);
    int second = -1;

    install(mode, strict, COUNT(strict));
    if (before)
        first = serve(listener);
    second = serve(listener);
    if (strcmp(end, "close") == 0 && (close(first) != 0 || close(second) != 0))
        _exit(FAILED);
    exit(strcmp(end, "fail") == 0 ? FAILING : 0);
}

int main(int argc, char **argv)
{
    if (argc > 2 && strncmp(argv[1], "without-", strlen("without-")) == 0) {
        if (strcmp(argv[1], "without-ptrace") == 0)
            install("prctl", no_ptrace, COUNT(no_ptrace));
        else if (strcmp(argv[1], "without-debug") == 0)
            install("prctl", no_debug, COUNT(no_debug));
        else if (strcmp(argv[1], "without-pidfd_getfd") == 0)
            install("prctl", no_pidfd_getfd, COUNT(no_pidfd_getfd));
        else if (strcmp(argv[1], "without-inspection") == 0)
            install("prctl", no_inspection, COUNT(no_inspection));
        else if (strcmp(argv[1], "without-vm") == 0)
            install("prctl", no_vm, COUNT(no_vm));
        else
            install("prctl", no_kcmp, COUNT(no_kcmp));
        execvp(argv[2], argv + 2);
        err(FAILED, "%s", argv[2]);
    }
    if (argc != 4)
        errx(2, "usage: sandbox MODE ENTRY END, or sandbox without-kcmp COMMAND...");
    serve_sandboxed(argv[1], strcmp(argv[2], "before") == 0, argv[3]);
}
