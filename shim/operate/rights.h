/* Why a process may not be looked at or changed, and what would mend it. */
#ifndef TRUEFIN_RIGHTS_H
#define TRUEFIN_RIGHTS_H

#include <stddef.h>
#include <sys/types.h>

/* One clause: "it belongs to user root: that user or root may (CAP_SYS_PTRACE)". ERROR: the errno of the call. */
void rights_missing(char *out, size_t size, pid_t pid, int error);

#endif
