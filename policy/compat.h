/*
 * One build serves all: what it needs of libc is not newer than GLIBC_2.34, whichever libc it is built with
 * (test/lint needed checks it). CMake includes this file before every other one, see CMakeLists.txt beside
 * it.
 */
#ifndef TRUEFIN_COMPAT_H
#define TRUEFIN_COMPAT_H

#include <features.h>

/*
 * glibc 2.38 and later turn strtol(3) and its kin into __isoc23_strtol and its kin, which older ones lack.
 * They differ in binary numbers ("0b1") alone, which nothing here reads.
 */
#undef __GLIBC_USE_C2X_STRTOL
#undef __GLIBC_USE_C23_STRTOL
#define __GLIBC_USE_C2X_STRTOL 0
#define __GLIBC_USE_C23_STRTOL 0

#endif
