/*
 * dlopen(3) and dlmopen(3) look at their return address, for the caller's search path and namespace: so these hooks are
 * jumps. truefin_before_dlopen and truefin_before_dlmopen (plugin.c) get the arguments and say
 * where to go on.
 */
	.section .note.GNU-stack, "", %progbits
	.text
	.hidden truefin_before_dlopen
	.hidden truefin_before_dlmopen

#if defined(__x86_64__)
.macro passes name, before
	.globl \name
	.type \name, %function
\name:
	.cfi_startproc
	pushq %rdi
	.cfi_adjust_cfa_offset 8
	pushq %rsi
	.cfi_adjust_cfa_offset 8
	pushq %rdx
	.cfi_adjust_cfa_offset 8
	call \before
	popq %rdx
	.cfi_adjust_cfa_offset -8
	popq %rsi
	.cfi_adjust_cfa_offset -8
	popq %rdi
	.cfi_adjust_cfa_offset -8
	jmp *%rax
	.cfi_endproc
	.size \name, .-\name
.endm
	passes dlopen, truefin_before_dlopen
	passes dlmopen, truefin_before_dlmopen
#elif defined(__aarch64__)
.macro passes name, before
	.globl \name
	.type \name, %function
\name:
	.cfi_startproc
	stp x29, x30, [sp, #-48]!
	.cfi_def_cfa_offset 48
	.cfi_offset x29, -48
	.cfi_offset x30, -40
	stp x0, x1, [sp, #16]
	str x2, [sp, #32]
	bl \before
	mov x16, x0
	ldp x0, x1, [sp, #16]
	ldr x2, [sp, #32]
	ldp x29, x30, [sp], #48
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	br x16
	.cfi_endproc
	.size \name, .-\name
.endm
	passes dlopen, truefin_before_dlopen
	passes dlmopen, truefin_before_dlmopen
#else
#error "truefin knows x86-64 and aarch64"
#endif
