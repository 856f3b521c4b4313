"""Clients that ask the server themselves. Each gives what it has of the answer, and whether it tells that it failed."""

import os
import shutil
import socket
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
TAKES = 30          # seconds at most
SLOW = 0.4          # seconds over which a slow client reads: an exit waits for one second (TRUEFIN_FLUSH_AT_EXIT)
BLOCK = 65536


class Program:
    """COMMAND is made of the port, the size, and the name of a file for the body, which - is standard output."""
    caches = False

    def __init__(self, name, package, promises, tells, command, program=None, request=None):
        self.name, self.package, self.promises, self.tells = name, package, promises, tells
        self.command, self.program, self.request = command, program or name, request

    def is_there(self):
        return shutil.which(self.program)

    def ask(self, port, size, directory):
        path = os.path.join(directory, "body")
        with open(path + ".out", "wb") as out:
            ended = subprocess.run(self.command(port, size, path), stdout=out, stderr=subprocess.DEVNULL, cwd=directory,
                                   input=self.request, timeout=TAKES, env={**os.environ, "HOME": directory})
        if not os.path.exists(path):
            path += ".out"
        with open(path, "rb") as file:
            body = file.read()
        os.unlink(path)
        if self.request:
            body = body.partition(b"\r\n\r\n")[2]
        return body, ended.returncode in self.tells


class Slow:
    """Reads nothing for a while, and then little by little."""
    name, package, promises, caches = "python, slow", "python3", ("bytes", "error"), False

    def is_there(self):
        return True

    def ask(self, port, size, directory):
        del directory
        data = b""
        with socket.create_connection(("127.0.0.1", port), TAKES) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            pause = SLOW / (2 + size // BLOCK)
            try:
                while True:
                    time.sleep(pause)
                    more = connection.recv(BLOCK)
                    if not more:
                        break
                    data += more
            except ConnectionResetError:
                return data.partition(b"\r\n\r\n")[2], True
        return data.partition(b"\r\n\r\n")[2], False


def url(port):
    return "http://127.0.0.1:%d/" % port


FAILURES = range(1, 256)
CLIENTS = [
    # Its status is 0 whatever happens.
    Program("nc", "netcat-openbsd", ("bytes",), FAILURES, lambda port, size, file: ["nc", "127.0.0.1", str(port)],
            request=b"GET / HTTP/1.0\r\n\r\n"),
    Program("curl", "curl", ("bytes", "error"), [56], lambda port, size, file: ["curl", "-sS", "-o", file, url(port)]),
    Program("curl --limit-rate", "curl", ("bytes", "error"), [56],
            lambda port, size, file: ["curl", "-sS", "--limit-rate", str(int(size / SLOW)), "-o", file, url(port)], "curl"),
    Program("wget", "wget", ("bytes", "error"), [4], lambda port, size, file: ["wget", "-q", "-t", "1", "-O", file, url(port)]),
    Slow(),
    Program("Node, a stream", "nodejs", ("bytes", "error"), [1],
            lambda port, size, file: ["node", os.path.join(HERE, "client.js"), str(port), file], "node"),
    Program("lftp", "lftp", ("bytes", "error"), FAILURES,
            lambda port, size, file: ["lftp", "-c", "set net:max-retries 1; set net:reconnect-interval-base 1; get %s -o %s" %
                                      (url(port), file)]),
]
