/*
 * Which process is this? A fork child has a copy of its parent's memory. What this memory says of connections is
 * the parent's, until the child has taken the steps of a new process.
 *
 *     fork child's first hook:   process_enter() -> the steps of process_at_birth(), once -> true
 *
 * How a process knows itself, without a call: a page under MADV_WIPEONFORK holds its pid, and reads as zero
 * in every kind of fork child; a thread-local flag, set by the vfork hook, marks a vfork child, whose memory
 * is its parent's.
 *
 * All keep errno, and are safe in signal handlers.
 */
#ifndef TRUEFIN_PROCESS_H
#define TRUEFIN_PROCESS_H

#include "policy.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * May this process use the table? Every hook that found something of ours asks first; false means: pass
 * through. In a new fork child it first makes the child a process of its own.
 */
bool process_enter(void);

/* As process_enter, before the first birth: makes the page. False also without memory. */
bool process_begin(void);

/*
 * STEP is done in every fork child, with its pid, before anything else; at most five steps, in this order.
 * Before main.
 */
typedef void process_step(pid_t pid);
void process_at_birth(process_step *step);

/* Our pid, without a call: after process_enter() or process_begin(). */
pid_t process_pid(void);

/*
 * Is the caller in the process that it seems to be in? Asks the kernel. For signal handlers, which may run in
 * a vfork child that no hook of ours made.
 */
bool process_is_self(void);

/* A child that shares our memory is about to be made by clone(2): from now on every entry asks for the pid. */
void process_shares_memory(void);

/* This process goes on under another pid, the caller's: daemon(3). False if it has tracked nothing yet. */
bool process_moved(void);

/*
 * The caller is the fork child of FORKER, whatever the page says. qemu-user before 10 takes MADV_WIPEONFORK
 * and does not do it: the page still names the parent.
 */
void process_is_child_of(pid_t forker);

/* The process was asked to stop, by a signal that it handles itself; was it? */
void process_note_stop(void);
bool process_stop_noted(void);

/*
 * exit(3) has begun: until the process is gone, what is closed is closed by EVENT. The first call wins. Not
 * undone in a fork child: it is in an exit handler. The event is for who asks while it is exiting.
 */
void process_note_exit(enum event event);
bool process_is_exiting(void);
enum event process_exit_event(void);

/* Set by the vfork hook in the thread that called vfork, while its child runs. */
extern __thread int truefin_in_vfork __attribute__((tls_model("initial-exec")));

/* Has libc made no second thread yet? Our own (kept/thread.h) does not count. False where libc does not tell. */
bool process_has_one_thread(void);

#endif
