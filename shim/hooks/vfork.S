/*
 * vfork(2) returns twice on one stack, so its hook cannot be C: the child's calls overwrite the frame that the
 * parent still needs. The return address goes into a register that the real vfork preserves, as libc's own does; every
 * process has its own registers, so a vfork inside a vfork child works too.
 *
 * truefin_in_vfork tells the child's hooks that they run in the parent's memory. The child sets it, the parent, who
 * runs again only when the child has execed or ended, puts back what it was.
 */
	.section .note.GNU-stack, "", %progbits
	.text
	.hidden truefin_before_vfork
	.hidden truefin_after_vfork
	.hidden truefin_in_vfork
	.globl vfork
	.type vfork, %function

#if defined(__x86_64__)
vfork:
	.cfi_startproc
	subq $8, %rsp
	.cfi_adjust_cfa_offset 8
	call truefin_before_vfork
	addq $8, %rsp
	.cfi_adjust_cfa_offset -8
	popq %r8
	.cfi_adjust_cfa_offset -8
	.cfi_register %rip, %r8
	movq truefin_in_vfork@gottpoff(%rip), %rcx
	movl %fs:(%rcx), %r9d
	movl $1, %fs:(%rcx)
	call *%rax
	pushq %r8
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rip, 0
	testl %eax, %eax
	jz 1f
	movq truefin_in_vfork@gottpoff(%rip), %rcx
	movl %r9d, %fs:(%rcx)
	movl %eax, %edi
	jmp truefin_after_vfork
1:	ret
	.cfi_endproc
#elif defined(__aarch64__)
vfork:
	.cfi_startproc
	stp x29, x30, [sp, #-16]!
	.cfi_def_cfa_offset 16
	.cfi_offset x29, -16
	.cfi_offset x30, -8
	bl truefin_before_vfork
	ldp x29, x30, [sp], #16
	.cfi_def_cfa_offset 0
	.cfi_restore x29
	.cfi_restore x30
	mov x9, x0
	mov x14, x30
	.cfi_register x30, x14
	mrs x10, tpidr_el0
	adrp x11, :gottprel:truefin_in_vfork
	ldr x11, [x11, :gottprel_lo12:truefin_in_vfork]
	add x13, x10, x11
	ldr w15, [x13]
	mov w12, #1
	str w12, [x13]
	blr x9
	mov x30, x14
	.cfi_restore x30
	cbz x0, 1f
	str w15, [x13]
	b truefin_after_vfork
1:	ret
	.cfi_endproc
#else
#error "truefin knows x86-64 and aarch64"
#endif
	.size vfork, .-vfork
