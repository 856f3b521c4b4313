/*
 * Secure execution: programs for which the dynamic linker ignores LD_PRELOAD because of the rights that they get.
 */
#ifndef TRUEFIN_CHECK_SECURE_H
#define TRUEFIN_CHECK_SECURE_H

#include <sys/stat.h>

/*
 * Says why the dynamic linker will run in secure mode (AT_SECURE), NULL if it will not. FD is the open file of the
 * program, ST its state.
 *
 * The set-id bits alone do not decide. The dynamic linker is secure if the new effective ids differ from our real
 * ones, or if a real user other than root gets file capabilities. So root can run a setuid-root program like any
 * other, and so can a user with a program that is setuid to himself. Assumed are user ids that are mapped here, and a
 * file system without nosuid (with nosuid, the answer is a needless no).
 *
 * Source: security/commoncap.c of the kernel, cap_bprm_creds_from_file().
 */
const char *why_secure(int fd, const struct stat *st);

#endif
