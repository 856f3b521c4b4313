#include "judge/unwind.h"

#include "config.h"
#include "libc.h"
#include "process/memory.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdint.h>

/*
 * Before the unwinder enters a landing pad, the personality routine of that frame says through _Unwind_SetGR
 * which exception the pad will find in its first register. A landing pad is either clean-up, or the handler:
 * then its frame is the one that the search has found, which libgcc and LLVM libunwind alike have left in
 * private_2. (Itanium C++ ABI, exception handling, 1.6; libgcc/unwind.inc, uw_identify_context.)
 *
 * A handler's landing pad may have clean-up of its own frame to do first: all that the compiler has inlined
 * into the function that catches. So in C++ the exception is caught at __cxa_begin_catch. Rust has no such
 * call, but it frees the exception as it catches: what closes in that frame looks whether it is still there.
 */

typedef __typeof__(_Unwind_SetGR) set_register;
typedef __typeof__(_Unwind_GetCFA) get_frame;
typedef __typeof__(__cxa_begin_catch) begin_catch;

enum { NESTED = 8 }; /* exceptions thrown while another one unwinds; further ones go unseen */
static const uintptr_t LEAST_POINTER =
    65536; /* LuaJIT's personality routine puts a small number into the register */
/* "MOZ\0RUST", library/panic_unwind/src/gcc.rs: as text in memory since Rust 1.84, as a number before. */
static const uint64_t RUST = 0x54535552005a4f4d;
static const uint64_t RUST_BEFORE_1_84 = 0x4d4f5a0052555354;
static const uint64_t CXX = 0x432b2b; /* "GNUCC++", "CLNGC++", then one byte for dependent ones */

/* Weak: there if the program's own libraries bring libgcc_s, and the C++ library. */
#pragma weak _Unwind_GetCFA
void __cxa_end_catch(void) __attribute__((weak));

static void resolve_one(void **entry, const char *name)
{
    if (!__atomic_load_n(entry, __ATOMIC_RELAXED))
        libc_find(entry, name);
}

void unwind_resolve(void)
{
    if (_Unwind_GetCFA) {
        resolve_one((void **)&libc._Unwind_SetGR, "_Unwind_SetGR");
        resolve_one((void **)&libc._Unwind_GetCFA, "_Unwind_GetCFA");
#if __GLIBC_PREREQ(2, 35)
        resolve_one((void **)&libc._dl_find_object, "_dl_find_object");
#endif
    }
    if (__cxa_end_catch)
        resolve_one((void **)&libc.__cxa_begin_catch, "__cxa_begin_catch");
}

/*
 * An exception on its way. Its clean-up runs in the frame `frame`, so what closes for it stands below on the
 * stack.
 */
struct unwinding {
    const void *exception;
    uintptr_t frame;
    begin_catch *begin; /* of the language's library, if the exception came to its handler there */
    enum event event;   /* EVENT_CLOSE: it is over */
    bool looks;         /* it came to a handler that tells nobody when it has caught */
};

/* What stands behind the personality routine that calls from `site`. */
struct personality {
    const void *site;
    set_register *set_register;
    get_frame *get_frame;
    begin_catch *begin; /* NULL: nothing tells when it catches */
};

/* Initial-exec, so no allocation. The last one is the innermost. */
static __thread struct unwinding stack[NESTED];
static __thread int depth;
static __thread struct personality last;

/*
 * Are both in one library? Without dladdr(3) where there is glibc 2.35: that waits for the dynamic linker's
 * lock, which a dlopen(3) in another thread may hold while a constructor there waits for this very thread.
 */
static bool same_library(void *one, void *other)
{
#if __GLIBC_PREREQ(2, 35)
    struct dl_find_object here;
    struct dl_find_object there;
    __typeof__(_dl_find_object) *find = LIBC_ENTRY(_dl_find_object);
    if (find)
        return find(one, &here) == 0 && find(other, &there) == 0 && here.dlfo_link_map == there.dlfo_link_map;
#endif
    Dl_info first;
    Dl_info second;
    return dladdr(one, &first) && dladdr(other, &second) && first.dli_fbase == second.dli_fbase;
}

/* Two calls make a landing pad ready, the first one with the exception. */
static const struct personality *personality_at(void *site, bool first)
{
    if (last.site == site || (last.site && !first))
        return &last;
    begin_catch *begin = real_for(__cxa_begin_catch, site);
    if (begin && !same_library(*(void **)&begin, site))
        begin = NULL;
    last = (struct personality){.site = site,
                                .set_register = real_for(_Unwind_SetGR, site),
                                .get_frame = real_for(_Unwind_GetCFA, site),
                                .begin = begin};
    return &last;
}

static enum event event_of_class(uint64_t class)
{
    if (class == RUST || class == RUST_BEFORE_1_84)
        return EVENT_UNWIND;
    return (class >> 8 & 0xffffff) == CXX ? EVENT_EXCEPTION : EVENT_CLOSE;
}

static bool is_exception(uintptr_t value)
{
    return value >= LEAST_POINTER && value % sizeof(uint64_t) == 0;
}

/* glibc's malloc.c, struct malloc_chunk: the size of a chunk, with flags in its lowest bits, before its bytes. */
enum { PREV_INUSE = 1, CHUNK_FLAGS = 7, LEAST_CHUNK = 32, CHUNK_ALIGNMENT = 16 };

/* Of the chunk behind one that is in use, or that free(3) has put aside. */
static bool is_size_behind(uint64_t word)
{
    const uint64_t size = word & ~(uint64_t)CHUNK_FLAGS;
    return (word & PREV_INUSE) && size >= LEAST_CHUNK && size % CHUNK_ALIGNMENT == 0 && size >> 40 == 0;
}

/*
 * Has nobody freed the exception? Asked only where it came from glibc's allocator, as the sizes before and behind
 * it show: free(3) there writes over the first word, in which the class is. Another allocator may leave all
 * as it was. (library/panic_unwind/src/gcc.rs, struct Exception; malloc/malloc.c, tcache_put.)
 */
static bool is_still_there(const struct unwinding *one)
{
    /* Bytes that an exception takes there: an older one has more words for the unwinder. */
    enum { CHUNK = 64, OLDER_CHUNK = 96, WORDS = OLDER_CHUNK / sizeof(uint64_t) + 1 };
    enum { SIZE, CLASS, CLEANUP, PRIVATE_1, PRIVATE_2 };
    uint64_t seen[WORDS];
    if (atomic_load(&config.state) == STATE_QUIET ||
        !memory_copy(seen, (const char *)one->exception - sizeof *seen, sizeof seen))
        return false;
    const uint64_t chunk = seen[SIZE] & ~(uint64_t)CHUNK_FLAGS;
    return (chunk == CHUNK || chunk == OLDER_CHUNK) && is_size_behind(seen[chunk / sizeof *seen]) &&
           (seen[CLASS] == RUST || seen[CLASS] == RUST_BEFORE_1_84) && seen[PRIVATE_1] == 0 &&
           one->frame - seen[PRIVATE_2] <= 1;
}

/* What is over is not asked about again. */
static enum event event_of(struct unwinding *one)
{
    if (one->looks && one->event != EVENT_CLOSE && !is_still_there(one))
        one->event = EVENT_CLOSE;
    return one->event;
}

/* Forget EXCEPTION, and what was thrown while it unwound. */
static void forget(const void *exception)
{
    for (int i = 0; i < depth; i++)
        if (stack[i].exception == exception)
            depth = i;
}

/* What a longjmp, a forced unwinding or another exception has cut off cannot go on, nor what was caught. */
static void forget_below(uintptr_t frame)
{
    while (depth > 0 && (stack[depth - 1].frame < frame || event_of(&stack[depth - 1]) == EVENT_CLOSE))
        depth--;
}

static void landing(const struct personality *personality, uintptr_t frame,
                    const struct _Unwind_Exception *exception)
{
    forget(exception);
    forget_below(frame);
    enum event event = event_of_class(exception->exception_class);
    bool forced = exception->private_1 != 0;
    /* What the search found after a signal's frame is marked by one less. */
    bool caught = frame - exception->private_2 <= 1;
    bool looks = caught && !personality->begin;
    if (event == EVENT_CLOSE || forced || depth == NESTED || (looks && event != EVENT_UNWIND))
        return;
    stack[depth++] = (struct unwinding){.exception = exception,
                                        .frame = frame,
                                        .begin = caught ? personality->begin : NULL,
                                        .event = event,
                                        .looks = looks};
}

HOOK void _Unwind_SetGR(struct _Unwind_Context *context, int number, _Unwind_Word value)
{
    bool first = number == __builtin_eh_return_data_regno(0);
    const struct personality *personality = personality_at(__builtin_return_address(0), first);
    if (first && is_exception(value))
        landing(personality, personality->get_frame(context),
                (const struct _Unwind_Exception *)value); // NOLINT(performance-no-int-to-ptr): a register
    personality->set_register(context, number, value);
}

HOOK void *__cxa_begin_catch(void *exception)
{
    begin_catch *begin = NULL;
    for (int i = 0; i < depth; i++)
        if (stack[i].exception == exception)
            begin = stack[i].begin;
    forget(exception);
    return (begin ? begin : real_for(__cxa_begin_catch, __builtin_return_address(0)))(exception);
}

/*
 * Where it goes is in a register that libc has mangled. It may stay within a destructor: then an abort is
 * missed.
 */
#define JUMP(name, buffer)                                                                                   \
    HOOK void name(buffer to, int value)                                                                     \
    {                                                                                                        \
        depth = 0;                                                                                           \
        real(name)(to, value);                                                                               \
        __builtin_unreachable();                                                                             \
    }

JUMP(longjmp, jmp_buf)
JUMP(_longjmp, jmp_buf)
JUMP(siglongjmp, sigjmp_buf)
JUMP(__longjmp_chk, jmp_buf)

enum event unwind_event(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);
    enum event event = EVENT_CLOSE;
    for (int i = 0; i < depth; i++)
        if (here < stack[i].frame && event != EVENT_UNWIND && event_of(&stack[i]) != EVENT_CLOSE)
            event = stack[i].event;
    return event;
}
