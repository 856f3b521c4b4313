"""half.py SHAPE PORT [whole]: sends half of something to one peer, and exits with status 3; or all of it, and ends well.

Listens at PORT (0: any, and says "port N"). As "upload" it connects to PORT instead.
"""

import os
import signal
import socket
import struct
import sys

HALF, WHOLE = 5000, 10000
HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CLOSE = b"Connection: close\r\n"


def message(kind, body):
    """Of PostgreSQL's protocol, version 3."""
    return kind + struct.pack("!I", len(body) + 4) + body


def postgres(connection):
    """A session without a password, and half of the only row of an answer."""
    connection.recv(65536)
    connection.sendall(message(b"R", struct.pack("!I", 0)) + message(b"Z", b"I"))
    connection.recv(65536)
    column = b"text\0" + struct.pack("!IhIhih", 0, 0, 25, -1, -1, 0)
    row = message(b"D", struct.pack("!hi", 1, WHOLE) + b"x" * WHOLE)
    return message(b"T", struct.pack("!h", 1) + column) + row[:HALF], row[HALF:] + message(b"C", b"SELECT 1\0") + message(b"Z", b"I")


def redis(connection):
    connection.recv(65536)
    return b"$%d\r\n" % WHOLE + b"x" * HALF, b"x" * HALF + b"\r\n"


def http(head, rest):
    def answer(connection):
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        return HTTP + head, rest
    return answer


BODY = b"x" * HALF
# How each begins, which is half of it, and what is missing then.
SHAPES = {
    "close-delimited": http(CLOSE + b"\r\n" + BODY, BODY),
    "length": http(CLOSE + b"Content-Length: %d\r\n\r\n" % WHOLE + BODY, BODY),
    # After a whole chunk: only the last one, of no bytes, is missing.
    "chunked": http(CLOSE + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (HALF, BODY), b"0\r\n\r\n"),
    # Whole, on a connection that stays open.
    "idle": http(b"Content-Length: %d\r\n\r\n" % HALF + BODY, b""),
    "raw": lambda connection: (BODY, BODY),
    "upload": lambda connection: (BODY, BODY),
    "postgres": postgres,
    "redis": redis,
}


def main():
    shape, port = sys.argv[1], int(sys.argv[2])
    if shape == "upload":
        connection = socket.create_connection(("127.0.0.1", port))
    else:
        listener = socket.create_server(("127.0.0.1", port))
        print("port", listener.getsockname()[1], flush=True)
        connection, _ = listener.accept()
    begin, rest = SHAPES[shape](connection)
    connection.sendall(begin)
    if shape == "idle":
        signal.pause()
    if sys.argv[3:] != ["whole"]:
        os._exit(3)
    connection.sendall(rest)
    while shape in ("postgres", "redis") and connection.recv(65536):
        pass


main()
