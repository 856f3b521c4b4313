/*
 * What the ELF file of a program tells: its machine, its dynamic linker, its language.
 */
#ifndef TRUEFIN_CHECK_ELF_H
#define TRUEFIN_CHECK_ELF_H

#include "answer.h"

#include <sys/stat.h>

/*
 * Can the dynamic linker load truefin into this program? FD is its open file, which begins with ELFMAG, and ST the
 * file's state. Returns EXIT_YES or EXIT_NO, with the reason in the answer. Nothing in the file is believed before it
 * was compared with the bounds of what was read: the file may be damaged or hostile.
 */
enum exit_code examine_elf(struct answer *a, int fd, const struct stat *st);

#endif
