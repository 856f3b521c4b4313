#include "judge/birth.h"
#include "libc.h"

/*
 * A plug-in whose calls no hook sees: under RTLD_DEEPBIND it finds libc's functions before ours, in a
 * namespace of its own (dlmopen(3)) there are none of ours. It may close what the program has connected, and
 * that would be a false RST. So nothing is armed from then on, as after the audit. The flag is not taken
 * away: programs set it where two libraries have the same names, and would break without it.
 */
__attribute__((visibility("hidden"))) __typeof__(dlopen) *truefin_before_dlopen(const char *file, int flags);
__attribute__((visibility("hidden"))) __typeof__(dlmopen) *
truefin_before_dlmopen(Lmid_t space, const char *file, int flags);

__typeof__(dlopen) *truefin_before_dlopen(const char *file, int flags)
{
    (void)file;
    if (flags & RTLD_DEEPBIND)
        birth_blind(BLIND_PLUG_IN);
    return real(dlopen);
}

__typeof__(dlmopen) *truefin_before_dlmopen(Lmid_t space, const char *file, int flags)
{
    (void)file;
    if (space != LM_ID_BASE || (flags & RTLD_DEEPBIND))
        birth_blind(BLIND_PLUG_IN);
    return real(dlmopen);
}
