// server WAY: see README.md.
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

fn accept(listener: &TcpListener) -> TcpStream {
    let (mut connection, _) = listener.accept().unwrap();
    connection.write_all(b"Hello.").unwrap();
    connection
}

#[allow(unconditional_recursion)]
fn deeper(above: u64) -> u64 {
    let here = [above; 1000];
    deeper(here[0] + 1) + here[999]
}

fn main() -> ExitCode {
    let way = std::env::args().nth(1).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    if way == "thread" {
        let _ = std::thread::spawn(move || {
            let _connection = accept(&listener);
            panic!("in a thread");
        })
        .join();
    } else {
        let connection = accept(&listener);
        match way.as_str() {
            "close" | "drop" => drop(connection),
            "exit-0" => std::process::exit(0),
            "exit-3" => std::process::exit(3),
            "return" => return ExitCode::from(3),
            "exception" => panic!("in main"),
            "abort" => std::process::abort(),
            // Not the null pointer, of which newer compilers make a panic.
            "segv" => unsafe { (8 as *mut u8).write_volatile(1) },
            "stack" => println!("{}", deeper(0)),
            "oom" => {
                let mut garbage = Vec::new();
                loop {
                    garbage.push(vec![1u8; 1 << 20]);
                }
            }
            _ => {
                println!("waiting");
                std::thread::sleep(std::time::Duration::from_secs(20));
            }
        }
    }
    println!("waiting");
    std::thread::sleep(std::time::Duration::from_secs(20));
    ExitCode::SUCCESS
}
