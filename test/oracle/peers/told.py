"""Measures which clients and libraries take the end of half an answer for an error. Called by scripts/peers clients."""

import argparse
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter

from relays import RELAYS, TAKES, ask

HERE = os.path.dirname(os.path.abspath(__file__))
MEASURED = os.path.join(HERE, "told.txt")
PYTHON = "/usr/bin/python3"
SHAPES = ["close-delimited", "length", "chunked"]
ENDS = ["FIN", "RST"]   # without truefin, and with its default policy
IDLE = "idle"           # no half, but a connection that is kept
WHOLE = "whole"         # no half: who takes that for an error can tell nothing
DEVNULL = subprocess.DEVNULL


def port_of(process):
    """What a program announces as "port N"."""
    said, until = b"", time.monotonic() + TAKES
    while time.monotonic() < until and not said.endswith(b"\n"):
        if select.select([process.stdout], [], [], 0.1)[0]:
            data = os.read(process.stdout.fileno(), 100)
            if not data:
                break
            said += data
    if not said.startswith(b"port "):
        raise RuntimeError("it does not listen")
    return int(said.split()[1])


def half(options, shape, end, port=0):
    """Starts half.py. Without truefin its end is a FIN."""
    command = [PYTHON, os.path.join(HERE, "half.py"), shape, str(port)]
    if end == WHOLE:
        command.append("whole")
    if end == "RST":
        command = [options.truefin, "run", "--", *command]
    return subprocess.Popen(command, stdin=DEVNULL, stdout=subprocess.PIPE, start_new_session=True)


def stop(process):
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()


class Peer:
    """NAME asks for a SHAPE by COMMAND(port, directory); a status that is not 0 is an error."""

    def __init__(self, name, package, program, command, shapes=None, version=None, build=None):
        self.name, self.package, self.program, self.command = name, package, program, command
        self.shapes, self.version, self.build = shapes or {s: s for s in SHAPES}, version, build

    def is_there(self):
        return shutil.which(self.program, path="/usr/sbin:" + os.environ["PATH"]) and \
            (not self.version or self.said() is not None)

    def said(self):
        done = subprocess.run(self.version, capture_output=True, text=True, check=False)
        found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
        return found[0] if done.returncode == 0 and found else None

    def prepare(self, directory):
        if self.build:
            subprocess.run(self.build(directory), check=True, cwd=directory,
                           env={**os.environ, "GOCACHE": os.path.join(directory, "cache"), "GO111MODULE": "off"})

    def finish(self):
        pass

    def told(self, options, shape, end, directory):
        server = half(options, self.shapes[shape], end)
        try:
            command = self.command(port_of(server), directory)
            status = subprocess.run(command, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL, timeout=TAKES,
                                    cwd=directory, check=False, env={**os.environ, "HOME": directory}).returncode
            if server.wait(TAKES) != (0 if end == WHOLE else 3):
                raise RuntimeError("half.py ended with %d" % server.returncode)
        finally:
            stop(server)
        return status != 0


class Pool(Peer):
    """Keeps a connection, whose server is killed. Does it reopen it for its next question, or fail? Another server has the port then."""

    def __init__(self, name, package, program, command, version, build=None):
        super().__init__(name, package, program, command, {IDLE: "idle"}, version, build)

    def told(self, options, shape, end, directory):
        if end == WHOLE:
            return False
        server, client = half(options, "idle", end), None
        try:
            port = port_of(server)
            client = subprocess.Popen(self.command(port, directory) + [url(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=DEVNULL, start_new_session=True, env={**os.environ, "HOME": directory})
            if client.stdout.readline() != b"next\n":
                raise RuntimeError("it does not take a whole answer")
            os.kill(server.pid, signal.SIGKILL)
            server.wait(TAKES)
            stop(server)
            server = half(options, "length", WHOLE, port)
            port_of(server)
            client.communicate(b"\n", timeout=TAKES)
            return client.returncode != 0
        finally:
            stop(server)
            if client:
                stop(client)


class Relayed(Peer):
    """A relay asks, and passes the answer on: is a careful client in front of it told?"""

    def __init__(self, relay, version):
        super().__init__(relay.name, relay.package, relay.program, None, version=version)
        self.relay, self.number = relay, 0

    def prepare(self, directory):
        self.relay.start(os.path.join(directory), 1)

    def finish(self):
        self.relay.stop()

    def told(self, options, shape, end, directory):
        self.number += 1
        backend = self.relay.backends[0]
        server = half(options, shape, end, backend)
        try:
            port_of(server)
            return ask(self.relay.port, self.relay.target(0, backend, self.number))[1]
        finally:
            stop(server)


class Ftp(Peer):
    """A server of FTP takes an upload whose data connection ends so: what does it say, 226 (transfer complete) or 4xx?"""

    def __init__(self, name, package, program, start, version):
        super().__init__(name, package, program, None, {"close-delimited": "upload"}, version)
        self.start = start

    def prepare(self, directory):
        os.chmod(directory, 0o755)
        self.process, self.port = self.start(directory)

    def finish(self):
        stop(self.process)

    def told(self, options, shape, end, directory):
        with socket.create_connection(("127.0.0.1", self.port), TAKES) as control:
            lines = control.makefile("r", newline="\n")

            def reply():
                while (line := lines.readline())[3:4] == "-" or line[:1] == " ":
                    pass
                return line

            def say(text):
                control.sendall(text.encode() + b"\r\n")
                return reply()

            reply()
            say("USER anonymous")
            login = say("PASS guest")
            if not login.startswith("230"):
                raise RuntimeError("no login: " + login)
            say("TYPE I")
            numbers = re.findall(r"\d+", say("PASV"))
            child = half(options, "upload", end, int(numbers[-2]) * 256 + int(numbers[-1]))
            try:
                first = say("STOR upload/%d" % time.monotonic_ns())
                if first[:1] != "1":
                    raise RuntimeError("STOR: " + first)
                return not reply().startswith("226")
            finally:
                child.wait(TAKES)
                stop(child)


def start_pyftpdlib(directory):
    os.mkdir(os.path.join(directory, "upload"))
    process = subprocess.Popen([PYTHON, os.path.join(HERE, "ask", "ftpd.py"), directory], stdin=DEVNULL,
                               stdout=subprocess.PIPE, start_new_session=True)
    return process, port_of(process)


def start_vsftpd(directory):
    files, empty = os.path.join(directory, "files"), os.path.join(directory, "empty")
    for path in (files, empty, os.path.join(files, "upload")):
        os.mkdir(path)
    shutil.chown(os.path.join(files, "upload"), "ftp")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {"listen": "YES", "listen_ipv6": "NO", "listen_address": "127.0.0.1", "listen_port": port, "background": "NO",
                "anonymous_enable": "YES", "anon_upload_enable": "YES", "write_enable": "YES", "anon_root": files,
                "secure_chroot_dir": empty}
    path = os.path.join(directory, "vsftpd.conf")
    with open(path, "w") as file:
        file.writelines("%s=%s\n" % item for item in settings.items())
    process = subprocess.Popen(["/usr/sbin/vsftpd", path], stdin=DEVNULL, stdout=DEVNULL, start_new_session=True)
    for _ in range(500):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.02)
    return process, port


def python(code):
    return lambda port, directory: [PYTHON, "-c", code, url(port)]


def url(port):
    return "http://127.0.0.1:%d/" % port


def here(name):
    return os.path.join(HERE, "ask", name)


def library(name):
    return [PYTHON, "-c", "import %s; print(%s)" % (name, name + (".__ver__" if name == "pyftpdlib" else ".__version__"))]


def relay(name):
    return next(r for r in RELAYS if r.name == name)


RAW = {"close-delimited": "raw"}
LENGTH_OF = {"postgres": {"length": "postgres"}, "redis": {"length": "redis"}}

PEERS = [
    Peer("curl", "curl", "curl", lambda p, d: ["curl", "-s", url(p)], version=["curl", "--version"]),
    Peer("wget", "wget", "wget", lambda p, d: ["wget", "-q", "-t1", "-O-", url(p)], version=["wget", "--version"]),
    Peer("Python, http.client's read()", "python3", PYTHON, python(
        "import http.client, sys\n"
        "c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1].split(':')[2][:-1]))\nc.request('GET', '/')\n"
        "c.getresponse().read()"), version=[PYTHON, "--version"]),
    Peer("Python, http.client's read(n)", "python3", PYTHON, python(
        "import http.client, sys\n"
        "c = http.client.HTTPConnection('127.0.0.1', int(sys.argv[1].split(':')[2][:-1]))\nc.request('GET', '/')\n"
        "r = c.getresponse()\nwhile r.read(1000): pass"), version=[PYTHON, "--version"]),
    Peer("Python, urllib3", "python3-urllib3", PYTHON, python(
        "import sys, urllib3\nurllib3.PoolManager(retries=False).request('GET', sys.argv[1])"), version=library("urllib3")),
    Peer("Python, requests", "python3-requests", PYTHON, python("import sys, requests\nrequests.get(sys.argv[1])"),
         version=library("requests")),
    Peer("Python, aiohttp", "python3-aiohttp", PYTHON, python(
        "import aiohttp, asyncio, sys\nasync def get():\n async with aiohttp.ClientSession() as s:\n"
        "  async with s.get(sys.argv[1]) as r: await r.read()\nasyncio.run(get())"), version=library("aiohttp")),
    Peer("Node, fetch", "nodejs", "node", lambda p, d: ["node", here("fetch.cjs"), url(p)], version=["node", "--version"]),
    Peer("Go, net/http", "golang-go", "go", lambda p, d: [os.path.join(d, "get"), url(p)], version=["go", "version"],
         build=lambda d: ["go", "build", "-o", os.path.join(d, "get"), here("get.go")]),
    Peer("Java, HttpClient", "openjdk-17-jdk-headless", "javac", lambda p, d: ["java", "-cp", d, "Get", url(p)],
         version=["java", "-version"], build=lambda d: ["javac", "-d", d, here("Get.java")]),
    Peer("PHP, file_get_contents", "php-cli", "php", lambda p, d: [
        "php", "-r", "set_error_handler(function () { exit(1); }); file_get_contents('%s');" % url(p)], version=["php", "--version"]),
    Peer("Ruby, Net::HTTP", "ruby", "ruby", lambda p, d: ["ruby", "-rnet/http", "-e", "Net::HTTP.get(URI('%s'))" % url(p)],
         version=["ruby", "--version"]),
    Peer("Erlang, gen_tcp", "erlang-base", "escript", lambda p, d: ["escript", here("receive.escript"), str(p)], RAW,
         ["erl", "-noshell", "-eval", "io:format(\"~s.0\", [erlang:system_info(otp_release)]), halt()."]),
    Peer("Erlang, gen_tcp with show_econnreset", "erlang-base", "escript", lambda p, d: [
        "escript", here("receive.escript"), str(p), "show"], RAW,
         ["erl", "-noshell", "-eval", "io:format(\"~s.0\", [erlang:system_info(otp_release)]), halt()."]),
    Peer("psql", "postgresql-client", "psql", lambda p, d: [
        "psql", "-X", "-h", "127.0.0.1", "-p", str(p), "-U", "user", "-d", "sslmode=disable gssencmode=disable", "-c",
        "select x"], LENGTH_OF["postgres"], ["psql", "--version"]),
    Peer("redis-cli", "redis-tools", "redis-cli", lambda p, d: ["redis-cli", "-p", str(p), "GET", "x"], LENGTH_OF["redis"],
         ["redis-cli", "--version"]),
    Ftp("pyftpdlib, an upload", "python3-pyftpdlib", PYTHON, start_pyftpdlib, library("pyftpdlib")),
    Ftp("vsftpd, an upload", "vsftpd", "vsftpd", start_vsftpd, ["dpkg-query", "-W", "-f", "${Version}", "vsftpd"]),
    Pool("Python, urllib3's pool", "python3-urllib3", PYTHON, lambda p, d: [PYTHON, here("twice.py"), "urllib3", url(p)],
         library("urllib3")),
    Pool("Python, requests' session", "python3-requests", PYTHON, lambda p, d: [PYTHON, here("twice.py"), "requests", url(p)],
         library("requests")),
    Pool("Node, fetch's pool", "nodejs", "node", lambda p, d: ["node", here("fetch.cjs"), url(p)], ["node", "--version"]),
    Pool("Go, net/http's pool", "golang-go", "go", lambda p, d: [os.path.join(d, "get"), url(p)], ["go", "version"],
         lambda d: ["go", "build", "-o", os.path.join(d, "get"), here("get.go")]),
    Pool("Java, HttpClient's pool", "openjdk-17-jdk-headless", "javac", lambda p, d: ["java", "-cp", d, "Get", url(p)],
         ["java", "-version"], lambda d: ["javac", "-d", d, here("Get.java")]),
    Relayed(relay("nginx"), ["nginx", "-v"]),
    Relayed(relay("HAProxy"), ["haproxy", "-v"]),
]
NAMES = [peer.name for peer in PEERS]


def as_cell(counts):
    """"error", "end", or how many of how many were told."""
    if not counts:
        return "-"
    told, of = counts
    return "error" if told == of else "end" if told == 0 else "error %d of %d" % (told, of)


def load():
    """{(peer, version, shape, end): (told, of)}"""
    if not os.path.exists(MEASURED):
        return {}
    with open(MEASURED) as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return {tuple(row[:4]): (int(row[4]), int(row[5])) for row in rows}


def as_page(cells):
    yield "| peer | version | " + " | ".join("%s, %s" % (shape, end) for shape in SHAPES for end in ENDS) + " |"
    yield "|---|---|" + "---|" * (len(SHAPES) * len(ENDS))
    versions = {key[0]: key[1] for key in cells}
    for name in NAMES:
        if name in versions and (name, versions[name], IDLE, "FIN") not in cells:
            row = [as_cell(cells.get((name, versions[name], shape, end))) for shape in SHAPES for end in ENDS]
            # A lie is bold: half an answer that is taken for a whole one.
            yield "| %s | %s | %s |" % (name, versions[name], " | ".join("**end**" if c == "end" else c for c in row))


def as_pools(cells):
    yield "A pool keeps a connection whose server is killed. What comes of its next request, which another server would answer?"
    yield ""
    yield "| pool | version | the kept connection gets a FIN | an RST |"
    yield "|---|---|---|---|"
    for name, version, shape, end in cells:
        if (shape, end) == (IDLE, "FIN"):
            row = [as_cell(cells[name, version, IDLE, e]).replace("end", "reopened") for e in ENDS]
            yield "| %s | %s | %s |" % (name, version, " | ".join(row))


def write(page, cells):
    with open(page) as file:
        head, _, rest = file.read().partition("<!-- told -->\n")
    with open(page, "w") as file:
        file.write(head + "<!-- told -->\n\n" + "\n".join([*as_page(cells), "", *as_pools(cells)]) + "\n\n<!-- end of told -->" +
                   rest.partition("<!-- end of told -->")[2])


def arguments():
    parser = argparse.ArgumentParser(prog="peers clients", description=__doc__)
    for name in ("--truefin", "--page"):
        parser.add_argument(name, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--server", help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=3, help="tries of each kind (default: %(default)s)")
    parser.add_argument("--peer", action="append", choices=NAMES, metavar="NAME",
                        help="only this one; may be repeated: " + ", ".join(NAMES))
    parser.add_argument("--write", action="store_true", help="put it into docs/PEERS.md")
    return parser.parse_args()


def main():
    options, cells, failed = arguments(), {}, False
    for peer in PEERS:
        if peer.name not in (options.peer or NAMES):
            continue
        if not peer.is_there():
            print("peers: left out: %s (%s)" % (peer.name, peer.package), file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as directory:
            try:
                peer.prepare(directory)
                for shape in peer.shapes:
                    if peer.told(options, shape, WHOLE, directory):
                        raise RuntimeError("an error at a whole answer, %s" % shape)
                for key in [(shape, end) for shape in peer.shapes for end in ENDS]:
                    counts = Counter(peer.told(options, *key, directory) for _ in range(options.count))
                    cells[(peer.name, peer.said(), *key)] = counts[True], options.count
                    print(peer.name, *key, as_cell((counts[True], options.count)), sep=": ", flush=True)
            except (RuntimeError, OSError, subprocess.SubprocessError) as error:
                print("FAILED: %s: %s" % (peer.name, error), flush=True)
                failed = True
            finally:
                peer.finish()
    if options.write:
        measured = {key[0] for key in cells}
        cells = {**{key: value for key, value in load().items() if key[0] not in measured}, **cells}
        with open(MEASURED, "w") as file:
            for name in NAMES:
                file.writelines("\t".join(map(str, (*key, *value))) + "\n" for key, value in cells.items() if key[0] == name)
        write(options.page, cells)
    sys.exit(1 if failed or not cells else 0)


if __name__ == "__main__":
    main()
