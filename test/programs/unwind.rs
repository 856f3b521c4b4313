// unwind CASE [BYTES]: accepts one or two connections, writes "Hello." to each, and drops them as CASE says, most while a
// panic unwinds the thread. The process goes on until its peers have gone: what they see is the drop, not the exit.
// With BYTES so many more are written to the first, and "filled" is said then.
//
// No async runtime is needed to show what one does: `executor` polls two tasks in turns on one thread.
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::future::Future;
use std::io::Write;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::io::AsRawFd;
use std::panic::{catch_unwind, resume_unwind, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

#[inline(never)]
fn serve_and_panic(_connection: TcpStream) {
    panic!("in the handler");
}

#[inline(never)]
fn serve_well(_connection: TcpStream) {}

#[inline(never)]
fn panics() {
    panic!("somewhere");
}

#[inline(never)]
fn caught<F: FnOnce()>(f: F) {
    assert!(catch_unwind(AssertUnwindSafe(f)).is_err());
}

// What is caught and what is closed, in one function: the compiler makes one of each of these.
#[inline(never)]
fn lose_where_it_is_caught(connection: TcpStream) {
    let lost = catch_unwind(AssertUnwindSafe(|| {
        let _kept = connection;
        panics();
    }));
    assert!(lost.is_err());
}

#[inline(never)]
fn catch_then_close(connection: TcpStream) {
    assert!(catch_unwind(panics).is_err());
    drop(connection);
}

#[inline(never)]
fn catch_many_then_lose(connection: TcpStream) {
    let mut kept = Some(connection);
    for i in 0..20 {
        let lost = catch_unwind(AssertUnwindSafe(|| {
            let _kept = if i == 19 { kept.take() } else { None };
            panics();
        }));
        assert!(lost.is_err());
    }
}

fn panic_again(connection: TcpStream) {
    let _kept = connection;
    let payload = catch_unwind(panics).unwrap_err();
    resume_unwind(payload);
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

// What it owns outlives a panic that begins and ends in its destructor.
struct PanicsAndCatches(Option<TcpStream>);

impl Drop for PanicsAndCatches {
    fn drop(&mut self) {
        caught(panics);
        drop(self.0.take());
    }
}

// --- An allocator ---

const ROOM: usize = 1 << 26;

// Once `holds` is set, memory comes from `room`, and what is freed stays as it was.
struct Allocator {
    holds: AtomicBool,
    used: AtomicUsize,
    room: UnsafeCell<[u8; ROOM]>,
}

unsafe impl Sync for Allocator {}

unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !self.holds.load(Ordering::Relaxed) {
            return System.alloc(layout);
        }
        let at = self.used.fetch_add(layout.size() + 2 * layout.align().max(16), Ordering::Relaxed);
        assert!(at + layout.size() + 2 * layout.align() < ROOM);
        let free = (self.room.get() as *mut u8).add(at);
        free.add(free.align_offset(layout.align().max(16)))
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let room = self.room.get() as usize;
        if (memory as usize) < room || memory as usize >= room + ROOM {
            System.dealloc(memory, layout);
        }
    }
}

#[global_allocator]
static ALLOCATOR: Allocator =
    Allocator { holds: AtomicBool::new(false), used: AtomicUsize::new(0), room: UnsafeCell::new([0; ROOM]) };

// --- An executor ---

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
}

struct Yield(bool);

impl Future for Yield {
    type Output = ();
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let again = !self.0;
        self.0 = true;
        if again { Poll::Pending } else { Poll::Ready(()) }
    }
}

async fn answer(connection: TcpStream, fails: bool) {
    Yield(false).await;
    if fails {
        panic!("in a task");
    }
    Yield(false).await;
    drop(connection);
}

type Task = Pin<Box<dyn Future<Output = ()>>>;

// As runtimes do it: a panic ends its task, and the others go on.
fn run(mut tasks: Vec<Task>) {
    let waker = Waker::from(Arc::new(Nobody));
    let mut context = Context::from_waker(&waker);
    while !tasks.is_empty() {
        tasks.retain_mut(|task| {
            let poll = || task.as_mut().poll(&mut context);
            matches!(catch_unwind(AssertUnwindSafe(poll)), Ok(Poll::Pending))
        });
    }
}

extern "C" {
    fn setsockopt(fd: i32, level: i32, option: i32, value: *const [i32; 2], size: u32) -> i32;
}

// SOL_SOCKET, SO_LINGER {1, 0}
fn set_zero_linger(connection: &TcpStream) {
    let zero: [i32; 2] = [1, 0];
    assert_eq!(unsafe { setsockopt(connection.as_raw_fd(), 1, 13, &zero, 8) }, 0);
}

// A queue that is full: the kernel takes it at once.
fn fill(mut connection: TcpStream, bytes: usize) -> TcpStream {
    let size: [i32; 2] = [bytes as i32, 0];
    assert_eq!(unsafe { setsockopt(connection.as_raw_fd(), 1, 7, &size, 4) }, 0); // SOL_SOCKET, SO_SNDBUF
    connection.write_all(&vec![0; bytes]).expect("write");
    println!("filled");
    connection
}

fn main() {
    let what = std::env::args().nth(1).expect("usage: unwind CASE [BYTES]");
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    println!("port {}", listener.local_addr().expect("address").port());
    let accept = || {
        let (mut connection, _) = listener.accept().expect("accept");
        connection.write_all(b"Hello.").expect("write");
        connection
    };
    let connection = match std::env::args().nth(2) {
        Some(bytes) => fill(accept(), bytes.parse().expect("BYTES")),
        None => accept(),
    };
    match what.as_str() {
        "drop" => drop(connection),
        "panic-in-main" => serve_and_panic(connection),
        "shutdown-then-panic" => {
            connection.shutdown(Shutdown::Write).expect("shutdown");
            serve_and_panic(connection)
        }
        "shutdown-then-drop" => {
            connection.shutdown(Shutdown::Write).expect("shutdown");
            serve_well(connection);
        }
        "zero-linger-then-drop" => {
            set_zero_linger(&connection);
            serve_well(connection);
        }
        "caught" => caught(|| serve_and_panic(connection)),
        "after-the-catch" => {
            caught(panics);
            serve_well(connection);
        }
        "caught-here" => lose_where_it_is_caught(connection),
        "caught-here-of-many" => catch_many_then_lose(connection),
        "after-the-catch-here" => catch_then_close(connection),
        "after-the-catch-here-not-freed" => {
            ALLOCATOR.holds.store(true, Ordering::Relaxed);
            catch_then_close(connection)
        }
        "thread" => drop(std::thread::spawn(move || serve_and_panic(connection)).join()),
        "resumed" => caught(|| panic_again(connection)),
        "scoped-thread" => std::thread::scope(|scope| {
            drop(scope.spawn(|| serve_and_panic(connection)).join());
        }),
        "after-the-thread" => {
            drop(std::thread::spawn(panics).join());
            serve_well(connection);
        }
        "panic-in-drop" => caught(|| {
            let _last = PanicsWhenDropped;
            serve_and_panic(connection)
        }),
        "panic-in-drop-first" => caught(|| {
            let _kept = connection;
            let _first = PanicsWhenDropped;
            panics()
        }),
        "caught-in-drop" => caught(|| {
            let _last = PanicsAndCatches(Some(connection));
            panics()
        }),
        "executor" => run(vec![Box::pin(answer(connection, true)), Box::pin(answer(accept(), false))]),
        "executor-other-order" => run(vec![Box::pin(answer(connection, false)), Box::pin(answer(accept(), true))]),
        _ => panic!("no such case"),
    }
    println!("served");
    std::thread::sleep(std::time::Duration::from_secs(30));
}
