// The mission's server in Rust: a handler writes "Hello.\n" through a BufWriter and then fails, or does not.
//
//     seed ok|err|panic|exit|overflow [thread]
//
// Prints "port N" and serves one connection, in a thread of its own if so asked. Nothing here closes the
// connection in so many words: the values that own it are dropped, by the end of the scope or by unwinding.
use std::io::{self, BufWriter, Write};
use std::net::{TcpListener, TcpStream};

// Each call looks at its caller's frame, so no compiler makes a loop of it.
#[inline(never)]
#[allow(unconditional_recursion)]
fn overflow(above: &[usize; 512]) -> usize {
    let frame = [above[0] + 1; 512];
    overflow(&frame) + unsafe { std::ptr::read_volatile(&frame[above[0] % 512]) }
}

fn handle(connection: TcpStream, how: &str) -> io::Result<()> {
    let mut out = BufWriter::new(connection);
    writeln!(out, "Hello.")?;
    out.flush()?;
    match how {
        "err" => Err(io::Error::new(io::ErrorKind::Other, "no more to say")),
        "panic" => panic!("in the handler"),
        "overflow" => Err(io::Error::new(io::ErrorKind::Other, overflow(&[0; 512]).to_string())),
        "exit" => std::process::exit(0),
        _ => Ok(()),
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let how = arguments.get(1).cloned().unwrap_or_default();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("port {}", listener.local_addr()?.port());
    let (connection, _) = listener.accept()?;
    if arguments.len() > 2 {
        // The process outlives the handler's panic, as a server does.
        let _ = std::thread::spawn(move || handle(connection, &how)).join();
        println!("joined");
        return Ok(());
    }
    handle(connection, &how)
}
