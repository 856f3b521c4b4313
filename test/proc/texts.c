/*
 * texts DIRECTORY [SEED]: what shim/watch reads of /proc, on files in DIRECTORY/proc that are written here.
 *
 * First texts as the kernel writes them, with random values and the oddest names: each value is read back.
 * Then the same texts, cut, mixed and with bytes changed, as no kernel writes them: no answer may be out of
 * its range, and the bounds checks that this is built with find nothing.
 */
#include "config.h"
#include "listeners.h"
#include "proc.h"
#include "sockets.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PID = 4711,
    KERNEL_ROUNDS = 150,
    MUTATED_ROUNDS = 600,
    TEXT = 128 << 10,
    PORTS = 65536,
    MOST_PASSED = 1024
};

struct config config;

static uint64_t state = 1;

/* xorshift64*: the same numbers everywhere. Below MOST. */
static unsigned any(unsigned most)
{
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (unsigned)((state * 2685821657736338717U) >> 33) % most;
}

#define CHECK(condition) check(condition, #condition, __LINE__)

static void check(bool holds, const char *what, int line)
{
    if (!holds)
        errx(1, "line %d: %s does not hold", line, what);
}

struct text {
    char at[TEXT];
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text->at + text->length, TEXT - text->length, format, arguments);
    va_end(arguments);
    text->length += size > 0 ? (size_t)size : 0;
    if (text->length >= TEXT)
        errx(1, "a text is too long");
}

static void write_file(const char *path, const struct text *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text->at, text->length) != (ssize_t)text->length)
        err(1, "%s", path);
    close(fd);
}

/* --- As the kernel writes them --- */

static const char *const names[] = {") R 1 (", "a\nTgid:\t1", "\nPPid:\t1\n", "",        "\t",
                                    "\\",      "((((",        "x\\nTgid:\t9", "\xff\x80"};

/* In status, the kernel escapes newlines and backslashes; in comm it does not (fs/proc/array.c,
 * proc_task_name()). */
static void put_name(struct text *text, const char *name)
{
    put(text, "Name:\t");
    for (; *name; name++)
        if (*name == '\n')
            put(text, "\\n");
        else if (*name == '\\')
            put(text, "\\\\");
        else
            put(text, "%c", *name);
    put(text, "\n");
}

struct values {
    const char *name;
    pid_t tgid, parent, tracer;
    uint64_t blocked, ignored, caught;
    bool is_init;
};

static uint64_t any_set(void)
{
    return (uint64_t)any(1U << 31) << 33 ^ (uint64_t)any(1U << 31) << 11 ^ any(2048);
}

static struct values any_values(void)
{
    return (struct values){.name = names[any(sizeof names / sizeof *names)],
                           .tgid = 1 + (pid_t)any(1 << 22),
                           .parent = (pid_t)any(1 << 22),
                           .tracer = any(2) ? getpid() : 0,
                           .blocked = any_set(),
                           .ignored = any_set(),
                           .caught = any_set(),
                           .is_init = any(2)};
}

static struct text status_of(const struct values *values)
{
    struct text text = {.length = 0};
    put_name(&text, values->name);
    put(&text,
        "Umask:\t0022\nState:\tR (running)\nTgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n",
        values->tgid, PID, values->parent, values->tracer);
    put(&text, "Uid:\t0\t0\t0\t0\nGroups:\t");
    for (unsigned i = any(500); i > 0; i--)
        put(&text, "%u ", any(1U << 31));
    put(&text, "\nNStgid:\t%d", values->tgid + 1);
    for (unsigned i = any(4); i > 0; i--)
        put(&text, "\t%u", 2 + any(1000));
    put(&text, "\t%d\nNSpid:\t1\nVmSize:\t  100 kB\n", values->is_init ? 1 : 2);
    put(&text, "SigPnd:\t%016x\nShdPnd:\t%016x\nSigBlk:\t%016llx\nSigIgn:\t%016llx\nSigCgt:\t%016llx\n", 0, 0,
        (unsigned long long)values->blocked, (unsigned long long)values->ignored,
        (unsigned long long)values->caught);
    return text;
}

static void read_status_back(void)
{
    const struct values values = any_values();
    const struct text text = status_of(&values);
    char name[PROC_NAME];
    struct text comm = {.length = 0};
    write_file("proc/4711/status", &text);
    CHECK(proc_pid(PID, "Tgid") == values.tgid);
    CHECK(proc_pid(PID, "PPid") == values.parent);
    CHECK(proc_pid(PID, "TracerPid") == values.tracer);
    CHECK(proc_traced(PID) == (values.tracer ? values.tgid : 0));
    CHECK(proc_is_init(PID) == values.is_init);
    for (int number = 1; number <= 64; number++) {
        CHECK(proc_handles(PID, number) == (values.caught >> (number - 1) & 1));
        CHECK(proc_blocks(PID, number) == (values.blocked >> (number - 1) & 1));
    }
    put(&comm, "%s\n", values.name);
    write_file("proc/4711/comm", &comm);
    proc_name(name, PID);
    CHECK(strcspn(values.name, "\n") == strlen(name) || !*name);
}

static void read_ports_back(void)
{
    static bool listens[PORTS];
    struct text text = {.length = 0};
    memset(listens, 0, sizeof listens);
    put(&text,
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
    for (unsigned i = 0, count = any(200); i < count; i++) {
        const unsigned port = any(PORTS);
        listens[port] = true;
        put(&text,
            "%4u: %08X:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 %u 1\n", i,
            any(1U << 31), port, any(1U << 31));
    }
    put(&text,
        "%4u: 0100007F:%04X 0100007F:%04X 01 00000000:00000000 00:00000000 00000000     0        0 1 1\n",
        999, 40001, 22);
    write_file("proc/4711/net/tcp", &text);
    listeners_forget();
    for (unsigned port = 32768; port < 60999; port++)
        CHECK(listeners_have(PID, (uint16_t)port) == listens[port]);
}

static void read_environment_back(void)
{
    const int count = (int)any(2000);
    struct text text = {.length = 0};
    put(&text, "XLISTEN_FDS=7%cLISTEN_FDS=%d%cA=\n%cLISTEN_PID=%d%c", 0, count, 0, 0, PID, 0);
    write_file("proc/4711/environ", &text);
    CHECK(proc_listen_fds(PID) == (count <= MOST_PASSED ? count : 0));
    CHECK(proc_listen_fds(PID + 1) == 0);
}

/* --- As no kernel does --- */

static void mutate(struct text *text)
{
    for (unsigned i = any(8); i > 0 && text->length; i--)
        text->at[any((unsigned)text->length)] = (char)any(256);
    if (any(3) == 0 && text->length)
        text->length = any((unsigned)text->length);
    if (any(4) == 0 && text->length > 2) {
        const size_t from = any((unsigned)text->length / 2);
        const size_t size = any((unsigned)(text->length - from));
        memmove(text->at, text->at + from, size);
    }
    if (any(20) == 0) {
        while (text->length < TEXT - 8)
            put(text, "9999999\n");
        text->length -= any(1000);
    }
}

static void mutate_file(const char *path, const struct text *whole)
{
    static struct text text;
    text = *whole;
    mutate(&text);
    write_file(path, &text);
}

static void link_to(const char *path, const char *what)
{
    char target[256];
    snprintf(target, sizeof target, "%s", what);
    for (unsigned i = any(4); i > 0; i--)
        target[any((unsigned)strlen(target))] = (char)(1 + any(255));
    unlink(path);
    if (symlink(target, path) != 0)
        err(1, "%s", path);
}

static void read_nonsense(void)
{
    const struct values values = any_values();
    const struct text status = status_of(&values);
    struct text text = {.length = 0};
    struct sockets sockets;
    char name[PROC_NAME];
    char program[32];
    mutate_file("proc/4711/status", &status);
    put(&text, "%s\n", values.name);
    mutate_file("proc/4711/comm", &text);
    put(&text, "%cLISTEN_FDS=%d%cLISTEN_PID=%d%c", 0, (int)any(2000), 0, PID, 0);
    mutate_file("proc/4711/environ", &text);
    mutate_file("proc/4711/syscall", &text);
    put(&text,
        "\n0: 0100007F:1F90 00000000:0000 0A\n: : : 0A\n:::0A\n::\n1: 00000000:FFFFFFFFFFFFFFFFFF 0:0 0A\n");
    mutate_file("proc/4711/net/tcp", &text);
    mutate_file("proc/sys/net/ipv4/ip_local_port_range", &text);
    link_to("proc/4711/fd/3", "socket:[4026531840]");
    link_to("proc/4711/fd/2147483647", "socket:[99999999999999999999]");
    link_to("proc/4711/exe", "/usr/bin/a program with a long, long name (deleted)");

    proc_pid(PID, "Tgid");
    proc_traced(PID);
    proc_is_init(PID);
    for (int number = 1; number <= 64; number++) {
        proc_handles(PID, number);
        proc_blocks(PID, number);
        proc_ignores(PID, number);
    }
    proc_syscall(PID);
    memset(name, 'x', sizeof name);
    proc_name(name, PID);
    CHECK(memchr(name, '\0', sizeof name) && !strchr(name, '\n'));
    proc_program(program, sizeof program, PID);
    CHECK(memchr(program, '\0', sizeof program));
    const int passed = proc_listen_fds(PID);
    CHECK(passed >= 0 && passed <= MOST_PASSED);
    listeners_forget();
    listeners_have(PID, (uint16_t)any(PORTS));
    CHECK(sockets_of(&sockets, PID, 0, UINT_MAX) || errno);
    CHECK(sockets.count <= 2);
    sockets_exclude(&sockets, PID);
    for (size_t i = 0; i < sockets.count; i++)
        CHECK(sockets.at[i].excluded);
    free(sockets.at);
}

static void make_directory(const char *path)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        err(1, "%s", path);
}

int main(int argc, char **argv)
{
    static const char *const directories[] = {"proc",     "proc/4711",    "proc/4711/net",    "proc/4711/fd",
                                              "proc/sys", "proc/sys/net", "proc/sys/net/ipv4"};
    static struct policy policy = {.rule_count = 1,
                                   .rules = {{.term_count = 1, .terms = {{.kind = TERM_ACCEPTED}}}}};
    static const struct text range = {"32768\t60999\n", 12};
    if (argc < 2)
        errx(2, "usage: texts DIRECTORY [SEED]");
    make_directory(argv[1]);
    if (chdir(argv[1]) != 0)
        err(1, "%s", argv[1]);
    if (argc > 2)
        state = strtoull(argv[2], NULL, 10) | 1;
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++)
        make_directory(directories[i]);
    config.policy = &policy;
    write_file("proc/sys/net/ipv4/ip_local_port_range", &range);
    for (int i = 0; i < KERNEL_ROUNDS; i++) {
        read_status_back();
        read_environment_back();
        if (i % 10 == 0)
            read_ports_back();
    }
    for (int i = 0; i < MUTATED_ROUNDS; i++)
        read_nonsense();
    printf("%d texts of the kernel's, %d others\n", KERNEL_ROUNDS, MUTATED_ROUNDS);
    return 0;
}
