/*
 * One build serves all distributions: it needs nothing of libc that is newer than GLIBC_2.34, with whichever libc it
 * is built (test/lint needed checks this). CMake includes this file before every other one, see CMakeLists.txt beside
 * it.
 */
#ifndef TRUEFIN_COMPAT_H
#define TRUEFIN_COMPAT_H

#include <features.h>

/*
 * glibc 2.38 and later turn strtol(3) and its kin into __isoc23_strtol and its kin, which older ones do not have. The
 * two differ only in binary numbers ("0b1"), which nothing here reads.
 */
#undef __GLIBC_USE_C2X_STRTOL
#undef __GLIBC_USE_C23_STRTOL
#define __GLIBC_USE_C2X_STRTOL 0
#define __GLIBC_USE_C23_STRTOL 0

#endif
