/*
 * unwind CASE [BYTES]: accepts a connection, writes "Hello.", and loses it as CASE says, in most cases while a C++ exception
 * unwinds the thread. The process goes on until its peer has gone: what the peer sees is the close, not the exit.
 * With BYTES so many more are written, and "filled" is said then.
 *
 * Built as a program, the same with libgcc and with all of the C++ run-time linked statically, and as a plug-in that
 * the C program `plugin` opens with RTLD_LOCAL.
 */
#include <arpa/inet.h>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <map>
#include <pthread.h>
#include <semaphore.h>
#include <stdexcept>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <ucontext.h>
#include <unistd.h>
#include <unwind.h>

namespace {

int fd;

/* Keeps what follows a frame of its own. */
#define APART __attribute__((noinline))

/* Owns the connection. */
struct Connection {
    ~Connection() { close(fd); }
};

struct Failure : std::runtime_error {
    Failure() : std::runtime_error("in the handler") {}
};

template <typename Action> struct AtEnd {
    Action action;
    APART ~AtEnd() noexcept(false) { action(); }
};
template <typename Action> AtEnd(Action) -> AtEnd<Action>;

APART void fail()
{
    throw Failure();
}

APART void serve_and_fail()
{
    Connection connection;
    fail();
}

APART void close_deep_down(int depth)
{
    if (depth > 0)
        close_deep_down(depth - 1);
    else
        close(fd);
}

void caught_above()
{
    try {
        serve_and_fail();
    } catch (const Failure &) {
    }
}

/* The commonest form: the same function owns it and catches. */
void same_function()
{
    try {
        Connection connection;
        fail();
    } catch (const std::exception &) {
    }
}

void in_the_handler()
{
    try {
        fail();
    } catch (...) {
        close(fd);
    }
}

void after_the_handler()
{
    try {
        fail();
    } catch (...) {
    }
    close_deep_down(3);
}

/* In the handler's own frame clean-up comes first, and it throws and catches itself. */
void nested_in_the_same_function()
{
    try {
        Connection connection;
        AtEnd inner{[] {
            try {
                throw 1;
            } catch (int) {
            }
        }};
        fail();
    } catch (const std::exception &) {
    }
}

APART void inner_catches()
{
    Connection connection;
    AtEnd inner{[] {
        try {
            throw 1;
        } catch (int) {
        }
    }};
    fail();
}

void nested()
{
    try {
        inner_catches();
    } catch (const Failure &) {
    }
}

/* The inner exception's clean-up, then the outer one's handler. */
void nested_then_caught()
{
    try {
        AtEnd inner{[] {
            try {
                fail();
            } catch (...) {
            }
        }};
        fail();
    } catch (...) {
    }
    close_deep_down(3);
}

APART void catches_and_throws_again()
{
    Connection connection;
    try {
        fail();
    } catch (...) {
        throw;
    }
}

void rethrown()
{
    try {
        catches_and_throws_again();
    } catch (...) {
    }
}

void rethrown_and_caught()
{
    try {
        try {
            fail();
        } catch (...) {
            throw;
        }
    } catch (...) {
        close_deep_down(3);
    }
}

APART void goes_on()
{
    Connection connection;
    try {
        fail();
    } catch (...) {
    }
}

APART void goes_on_and_fails()
{
    Connection connection;
    try {
        fail();
    } catch (...) {
    }
    throw 7;
}

void caught_in_the_middle_then_another()
{
    try {
        goes_on_and_fails();
    } catch (int) {
    }
}

APART void throws_stored()
{
    Connection connection;
    std::exception_ptr stored;
    try {
        fail();
    } catch (...) {
        stored = std::current_exception();
    }
    std::rethrow_exception(stored);
}

void exception_ptr()
{
    try {
        throws_stored();
    } catch (...) {
    }
}

/* Unwinding is a matter of one thread: another one closes while it lasts. */
void another_thread()
{
    static sem_t unwinding, closed;
    sem_init(&unwinding, 0, 0);
    sem_init(&closed, 0, 0);
    std::thread thread([] {
        try {
            AtEnd wait{[] {
                sem_post(&unwinding);
                sem_wait(&closed);
            }};
            fail();
        } catch (...) {
        }
    });
    sem_wait(&unwinding);
    close_deep_down(3);
    sem_post(&closed);
    thread.join();
}

void in_a_thread()
{
    std::thread([] { caught_above(); }).join();
}

/* --- Not C++'s own --- */

void deleted(_Unwind_Reason_Code, _Unwind_Exception *) {}

APART void raise_class(const char *letters)
{
    static _Unwind_Exception exception;
    memset(&exception, 0, sizeof exception);
    for (int i = 0; i < 8; i++)
        exception.exception_class = exception.exception_class << 8 | (unsigned char)letters[i];
    exception.exception_cleanup = deleted;
    _Unwind_RaiseException(&exception);
    abort();
}

APART void serve_and_raise(const char *letters)
{
    Connection connection;
    raise_class(letters);
}

void raise_and_catch(const char *letters)
{
    try {
        serve_and_raise(letters);
    } catch (...) {
    }
}

/* The class's bytes were the other way round before Rust 1.84. */
const char RUST[] = "TSUR\0ZOM";
const char OLD_RUST[] = "MOZ\0RUST";

void rust_panic()
{
    raise_and_catch(RUST);
}

void old_rust_panic()
{
    raise_and_catch(OLD_RUST);
}

APART void catch_and_close(const char *letters)
{
    try {
        raise_class(letters);
    } catch (...) {
        close_deep_down(3);
    }
}

void rust_panic_caught()
{
    catch_and_close(RUST);
}

void old_rust_panic_caught()
{
    catch_and_close(OLD_RUST);
}

void rust_panic_then_after()
{
    try {
        raise_class(RUST);
    } catch (...) {
    }
    close_deep_down(3);
}

void unknown_language()
{
    raise_and_catch("ELSETONG");
}

void cancelled()
{
    pthread_t thread;
    static sem_t there;
    sem_init(&there, 0, 0);
    pthread_create(
        &thread, nullptr,
        [](void *) -> void * {
            Connection connection;
            sem_post(&there);
            for (;;)
                sleep(1);
        },
        nullptr);
    sem_wait(&there);
    pthread_cancel(thread);
    pthread_join(thread, nullptr);
}

void thread_exits()
{
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void *) -> void * {
            Connection connection;
            pthread_exit(nullptr);
        },
        nullptr);
    pthread_join(thread, nullptr);
}

/* The compiler must not see that it never comes back, or it drops the handler, and then nothing unwinds. */
volatile bool jumps = true;

jmp_buf out;

APART void fail_and_jump()
{
    try {
        AtEnd jump{[] {
            if (jumps)
                longjmp(out, 1);
        }};
        fail();
    } catch (const Failure &) {
    }
}

void jumped_out()
{
    if (setjmp(out) == 0)
        fail_and_jump();
    close_deep_down(3);
}

/* Forced, as for pthread_exit, but with the class of a C++ exception. It ends in the frame that has FROM. */
_Unwind_Reason_Code until(int, _Unwind_Action, _Unwind_Exception_Class, _Unwind_Exception *, _Unwind_Context *at,
                          void *from)
{
    if (_Unwind_GetCFA(at) > reinterpret_cast<_Unwind_Ptr>(from))
        longjmp(out, 1);
    return _URC_NO_REASON;
}

APART void serve_and_force(void *from)
{
    static _Unwind_Exception exception;
    Connection connection;
    exception.exception_class = 0x474e5543432b2b00; /* "GNUCC++" */
    exception.exception_cleanup = deleted;
    _Unwind_ForcedUnwind(&exception, until, from);
}

void forced()
{
    char here;
    if (setjmp(out) == 0)
        serve_and_force(&here);
}

sigjmp_buf signal_out;

APART void fail_and_sigjump()
{
    try {
        AtEnd jump{[] {
            if (jumps)
                siglongjmp(signal_out, 1);
        }};
        fail();
    } catch (const Failure &) {
    }
}

void jumped_out_by_siglongjmp()
{
    if (sigsetjmp(signal_out, 1) == 0)
        fail_and_sigjump();
    close_deep_down(3);
}

/* --- Another stack --- */

ucontext_t thread_context, coroutine_context;

APART void fail_and_yield()
{
    try {
        AtEnd yield{[] { swapcontext(&coroutine_context, &thread_context); }};
        fail();
    } catch (const Failure &) {
    }
}

/* A coroutine waits in a destructor, with its exception on its way; the thread goes on and closes. */
void coroutine_unwinds()
{
    static char stack[256 * 1024]; /* below the thread's own */
    getcontext(&coroutine_context);
    coroutine_context.uc_stack.ss_sp = stack;
    coroutine_context.uc_stack.ss_size = sizeof stack;
    makecontext(&coroutine_context, fail_and_yield, 0);
    swapcontext(&thread_context, &coroutine_context);
    close_deep_down(3);
}

/* --- Ends of the process --- */

void uncaught()
{
    std::thread(serve_and_fail).join();
}

APART void promises() noexcept
{
    Connection connection;
    fail();
}

APART void catches_all()
{
    try {
        promises();
    } catch (...) {
    }
}

APART int throw_and_catch()
{
    try {
        fail();
    } catch (const Failure &failure) {
        return failure.what()[0];
    }
    return 0;
}

/* Many, one in the other and one after the other: nothing is left behind. */
APART void many(int levels)
{
    AtEnd deeper{[levels] {
        try {
            if (levels > 0)
                many(levels - 1);
        } catch (...) {
        }
    }};
    fail();
}

void many_then_close()
{
    for (int i = 0; i < 1000; i++) {
        throw_and_catch();
        try {
            many(20);
        } catch (...) {
        }
    }
    close_deep_down(3);
}

APART void close_in_many(int levels)
{
    AtEnd deeper{[levels] {
        try {
            if (levels > 0)
                close_in_many(levels - 1);
            else
                close_deep_down(3);
        } catch (...) {
        }
    }};
    fail();
}

void nested_twenty_deep()
{
    try {
        close_in_many(20);
    } catch (...) {
    }
}

const std::map<std::string, void (*)()> cases = {
    {"caught-above", caught_above},
    {"same-function", same_function},
    {"in-the-handler", in_the_handler},
    {"after-the-handler", after_the_handler},
    {"nested", nested},
    {"nested-in-the-same-function", nested_in_the_same_function},
    {"nested-then-caught", nested_then_caught},
    {"nested-twenty-deep", nested_twenty_deep},
    {"rethrown", rethrown},
    {"rethrown-and-caught", rethrown_and_caught},
    {"caught-in-the-middle", goes_on},
    {"caught-in-the-middle-then-another", caught_in_the_middle_then_another},
    {"exception-ptr", exception_ptr},
    {"another-thread", another_thread},
    {"in-a-thread", in_a_thread},
    {"rust-panic", rust_panic},
    {"old-rust-panic", old_rust_panic},
    {"rust-panic-caught", rust_panic_caught},
    {"old-rust-panic-caught", old_rust_panic_caught},
    {"rust-panic-then-after", rust_panic_then_after},
    {"unknown-language", unknown_language},
    {"cancelled", cancelled},
    {"thread-exits", thread_exits},
    {"jumped-out", jumped_out},
    {"jumped-out-by-siglongjmp", jumped_out_by_siglongjmp},
    {"coroutine-unwinds", coroutine_unwinds},
    {"forced", forced},
    {"uncaught", uncaught},
    {"through-noexcept", catches_all},
    {"many-then-close", many_then_close},
};

/* Until the peer has gone, and with it all that a test may want to see. */
void stay()
{
    for (int i = 0; i < 30; i++)
        sleep(1);
}

} // namespace

/* A queue that is full: the kernel takes it at once. */
static bool fill(int bytes)
{
    const std::string block(static_cast<size_t>(bytes), 'x');
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes) != 0 || write(fd, block.data(), block.size()) != bytes)
        return false;
    puts("filled");
    return fflush(stdout) == 0;
}

extern "C" int run_full(const char *name, int bytes)
{
    sockaddr_in at = {};
    socklen_t size = sizeof at;
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto found = cases.find(name);
    if (found == cases.end())
        return 2;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(listener, (sockaddr *)&at, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (sockaddr *)&at, &size) != 0)
        return 1;
    printf("port %d\n", ntohs(at.sin_port));
    fflush(stdout);
    fd = accept(listener, nullptr, nullptr);
    if (write(fd, "Hello.", 6) != 6)
        return 1;
    if (bytes > 0 && !fill(bytes))
        return 1;
    found->second();
    stay();
    return 0;
}

extern "C" int run(const char *name)
{
    return run_full(name, 0);
}

#ifndef PLUGIN
int main(int argc, char **argv)
{
    return argc == 2 || argc == 3 ? run_full(argv[1], argc == 3 ? atoi(argv[2]) : 0) : 2;
}
#endif
