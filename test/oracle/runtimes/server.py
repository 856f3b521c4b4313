"""server.py WAY: see README.md."""
import ctypes
import gc
import os
import socket
import sys
import threading
import time

listener = socket.create_server(("127.0.0.1", 0))
print("port", listener.getsockname()[1], flush=True)


def accept():
    connection, _ = listener.accept()
    connection.sendall(b"Hello.")
    return connection


def fail():
    connection = accept()
    raise ValueError("nobody catches this")


def deeper():
    return deeper() + 1


def main():
    connection = accept()
    return 3


way = sys.argv[1]
if way == "return":
    sys.exit(main())
if way == "thread":
    worker = threading.Thread(target=fail)
    worker.start()
    worker.join()
else:
    connection = accept()
if way == "close":
    connection.close()
elif way == "drop":
    connection = None
    gc.collect()
elif way in ("exit-0", "exit-3"):
    sys.exit(int(way[-1]))
elif way == "exception":
    raise ValueError("nobody catches this")
elif way == "abort":
    os.abort()
elif way == "segv":
    ctypes.string_at(0)
elif way == "stack":
    deeper()
elif way == "oom":
    garbage = []
    while True:
        garbage.append(b"x" * (1 << 20))
print("waiting", flush=True)
time.sleep(20)
