/*
 * dispositions SEED COUNT: COUNT random calls of all functions that set or ask what a signal does, on all
 * kinds of signals, in this process, in its handlers, and in fork and vfork children. Prints what each of
 * them answers. With a library that stands in between, it must print the same as without.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t state;

static unsigned below(unsigned limit)
{
    state = state * 6364136223846793005U + 1442695040888963407U;
    return (unsigned)(state >> 33) % limit;
}

static unsigned serial; /* of the operation */

#define PRINT(...) dprintf(STDOUT_FILENO, __VA_ARGS__)

/* The first 64 signals: what the kernel knows. */
static uint64_t bits(const sigset_t *set)
{
    uint64_t result;
    memcpy(&result, set, sizeof result);
    return result;
}

static uint64_t mask(void)
{
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    return bits(&now);
}

static const char *error(int result)
{
    return result == 0 ? "0" : strerrorname_np(errno);
}

/* A fault that its handler does not mend comes again for ever. */
static void count_fault(int number)
{
    enum { MANY = 100 };
    static int faults;
    if (number == SIGSEGV && ++faults > MANY)
        _exit(9);
}

static void simple(int number)
{
    count_fault(number);
    PRINT("  simple handler: %d, mask %lx\n", number, mask());
}

static void tell(const char *what, int number);

static void informed(int number, siginfo_t *info, void *context)
{
    count_fault(number);
    PRINT("  informed handler: %d, code %d, mask %lx, on alternate %d\n", number, info ? info->si_code : -1,
          mask(), ((ucontext_t *)context)->uc_stack.ss_flags);
    tell("within", number);
}

static const char *name(void (*handler)(int))
{
    if (handler == SIG_DFL)
        return "default";
    if (handler == SIG_IGN)
        return "ignored";
    if (handler == SIG_ERR)
        return errno ? strerrorname_np(errno) : "error";
    if (handler == SIG_HOLD)
        return "hold";
    if (handler == simple)
        return "simple";
    return handler == (void (*)(int))(void *)informed ? "informed" : "strange";
}

static void print(const struct sigaction *action)
{
    PRINT(" %s flags %x mask %lx restorer %d\n", name(action->sa_handler), (unsigned)action->sa_flags,
          bits(&action->sa_mask), action->sa_restorer != NULL);
}

static void tell(const char *what, int number)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    int result = sigaction(number, NULL, &action);
    PRINT("  %s %d: %s", what, number, error(result));
    print(&action);
}

static int any_signal(void)
{
    static const int numbers[] = {SIGTERM, SIGTERM, SIGTERM, SIGINT,   SIGINT,  SIGHUP,  SIGHUP,  SIGUSR1,
                                  SIGSEGV, SIGCHLD, SIGPIPE, SIGWINCH, SIGKILL, SIGSTOP, SIGALRM, 34,
                                  63,      SIGABRT, 0,       65,       -1,      32};
    return numbers[below(sizeof numbers / sizeof *numbers)];
}

static void (*any_handler(void))(int)
{
    switch (below(5)) {
    case 0:
        return SIG_DFL;
    case 1:
        return SIG_IGN;
    default:
        return simple;
    }
}

static sigset_t any_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    if (below(4) == 0)
        sigfillset(&set);
    for (unsigned i = below(4); i > 0; i--) {
        int number = any_signal();
        if (number > 0 && number < 64)
            sigaddset(&set, number);
    }
    return set;
}

/* SA_INTERRUPT, and bits that nobody has defined, are among them. */
static int any_flags(void)
{
    static const unsigned flags[] = {SA_RESTART,   SA_NODEFER,   SA_RESETHAND, SA_ONSTACK, SA_NOCLDSTOP,
                                     SA_NOCLDWAIT, SA_INTERRUPT, 0x400,        0x1000,     0x04000000};
    unsigned result = 0;
    for (unsigned i = below(4); i > 0; i--)
        result |= flags[below(sizeof flags / sizeof *flags)];
    return (int)result;
}

static sigjmp_buf escape;

static void faulted(int number)
{
    siglongjmp(escape, number);
}

/* A pointer to nowhere: EFAULT or a fault, as libc has it. The program's own handler catches the fault. */
static void bad_pointer(int number)
{
    struct sigaction before;
    struct sigaction catcher = {.sa_handler = faulted, .sa_flags = SA_NODEFER};
    struct sigaction good = {.sa_handler = simple};
    struct sigaction *const nowhere = (struct sigaction *)(uintptr_t)8; // NOLINT(performance-no-int-to-ptr)
    bool reads = below(2);
    if (number == SIGSEGV || sigaction(SIGSEGV, &catcher, &before) != 0)
        return;
    if (sigsetjmp(escape, 1) == 0)
        PRINT(" %s", error(sigaction(number, reads ? nowhere : &good, reads ? NULL : nowhere)));
    else
        PRINT(" fault");
    PRINT("\n");
    sigaction(SIGSEGV, &before, NULL);
    tell("then", number);
}

/*
 * Since glibc 2.41 a fault in sigaction for SIGABRT kills, whatever handler there is: libc has blocked all signals, and
 * holds the lock of abort(3). So a child dies of it.
 */
#if __GLIBC_PREREQ(2, 41)
enum { DEADLY_FAULT = SIGABRT };
#else
enum { DEADLY_FAULT = -2 }; /* none */
#endif

static void deadly_pointer(int number)
{
    struct sigaction good = {.sa_handler = simple};
    struct sigaction *const nowhere = (struct sigaction *)(uintptr_t)8; // NOLINT(performance-no-int-to-ptr)
    bool reads = below(2);
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        PRINT(" %s", error(sigaction(number, reads ? nowhere : &good, reads ? NULL : nowhere)));
        _exit(0);
    }
    int status = 0;
    pid_t found = waitpid(pid, &status, 0);
    PRINT(" child %s %x\n", found == pid ? "ended" : strerrorname_np(errno), (unsigned)status);
}

static void set_action(int number)
{
    struct sigaction old;
    struct sigaction action = {.sa_handler = any_handler(), .sa_mask = any_set(), .sa_flags = any_flags()};
    memset(&old, 0, sizeof old);
    if (action.sa_handler == simple && below(2)) {
        action.sa_sigaction = informed;
        action.sa_flags |= SA_SIGINFO;
    }
    bool same = below(4) == 0;
    int result = sigaction(number, &action, same ? &action : below(4) ? &old : NULL);
    PRINT(" %s", error(result));
    print(same && result == 0 ? &action : &old);
}

/* Would it end or stop this process, or mean something to the shell that runs it? */
static bool is_deadly(int number)
{
    struct sigaction action;
    if (number == SIGSTOP || number == SIGKILL)
        return true;
    if (sigaction(number, NULL, &action) != 0)
        return false;
    return action.sa_handler == SIG_ERR ||
           (action.sa_handler == SIG_DFL && number != SIGCHLD && number != SIGWINCH);
}

static bool is_blocked(int number)
{
    sigset_t now;
    sigprocmask(SIG_SETMASK, NULL, &now);
    return sigismember(&now, number) == 1;
}

static void raise_it(int number)
{
    /* Below 1 and above 64 kill(2) has its own answers, which are the same for all. */
    if (number <= 0 || number > 64 || is_deadly(number) || is_blocked(number))
        return;
    PRINT(" %s\n", error(raise(number)));
    tell("then", number);
}

static void some(unsigned count, bool in_child);

/* A child does some more, then raises what it likes, and dies of it or not. */
static void fork_child(int number)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        some(3, true);
        if (number > 0 && number != SIGSTOP)
            raise(number);
        _exit(7);
    }
    int status = 0;
    pid_t found = waitpid(pid, &status, 0);
    PRINT(" child %s %x\n", found == pid ? "ended" : strerrorname_np(errno), (unsigned)status);
}

/* Its calls are its own: nothing of them may be seen here afterwards. */
static void vfork_child(int number)
{
    struct sigaction action = {.sa_handler = any_handler(), .sa_flags = any_flags()};
    pid_t pid = vfork(); /* NOLINT: what is tested */
    if (pid == 0) {
        /* NOLINTBEGIN(clang-analyzer-unix.Vfork) */
        sigaction(number, &action, NULL);
        tell("in the child", number);
        signal(number, SIG_IGN);
        tell("in the child", number);
        if (number > 0 && number != SIGSTOP && number != SIGKILL)
            raise(number);
        _exit(0);
        /* NOLINTEND(clang-analyzer-unix.Vfork) */
    }
    int status = 0;
    pid_t found = waitpid(pid, &status, 0);
    PRINT(" child %s %x\n", found == pid ? "ended" : strerrorname_np(errno), (unsigned)status);
    tell("in the parent", number);
}

static void block(int number)
{
    sigset_t set = any_set();
    sigdelset(&set, SIGSEGV);
    if (below(2))
        sigemptyset(&set);
    (void)number;
    PRINT(" %s", error(sigprocmask(SIG_SETMASK, &set, NULL)));
    PRINT(" mask %lx\n", mask());
}

static void operate(int number, bool in_child)
{
    unsigned kind = below(in_child ? 12 : 15);
    PRINT("%u: %u %d:", serial++, kind, number);
    errno = 0;
    switch (kind) {
    case 0:
        PRINT(" %s\n", name(signal(number, below(9) ? any_handler() : SIG_ERR)));
        break;
    case 1:
        PRINT(" %s\n", name(sysv_signal(number, below(9) ? any_handler() : SIG_ERR)));
        break;
    case 2:
        PRINT(" %s\n", name(ssignal(number, any_handler())));
        break;
    case 3:
        PRINT(" %s\n", name(sigset(number, below(3) ? any_handler() : below(2) ? SIG_HOLD : SIG_ERR)));
        PRINT("  mask %lx\n", mask());
        break;
    case 4:
        PRINT(" %s\n", error(sigignore(number)));
        break;
    case 5:
        PRINT(" %s\n", error(siginterrupt(number, (int)below(2))));
        break;
    case 6:
    case 7:
    case 8:
        set_action(number);
        break;
    case 9:
    case 10:
        raise_it(number);
        break;
    case 11:
        block(number);
        break;
    case 12:
        if (number == DEADLY_FAULT)
            deadly_pointer(number);
        else
            bad_pointer(number);
        break;
    case 13:
        fork_child(number);
        break;
    default:
        vfork_child(number);
    }
    tell("now", number);
}

static void some(unsigned count, bool in_child)
{
    for (unsigned i = 0; i < count; i++)
        operate(any_signal(), in_child);
}

int main(int count, char **arguments)
{
    static char stack[65536];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    if (count < 3 || sigaltstack(&alternate, NULL) != 0)
        return 2;
    state = strtoul(arguments[1], NULL, 10);
    some((unsigned)strtoul(arguments[2], NULL, 10), false);
    return 0;
}
