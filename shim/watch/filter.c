#include "filter.h"

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5) /* Linux 5.19 */
#endif

enum { X32 = 0x40000000 }; /* x32 has the numbers of x86-64, with this bit */
enum { SOCKETCALL_SOCKET = 1, SOCKETCALL_PAIR = 8 };

enum argument {
    ANY,
    DUPLICATES, /* the second one is F_DUPFD or F_DUPFD_CLOEXEC */
    UNIX,       /* the first one is AF_UNIX */
    SOCKETCALL, /* the first one is that of socket(2) or socketpair(2); the family is in the program's memory */
};

struct entry {
    unsigned short number;
    unsigned char kind; /* enum filter_call */
    unsigned char argument;
};

#ifdef __aarch64__
static const struct entry native[] = {
    {57, FILTER_CLOSE, ANY},  {24, FILTER_DUP_OVER, ANY},   {436, FILTER_RANGE, ANY},
    {23, FILTER_DUP, ANY},    {25, FILTER_DUP, DUPLICATES}, {198, FILTER_UNIX, UNIX},
    {199, FILTER_UNIX, UNIX}, {20, FILTER_EPOLL, ANY},
};
static const struct entry other[] = {
    {6, FILTER_CLOSE, ANY},        {63, FILTER_DUP_OVER, ANY}, {358, FILTER_DUP_OVER, ANY},
    {436, FILTER_RANGE, ANY},      {41, FILTER_DUP, ANY},      {55, FILTER_DUP, DUPLICATES},
    {221, FILTER_DUP, DUPLICATES}, {281, FILTER_UNIX, UNIX},   {288, FILTER_UNIX, UNIX},
    {250, FILTER_EPOLL, ANY},      {357, FILTER_EPOLL, ANY},
};
enum { NATIVE = AUDIT_ARCH_AARCH64, OTHER = AUDIT_ARCH_ARM };
#else
static const struct entry native[] = {
    {3, FILTER_CLOSE, ANY},   {33, FILTER_DUP_OVER, ANY}, {292, FILTER_DUP_OVER, ANY},
    {436, FILTER_RANGE, ANY}, {32, FILTER_DUP, ANY},      {72, FILTER_DUP, DUPLICATES},
    {41, FILTER_UNIX, UNIX},  {53, FILTER_UNIX, UNIX},    {213, FILTER_EPOLL, ANY},
    {291, FILTER_EPOLL, ANY},
};
static const struct entry other[] = {
    {6, FILTER_CLOSE, ANY},         {63, FILTER_DUP_OVER, ANY}, {330, FILTER_DUP_OVER, ANY},
    {436, FILTER_RANGE, ANY},       {41, FILTER_DUP, ANY},      {55, FILTER_DUP, DUPLICATES},
    {221, FILTER_DUP, DUPLICATES},  {359, FILTER_UNIX, UNIX},   {360, FILTER_UNIX, UNIX},
    {102, FILTER_UNIX, SOCKETCALL}, {254, FILTER_EPOLL, ANY},   {329, FILTER_EPOLL, ANY},
};
enum { NATIVE = AUDIT_ARCH_X86_64, OTHER = AUDIT_ARCH_I386 };
#endif

enum { NATIVES = sizeof native / sizeof *native, OTHERS = sizeof other / sizeof *other };

bool filter_is_wanted(void)
{
    for (int i = 0; i < config.policy->rule_count; i++) {
        const struct endings *endings = &config.policy->rules[i].endings;
        if (endings->of[EVENT_CLOSE] != ENDING_KEEP || endings->of[EVENT_UNREAD] != ENDING_KEEP ||
            endings->has[OPTION_DEFER_CLOSE])
            return true;
    }
    return false;
}

static const struct entry *find(unsigned arch, long number)
{
    const bool is_native = arch == NATIVE;
    const struct entry *table = is_native ? native : other;
    const int count = is_native ? NATIVES : OTHERS;
    if (is_native)
        number &= ~(long)X32;
    for (int i = 0; i < count; i++)
        if (table[i].number == number)
            return &table[i];
    return NULL;
}

bool filter_has(unsigned arch, long number)
{
    return find(arch, number);
}

enum filter_call filter_call(const struct seccomp_data *call)
{
    const struct entry *entry = find(call->arch, call->nr);
    return entry ? (enum filter_call)entry->kind : FILTER_OTHER;
}

/* Instructions, as they are appended. */
struct program {
    struct sock_filter at[160];
    unsigned short count;
};

static void put(struct program *program, unsigned code, unsigned k, int if_true, int if_false)
{
    program->at[program->count++] = (struct sock_filter){
        .code = (unsigned short)code, .jt = (unsigned char)if_true, .jf = (unsigned char)if_false, .k = k};
}

static void load(struct program *program, size_t offset)
{
    put(program, BPF_LD | BPF_W | BPF_ABS, (unsigned)offset, 0, 0);
}

static void answer(struct program *program, unsigned action)
{
    put(program, BPF_RET | BPF_K, action, 0, 0);
}

/* The low half of argument AT: both machines are little-endian. */
static void load_argument(struct program *program, int at)
{
    load(program, offsetof(struct seccomp_data, args) + (size_t)at * sizeof(uint64_t));
}

/* Notifies if the value is one of two, else allows. */
static void either(struct program *program, unsigned one, unsigned two)
{
    put(program, BPF_JMP | BPF_JEQ | BPF_K, one, 1, 0);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, two, 0, 1);
    answer(program, SECCOMP_RET_USER_NOTIF);
    answer(program, SECCOMP_RET_ALLOW);
}

enum { EITHER = 5 }; /* instructions of that, and of the load before it */

static void ask(struct program *program, enum argument argument)
{
    load_argument(program, argument == DUPLICATES ? 1 : 0);
    if (argument == DUPLICATES)
        either(program, F_DUPFD, F_DUPFD_CLOEXEC);
    else if (argument == UNIX)
        either(program, AF_UNIX, AF_UNIX);
    else
        either(program, SOCKETCALL_SOCKET, SOCKETCALL_PAIR);
}

/* With the number loaded. */
static void put_table(struct program *program, const struct entry *table, int count)
{
    for (int i = 0; i < count; i++) {
        const bool is_plain = table[i].argument == ANY;
        put(program, BPF_JMP | BPF_JEQ | BPF_K, table[i].number, 0, is_plain ? 1 : EITHER);
        if (is_plain)
            answer(program, SECCOMP_RET_USER_NOTIF);
        else
            ask(program, (enum argument)table[i].argument);
    }
    answer(program, SECCOMP_RET_ALLOW);
}

static int length_of(const struct entry *table, int count)
{
    int length = 1;
    for (int i = 0; i < count; i++)
        length += table[i].argument == ANY ? 2 : 1 + EITHER;
    return length;
}

/* Where it has not, its numbers are those of no call: nothing is closed by them. */
static bool kernel_has_x32(void)
{
#ifdef __aarch64__
    return false;
#else
    return syscall(X32 | SYS_getpid) > 0; /* NOLINT(hicpp-signed-bitwise) */
#endif
}

static void make(struct program *program)
{
    const bool x32 = kernel_has_x32();
    const int skipped = length_of(native, NATIVES) + 1 + x32;
    load(program, offsetof(struct seccomp_data, arch));
    put(program, BPF_JMP | BPF_JEQ | BPF_K, NATIVE, 0, skipped);
    load(program, offsetof(struct seccomp_data, nr));
    if (x32)
        put(program, BPF_ALU | BPF_AND | BPF_K, ~(unsigned)X32, 0, 0);
    put_table(program, native, NATIVES);
    put(program, BPF_JMP | BPF_JEQ | BPF_K, OTHER, 1, 0);
    answer(program, SECCOMP_RET_ALLOW);
    load(program, offsetof(struct seccomp_data, nr));
    put_table(program, other, OTHERS);
}

int filter_install(void)
{
    struct program program = {.count = 0};
    make(&program);
    const struct sock_fprog given = {.len = program.count, .filter = program.at};
    const unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    long listener =
        syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &given);
    if (listener < 0 && errno == EINVAL)
        listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &given);
    return (int)listener;
}
