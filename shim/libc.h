/*
 * The real functions behind the hooks: the next ones in the search order, so that other preload libraries
 * keep working. The types come from the functions' own declarations.
 */
#ifndef TRUEFIN_LIBC_H
#define TRUEFIN_LIBC_H

#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <sched.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>
#include <unwind.h>

/* Marks a hook: everything else is hidden. */
#define HOOK __attribute__((visibility("default")))

/*
 * For large state that most processes never touch: kept apart, so that what every process writes at its start
 * lies on a page that relocation has written already.
 */
#define COLD __attribute__((section(".bss.cold")))

/*
 * For what parent and child write for each connection that a fork gives: each of them copies a page of it. So it
 * has a page of its own, in the order in which the files are linked, with the first descriptors of the table at
 * the end. The name is none of .bss, whose alignment it would change, and compilers know it for zeros.
 */
#define HOT      __attribute__((section(".sbss.hot")))
#define HOT_PAGE 4096

/* Not in any header: what crt1.o calls (glibc csu/libc-start.c), and two old names of signal(3). */
int __libc_start_main(int (*main)(int, char **, char **), int argc, char **argv, void (*init)(void),
                      void (*fini)(void), void (*rtld_fini)(void), void *stack_end);
__sighandler_t bsd_signal(int number, __sighandler_t handler);
/* capset(2): libc has it, the header with its declaration comes with libcap. */
int capset(struct __user_cap_header_struct *header, const struct __user_cap_data_struct *data);
/* What C++ calls (Itanium C++ ABI, exception handling, 2.5), and what longjmp is under _FORTIFY_SOURCE. */
void *__cxa_begin_catch(void *exception);
void __longjmp_chk(jmp_buf to, int value) __attribute__((noreturn));
/* What AddressSanitizer and LeakSanitizer ask for (sanitizer/asan_interface.h, lsan_interface.h). */
const char *__asan_default_options(void);
int __lsan_is_turned_off(void);
/* What printf(3) and its kin are under _FORTIFY_SOURCE. */
int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list values);
int __vdprintf_chk(int fd, int flag, const char *format, va_list values);
/* What these are under it. */
int __poll_chk(struct pollfd *fds, nfds_t count, int time, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *time, const sigset_t *mask,
                size_t size);
size_t __fread_chk(void *data, size_t room, size_t size, size_t count, FILE *stream);
char *__fgets_chk(char *text, size_t room, int size, FILE *stream);
ssize_t __read_chk(int fd, void *data, size_t size, size_t room);
ssize_t __recv_chk(int fd, void *data, size_t size, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *data, size_t size, size_t room, int flags, struct sockaddr *from,
                       socklen_t *from_size);

/* The list of names: the library beside, shim/io/, has one of its own. */
#ifndef CALLS
#define CALLS "calls.def"
#endif

struct libc {
#define CALL(name) __typeof__(name) *name; /* NOLINT(bugprone-macro-parentheses): it is a declaration */
#define LATE(name) CALL(name)
#define ASK(name)  CALL(name)
#define OWN(name)  CALL(name)
#define ALIAS(name, other)
#include CALLS
#undef CALL
#undef LATE
#undef ASK
#undef OWN
#undef ALIAS
};

extern struct libc libc;

/*
 * Fills the whole table, with dlsym(3), which takes the dynamic linker's lock: called before the first thread
 * is made (threads.c) and the first socket is watched. Idempotent.
 */
void libc_resolve(void);

/* One entry, in a process with one thread and no socket; NULL if it is nowhere. */
void *libc_find(void **entry, const char *name);

/*
 * The same for a name that a hook has made known to the program: where libc lacks the function (close_range
 * in musl), the entry becomes one that fails with ENOSYS. A program that looks a name up with dlsym(3) finds
 * us.
 */
void *libc_need(void **entry, const char *name);

#define LIBC_ENTRY(name) __atomic_load_n(&libc.name, __ATOMIC_RELAXED)

/* The real function: real(close)(fd). Safe wherever the function is. */
#define real(name)                                                                                           \
    (__builtin_expect(LIBC_ENTRY(name) != NULL, 1)                                                           \
         ? LIBC_ENTRY(name)                                                                                  \
         : (__typeof__(name) *)libc_need((void **)&libc.name, #name))

/*
 * The real function of a name marked LATE, for the library that CALLER, a return address, stands in: NULL if
 * it is nowhere. Once found for all it costs a load. Uses the dynamic linker: not for signal handlers.
 */
void *libc_find_for(void **entry, const char *name, const void *caller);

#define real_for(name, caller)                                                                               \
    (__builtin_expect(LIBC_ENTRY(name) != NULL, 1)                                                           \
         ? LIBC_ENTRY(name)                                                                                  \
         : (__typeof__(name) *)libc_find_for((void **)&libc.name, #name, caller))

#endif
