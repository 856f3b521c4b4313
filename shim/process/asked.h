/*
 * The process was asked to stop, and took the signal by sigwait(3). No tracer sees that, so the library tells
 * the side-car of `truefin run --watch` by a page of memory at a known address. The page goes with the
 * process: a fork child does not get it, and an exec drops it. Nobody reads it. The side-car asks the kernel
 * whether it is there (/proc/PID/pagemap), because a read of a program's memory can wait for that program
 * (userfaultfd(2)).
 */
#ifndef TRUEFIN_ASKED_H
#define TRUEFIN_ASKED_H

#include <stdint.h>

/*
 * Where the kernel puts nothing of itself on 48 bits: below the programs (two thirds of the address space,
 * ELF_ET_DYN_BASE in arch/x86/include/asm/elf.h). The sanitizers leave it to the program, too.
 */
static const uintptr_t ASKED_AT = 0x551079000000;

/*
 * Makes the page, for a process that is watched. If something is there already, or without memory, nothing
 * happens, and the side-car takes the death for what its status says. Two system calls; keeps errno; safe in
 * signal handlers, not in a vfork child.
 */
void asked_note(void);

#endif
