#!/usr/bin/env bats
# shellcheck disable=SC2154  # helpers set variables
# Stock python3: its HTTP server, and servers of a few lines.

load ../daemons

# python CODE: runs a script that has announce(socket) and accept() at hand. Sets $port.
python() {
    requires /usr/bin/python3
    cat >server.py <<PY
import asyncio, os, signal, socket, socketserver, subprocess, sys, threading

def announce(listener):
    print("port", listener.getsockname()[1], flush=True)

def accept():
    announce(listener := socket.create_server(("127.0.0.1", 0)))
    connection, _ = listener.accept()
    connection.sendall(b"Hello.")
    return connection

$1
PY
    launch python -p "${python_policy:-abort-on-crash}" "${interpreter:-/usr/bin/python3}" server.py
    find_port python
}

# handler CODE: serves one connection; in mid-answer it runs CODE.
handler() {
    python "connection = accept()
$1"
}

# http_server: python3 -m http.server. Its connections are kept alive.
http_server() {
    requires /usr/bin/python3
    free_port
    echo Hello. >hello
    truncate -s 20M big
    launch http /usr/bin/python3 -m http.server --protocol HTTP/1.1 --bind 127.0.0.1 "$port"
    await_listener
}

keep_alive() {
    connect_peer --output got --send 'GET /hello HTTP/1.1\r\nHost: a\r\n\r\n'
    wait_until grep -q '^Hello\.$' got
}

# --- python3 -m http.server ---

@test "http.server: SIGKILL in mid-response sends RST" {
    http_server
    connect_peer --output got --read-bytes 1000 --send 'GET /big HTTP/1.1\r\nHost: a\r\n\r\n'
    peer_has got
    kill -KILL "$(pid_of http)"
    peer_saw rst 1000
}

@test "http.server: SIGKILL sends RST on a connection kept alive" {
    http_server
    keep_alive
    kill -KILL "$(pid_of http)"
    peer_ended rst
}

@test "http.server: Ctrl-C sends FIN" {
    http_server
    keep_alive
    kill -INT "$(pid_of http)"
    peer_ended fin
    ended http exit 0
    run -0 cat http.out http.err
    assert_output --partial 'Keyboard interrupt received, exiting.'
}

@test "http.server: SIGTERM sends FIN" {
    http_server
    keep_alive
    kill -TERM "$(pid_of http)"
    peer_ended fin
    ended http signal TERM
}

@test "http.server: an answer that ends its connection ends it with FIN" {
    http_server
    connect_peer --send 'GET /hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'
    peer_ended fin
}

@test "http.server: the answer that there is no such file ends with FIN" {
    http_server
    connect_peer --send 'GET /none HTTP/1.0\r\n\r\n'
    peer_ended fin
}

@test "http.server: a whole large file arrives, then FIN" {
    http_server
    connect_peer --output got --send 'GET /big HTTP/1.0\r\n\r\n'
    peer_ended fin
    assert [ "$(stat -c %s got)" -gt 20971520 ]
}

# --- How a handler fails ---

# in_thread CODE: a thread serves one connection and waits for more; in mid-answer the main thread runs CODE.
in_thread() {
    python "answering = threading.Event()
def serve():
    connection = accept()
    answering.set()
    connection.recv(1)
threading.Thread(target=serve, daemon=True).start()
answering.wait()
$1"
}

@test "python: sys.exit(3) with a thread in mid-answer sends RST" {
    in_thread 'sys.exit(3)'
    peer_sees rst 6
    ended python exit 3
}

@test "python: an exception that nobody catches, with a thread in mid-answer, sends RST" {
    in_thread 'raise ValueError("in the main thread")'
    peer_sees rst 6
    ended python exit 1
}

# What the script has left open the interpreter closes when it ends, before it exits: the status decides.
@test "python: what the script has left open at sys.exit(3) sends RST" {
    handler 'sys.exit(3)'
    peer_sees rst 6
    ended python exit 3
}

@test "python: what the script has left open at an exception that nobody catches sends RST" {
    handler 'raise ValueError("in the main thread")'
    peer_sees rst 6
    ended python exit 1
}

@test "python: what a function holds at an exception that nobody catches sends RST" {
    python 'def serve():
    connection = accept()
    raise ValueError("in a function")
serve()'
    peer_sees rst 6
    ended python exit 1
}

@test "python: the same in an object of its own, which closes it when it is destroyed" {
    handler 'class Owner:
    def __init__(self): self.connection = connection
    def __del__(self): self.connection.close()
owner = Owner()
del connection
sys.exit(3)'
    peer_sees rst 6
    ended python exit 3
}

# SystemExit is dropped, and with it the function, before the interpreter says that it ends.
@test "python: what a function holds at sys.exit(3) is closed before, and ends with FIN" {
    python 'def serve():
    connection = accept()
    sys.exit(3)
serve()'
    peer_sees fin 6
    ended python exit 3
}

@test "python: with closes its connection by the program's own order, at an exception, too: FIN" {
    python 'with accept():
    raise ValueError("within with")'
    peer_sees fin 6
    ended python exit 1
}

@test "python: under exit=rst what the script has left open at its end sends RST" {
    python_policy=abort-on-crash,exit=rst handler 'pass'
    peer_sees rst 6
    ended python exit 0
}

@test "python: under off what the script has left open at sys.exit(3) ends with FIN" {
    python_policy=off handler 'sys.exit(3)'
    peer_sees fin 6
    ended python exit 3
}

@test "python: a FIN sent by shutdown before sys.exit(3) stays one" {
    handler 'connection.shutdown(socket.SHUT_WR); sys.exit(3)'
    peer_sees fin 6
    ended python exit 3
}

# Only the last descriptor is held; the others are the program's.
@test "python: a finaliser that closes one of two descriptors, and looks for a child, can still write to the other" {
    handler 'class Owner:
    wait = staticmethod(os.wait)
    def __init__(self): self.connection, self.copy = connection, connection.dup()
    def __del__(self):
        self.connection.close()
        try: self.wait()
        except ChildProcessError: self.copy.sendall(b"More.")
owner = Owner()
del connection
sys.exit(3)'
    peer_sees rst 11
    ended python exit 3
}

@test "python: a finaliser that closes descriptors by number closes none of ours: the status decides, RST" {
    handler 'class Owner:
    close_range = staticmethod(os.closerange)
    def __init__(self): self.connection = connection
    def __del__(self):
        self.connection.close()
        self.close_range(3, 600)
owner = Owner()
del connection
sys.exit(3)'
    peer_sees rst 6
    ended python exit 3
}

# Else both would wait for each other. What was deferred so far ends with it.
@test "python: a finaliser that closes its connection and waits for the child at the other end does not wait for ever" {
    handler 'other = socket.create_server(("127.0.0.1", 0))
child = subprocess.Popen([sys.executable, "-c", """
import socket, sys
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.recv(1)
""", str(other.getsockname()[1])], env={})
pipe, _ = other.accept()
class Owner:
    def __init__(self): self.pipe, self.child = pipe, child
    def __del__(self):
        self.pipe.close()
        self.child.wait()
owner = Owner()
del pipe
sys.exit(3)'
    peer_sees fin 6
    ended python exit 3
}

# The child has no copy of what was closed before it was forked. By libc's fork, for os.fork refuses this from 3.12 on.
@test "python: a finaliser that closes its connection and then forks ends it with FIN at once" {
    handler 'import ctypes
class Owner:
    libc = ctypes.PyDLL(None)
    def __init__(self): self.connection = connection
    def __del__(self):
        self.connection.close()
        if self.libc.fork() == 0: self.libc.pause()
owner = Owner()
del connection
sys.exit(3)'
    peer_sees fin 6
    ended python exit 3
}

@test "python: a connection that native code closes in a thread of its own while Python ends is left alone: FIN" {
    handler 'import ctypes
libc = ctypes.CDLL(None)
class Owner:
    def __init__(self): self.connection = connection
    def __del__(self):
        thread = ctypes.c_ulong()
        libc.pthread_create(ctypes.byref(thread), None, libc.close, ctypes.c_void_p(self.connection.detach()))
        libc.pthread_join(thread, None)
        libc.pause()
owner = Owner()
del connection
sys.exit(3)'
    peer_sees fin 6
}

@test "python: os._exit(0) by an exit handler of the script ends with FIN, os._exit(3) with RST" {
    local status
    for status in 0 3; do
        handler "import atexit
atexit.register(os._exit, $status)
sys.exit($((3 - status)))"
        peer_sees "$([[ $status == 0 ]] && echo fin || echo rst)" 6
        ended python exit "$status"
    done
}

@test "python: SIGKILL while it finalises sends RST" {
    handler 'class Last:
    def __init__(self): self.connection = connection
    def __del__(self):
        self.connection.close()
        os.kill(os.getpid(), signal.SIGKILL)
last = Last()
del connection'
    peer_sees rst 6
    ended python signal KILL
}

@test "python: without a descriptor to spare what it closes while it finalises ends with FIN" {
    handler 'import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))
sys.exit(3)'
    peer_sees fin 6
    ended python exit 3
}

# By another name it may be a program that embeds Python, ends it, and lives on: there it is a close.
@test "python: a program of another name that ends its Python closes with FIN" {
    ln -s /usr/bin/python3 embedding
    interpreter=./embedding handler 'sys.exit(3)'
    peer_sees fin 6
    ended python exit 3
}

@test "python: os._exit(3) sends RST" {
    handler 'os._exit(3)'
    peer_sees rst 6
    ended python exit 3
}

@test "python: os.abort() sends RST" {
    handler 'os.abort()'
    peer_sees rst 6
    ended python signal ABRT
}

@test "python: os._exit(3) sends RST with a child process alive" {
    handler 'subprocess.Popen(["sleep", "30"]); os._exit(3)'
    peer_sees rst 6
}

@test "python: os._exit(3) sends RST after a child process came and went" {
    handler 'subprocess.run(["true"], check=True); os._exit(3)'
    peer_sees rst 6
}

@test "python: os._exit(3) with a connection in a thread sends RST" {
    python 'def serve():
    connection = accept()
    os._exit(3)
threading.Thread(target=serve).start()'
    peer_sees rst 6
}

# --- How it ends well ---

@test "python: sys.exit(0) sends FIN" {
    handler 'sys.exit(0)'
    peer_sees fin 6
}

@test "python: sys.exit(0) with a thread in mid-answer sends FIN" {
    in_thread 'sys.exit(0)'
    peer_sees fin 6
    ended python exit 0
}

@test "python: the end of the script sends FIN" {
    handler 'pass'
    peer_sees fin 6
    ended python exit 0
}

@test "python: close() before sys.exit(3) leaves FIN" {
    handler 'connection.close(); sys.exit(3)'
    peer_sees fin 6
    ended python exit 3
}

@test "python: a connection that is garbage ends with FIN" {
    handler 'del connection; signal.pause()'
    peer_sees fin 6
}

@test "python: close() sends FIN with a child process alive" {
    handler 'subprocess.Popen(["sleep", "30"]); connection.close(); signal.pause()'
    peer_sees fin 6
}

@test "python: SIGTERM sends FIN" {
    handler 'signal.raise_signal(signal.SIGTERM)'
    peer_sees fin 6
    ended python signal TERM
}

@test "python: Ctrl-C raises KeyboardInterrupt, and sends FIN although nobody catches it" {
    handler 'signal.raise_signal(signal.SIGINT); signal.pause()'
    peer_sees fin 6
    ended python signal INT
    run -0 cat python.err
    assert_output --partial KeyboardInterrupt
}

@test "python: sys.exit(1) in its own SIGTERM handler sends FIN" {
    handler 'signal.signal(signal.SIGTERM, lambda *_: sys.exit(1)); signal.raise_signal(signal.SIGTERM)'
    peer_sees fin 6
    ended python exit 1
}

@test "python: its own SO_LINGER reads back as it was set, and as none before" {
    handler 'import struct
def linger(): return struct.unpack("ii", connection.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
print(linger(), flush=True)
connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 7))
print(linger(), flush=True)
connection.close()'
    peer_sees fin 6
    ended python exit 0
    said python '(0, 0)'
    said python '(1, 7)'
}

# --- asyncio ---

# asynchronous CODE: as handler, in a coroutine with `writer` at hand.
asynchronous() {
    python "async def serve(reader, writer):
    writer.write(b'Hello.')
    await writer.drain()
    $1
async def main():
    server = await asyncio.start_server(serve, '127.0.0.1', 0)
    announce(server.sockets[0])
    await server.serve_forever()
asyncio.run(main())"
}

@test "asyncio: close() sends FIN" {
    asynchronous 'writer.close()'
    peer_sees fin 6
}

@test "asyncio: os._exit(3) sends RST" {
    asynchronous 'os._exit(3)'
    peer_sees rst 6
}

@test "asyncio: SIGKILL sends RST" {
    asynchronous 'os.kill(os.getpid(), signal.SIGKILL)'
    peer_sees rst 6
}

# --- A server that forks for every connection ---

# forking CODE: as handler, in a child, with `self` at hand. Until the parent has closed its copy, the end of the child
# is the parent's to decide: await_parent waits for that.
forking() {
    python "import time
def holds(pid, link):
    for entry in os.scandir(f'/proc/{pid}/fd'):
        try:
            if os.readlink(entry) == link:
                return True
        except OSError:
            pass  # closed meanwhile
    return False
def await_parent(connection):
    while holds(os.getppid(), os.readlink(f'/proc/self/fd/{connection.fileno()}')):
        time.sleep(0.001)
class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b'Hello.')
        $1
with socketserver.ForkingTCPServer(('127.0.0.1', 0), Handler) as server:
    announce(server.socket)
    server.serve_forever()"
}

@test "ForkingTCPServer: the end of a handler sends FIN" {
    forking 'pass'
    peer_sees fin 6
    peer=second peer_sees fin 6
}

@test "ForkingTCPServer: a child that aborts sends RST, and only to its own peer" {
    forking 'await_parent(self.request); os.abort() if self.request.recv(1) == b"a" else self.request.recv(1)'
    peer=first connect_peer --send b
    nothing_unread
    peer=second peer_sees rst 6 --send a
    assert [ ! -s first.out ]
    kill -TERM "$(pid_of python)"
}

@test "ForkingTCPServer: SIGKILL of the parent leaves the child's connection alone" {
    forking 'self.request.recv(1); self.request.sendall(b"Again.")'
    connect_peer --output got
    peer_has got
    child_of "$(pid_of python)"
    kill -KILL "$(pid_of python)"
    ended python signal KILL
    kill -KILL "$child"
    peer_saw rst 6
}
