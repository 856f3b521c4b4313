/* The note of marker.h, for tools that look at other processes. No address in it, so nothing is relocated at a start. */
	.section .note.GNU-stack, "", %progbits
	.section .note.truefin, "a", %note
	.hidden truefin_marker
	.hidden truefin_switched
	.hidden config
	.hidden counters_page
	.balign 4
	.long 2f - 1f
	.long 4f - 3f
#ifdef TRUEFIN_SIDECAR
	.long 2
#else
	.long 1
#endif
1:	.asciz "truefin"
2:	.balign 4
3:	.long truefin_marker - .
	.long truefin_switched - .
	.long config - .
	.long counters_page - .
#ifndef TRUEFIN_SIDECAR
	.hidden table_first
	.hidden table_others
	.hidden table_highest
	.hidden slots
	.hidden slots_array
	.long table_first - .
	.long table_others - .
	.long table_highest - .
	.long slots - .
	.long slots_array - .
#endif
4:
