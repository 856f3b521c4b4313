"""half.py PORT: answers each request with half of an answer, of the KIND that its path says, and is killed when that is delivered."""

import fcntl
import os
import signal
import socket
import struct
import sys
import termios
import time

BODY = b"x" * 4000
HEADS = {
    "raw": b"",
    "close": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (2 * len(BODY)),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY),
}


def main():
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    while True:
        peer, _ = listener.accept()
        request = b""
        while b"\r\n\r\n" not in request and (more := peer.recv(4096)):
            request += more
        kind = next((kind for kind in HEADS if b"/%s " % kind.encode() in request), None)
        if kind is None:
            peer.close()
            continue
        peer.sendall(HEADS[kind] + BODY + (b"\r\n" if kind == "chunked" else b""))
        while struct.unpack("i", fcntl.ioctl(peer, termios.TIOCOUTQ, bytes(4)))[0]:
            time.sleep(0.001)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGKILL)


main()
