/* Milliseconds, monotonic, modulo 2^32: raw_now() of kept/raw.h without a system call, where there is a vdso(7). */
#ifndef TRUEFIN_WATCH_CLOCK_H
#define TRUEFIN_WATCH_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint32_t clock_now(void)
{
    enum { MS_PER_S = 1000, NS_PER_MS = 1000000 };
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)now.tv_sec * MS_PER_S + (uint32_t)(now.tv_nsec / NS_PER_MS);
}

#endif
