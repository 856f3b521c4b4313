/*
 * System calls without libc: the result is the kernel's own, an error is -errno, and errno is left alone. For
 * the thread of kept/, which has no thread-local data. Safe wherever the call itself is.
 */
#ifndef TRUEFIN_RAW_H
#define TRUEFIN_RAW_H

#include <errno.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>

/* What runs in that thread may not be instrumented: the sanitizers keep their state in thread-local data. */
#define BARE __attribute__((no_sanitize("address", "thread", "undefined")))

/* The kernel's calling convention: syscall(2), "Architecture calling conventions". */
BARE static inline long raw_call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
#elif defined(__aarch64__)
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
#else
    (void)number, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
    return -ENOSYS; /* nothing lingers there */
#endif
}

#define CALL6(number, a, b, c, d, e, f)                                                                      \
    raw_call(SYS_##number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define CALL4(number, a, b, c, d) CALL6(number, a, b, c, d, 0, 0)

/* Milliseconds, monotonic, modulo 2^32 (clock_gettime(2)). */
BARE static inline uint32_t raw_now(void)
{
    struct timespec time; /* without an initialiser, of which a compiler may make a call of memset */
    time.tv_sec = 0;
    time.tv_nsec = 0;
    CALL4(clock_gettime, CLOCK_MONOTONIC, &time, 0, 0);
    return (uint32_t)((uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000);
}

BARE static inline void raw_yield(void)
{
    CALL4(sched_yield, 0, 0, 0, 0);
}

#endif
