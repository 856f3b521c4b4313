"""Both ends of test/programs/relay.c: a client, and a backend for each connection in turn.

    relay-ends.py CLIENT BACKEND... -- COMMAND...    with BACKEND in the place of "@"

A backend reads "Hi", sends "Hello." (or what follows a ":", or so many bytes), delivers it, and ends by "reset" or "fin"; "early"
is reset before it reads, "none" after that; "watch" reads to the end;
"again" reads once more before
it is reset; "hold" ends when the client has. CLIENT sends "Hi" and reads to the end: "read"; "slow" begins to read when the relay says "c closes";
"reset" resets its connection when the backend has read; "fin" ends its sending side first. Says what the client has seen, what
each backend has seen if it was told to, and what the relay has said.
"""

import fcntl
import socket
import struct
import subprocess
import sys
import termios
import threading
import time

LINGER_ZERO = struct.pack("ii", 1, 0)
LIMIT = 15


def read_all(peer):
    got = b""
    try:
        while data := peer.recv(65536):
            got += data
        return f"fin after {len(got)}"
    except ConnectionResetError:
        return f"rst after {len(got)}"


def deliver(peer):
    end = time.monotonic() + LIMIT
    while struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0] and time.monotonic() < end:
        time.sleep(0.001)


def serve_one(peer, kind, has_read, client_over, seen):
    end, _, text = kind.partition(":")
    if end == "watch":
        peer.recv(2)
        has_read.set()
        seen.append(read_all(peer))
        return
    if end not in ("silent", "early"):
        peer.recv(100)
    has_read.set()
    if end not in ("early", "none"):
        peer.sendall(b"x" * int(text) if text.isdigit() else text.encode() or b"Hello.")
    deliver(peer)
    if end == "again":
        peer.recv(100)
    if end in ("hold", "silent"):
        client_over.wait(LIMIT)
    elif end != "fin":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    peer.close()


def serve(listener, kinds, *rest):
    threads = []
    for kind in kinds:
        peer, _ = listener.accept()
        peer.settimeout(LIMIT)
        threads.append(threading.Thread(target=serve_one, args=(peer, kind, *rest), daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join(LIMIT)


def main():
    at = sys.argv.index("--")
    client, backends, command = sys.argv[1], sys.argv[2:at], sys.argv[at + 1:]
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(LIMIT)
    has_read, client_over, seen = threading.Event(), threading.Event(), []
    server = threading.Thread(target=serve, args=(listener, backends, has_read, client_over, seen), daemon=True)
    server.start()
    port = str(listener.getsockname()[1])
    relay = subprocess.Popen([port if word == "@" else word for word in command], stdout=subprocess.PIPE, text=True)
    peer = socket.socket()
    if client == "slow":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    peer.settimeout(LIMIT)
    peer.connect(("127.0.0.1", int(relay.stdout.readline().split()[1])))
    peer.sendall(b"Hi")
    if client == "fin":
        peer.shutdown(socket.SHUT_WR)
    if client == "slow":
        time.sleep(0.2)
    if client == "reset":
        has_read.wait(LIMIT)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        peer.close()
    else:
        print("client", read_all(peer))
    client_over.set()
    server.join(LIMIT)
    for end in seen:
        print("backend", end)
    print(relay.communicate(timeout=LIMIT)[0], end="")
    print("status", relay.returncode)


main()
