"""Caches and relays between a client of ours and the server. Each is a stock daemon with a configuration of its own."""

import functools
import itertools
import os
import pwd
import re
import select
import shutil
import signal
import socket
import subprocess
import time

from server import starting

TAKES = 30    # seconds at most
STARTS = 20
BLOCK = 65536
WHOLE = b"Whole.\n"
WHOLE_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (
    len(WHOLE), WHOLE)


# The namespace is ours, so these are free: below those that the kernel gives to clients, and each for one start only.
ports = iter(range(10000, 32000))


def unchunked(data):
    """The body, and whether its end is there."""
    body = b""
    while True:
        line, rest, data = data.partition(b"\r\n")
        if not rest:
            return body, False
        try:
            size = int(line.split(b";")[0], 16)
        except ValueError:
            return body, False
        if size == 0:
            return body, True
        body += data[:size]
        if len(data) < size + 2:
            return body, False
        data = data[size + 2:]


def understood(data, is_reset):
    """The body of an answer, and whether its end tells a failure: as a client that is careful understands it."""
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    failed = is_reset or not lines[0].startswith((b"http/1.1 200", b"http/1.0 200"))
    if b"transfer-encoding: chunked" in lines:
        body, is_whole = unchunked(body)
        return body, failed or not is_whole
    for line in lines:
        if line.startswith(b"content-length:"):
            return body, failed or len(body) != int(line.split(b":")[1])
    return body, failed


class Question:
    """A request that is read without ever waiting, so that the same thread can answer it."""

    def __init__(self, port, target, pause=0):
        self.data, self.is_reset, self.pause = [], False, pause
        self.socket = socket.socket()
        self.socket.settimeout(TAKES)
        if pause:
            # What it does not read must not wait in its kernel.
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BLOCK // 2)
        self.socket.connect(("127.0.0.1", port))
        self.socket.sendall(b"GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n" % target.encode())

    def read(self):
        """False at the end."""
        time.sleep(self.pause)
        try:
            data = self.socket.recv(BLOCK)
        except ConnectionResetError:
            self.is_reset = True
            data = b""
        self.data.append(data)
        if not data:
            self.socket.close()
        return bool(data)

    def answer(self):
        return understood(b"".join(self.data), self.is_reset)


def ask(port, target, pause=0):
    question = Question(port, target, pause)
    while question.read():
        pass
    return question.answer()


def ask_again(port, target, backend):
    """The same, while a server at the port BACKEND gives a whole answer."""
    ends = time.monotonic() + TAKES
    with starting, socket.create_server(("127.0.0.1", backend)) as listener:
        question = Question(port, target)
        while time.monotonic() < ends:
            ready, _, _ = select.select([listener, question.socket], [], [], TAKES)
            if listener in ready:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(TAKES)
                    request = b""
                    while b"\r\n\r\n" not in request and (more := connection.recv(BLOCK)):
                        request += more
                    connection.sendall(WHOLE_ANSWER)
            if question.socket in ready and not question.read():
                break
    return question.answer()


class Relay:
    """A daemon with a place for each of PORTS, by the first part of the path."""
    promises, caches, user, files = ("cached",), True, None, ()

    def __init__(self, name, package, program, configuration, command, **more):
        self.name, self.package, self.program = name, package, program
        self.configuration, self.command = configuration, command
        self.__dict__.update(more)

    def is_there(self):
        if self.user and os.geteuid() == 0:
            with open("/proc/self/uid_map") as file:
                if not any(int(line.split()[2]) > 1000 for line in file):
                    return False
        return shutil.which(self.program, path="/usr/sbin:" + os.environ["PATH"])

    def target(self, place, backend, number):
        del backend
        return "/%d/%d" % (place, number)

    def start(self, directory, places):
        self.port, *self.backends = itertools.islice(ports, places + 1)
        os.chmod(directory, 0o755)
        run = os.path.join(directory, "run")
        os.mkdir(run)
        if self.user and os.geteuid() == 0:
            user = pwd.getpwnam(self.user)
            os.chown(run, user.pw_uid, user.pw_gid)
        path = os.path.join(directory, "configuration")
        with open(path, "w") as file:
            file.write(self.configuration(self, directory, run))
        with open(os.path.join(directory, "log"), "w") as log:
            self.process = subprocess.Popen(self.command(self, path, run), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=directory, start_new_session=True,
                                            env={**os.environ, "HOME": run, "PATH": "/usr/sbin:" + os.environ["PATH"]})
        ends = time.monotonic() + STARTS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > ends:
                    self.stop()
                    with open(os.path.join(directory, "log"), errors="replace") as log:
                        raise RuntimeError("%s does not listen; it said:\n%s" % (self.name, log.read()[-1000:])) from None
                time.sleep(0.02)

    def stop(self):
        """Its children too: it leads a session."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def each(relay, text):
    return "".join(text.format(place=place, port=port) for place, port in enumerate(relay.backends))


def apache(relay, directory, run):
    modules = ["mpm_event", "authz_core", "proxy", "proxy_http", "cache", "cache_disk"]
    user = "User %s\nGroup %s\n" % (relay.user, relay.user) if os.geteuid() == 0 else ""
    return user + "".join("LoadModule %s_module /usr/lib/apache2/modules/mod_%s.so\n" % (m, m) for m in modules) + f"""
ServerRoot {directory}
ServerName localhost
Listen 127.0.0.1:{relay.port}
PidFile {run}/pid
ErrorLog {run}/error
DefaultRuntimeDir {run}
Mutex file:{run}
CacheRoot {run}
CacheEnable disk /
CacheMaxFileSize 100000000
""" + each(relay, "ProxyPass /{place}/ http://127.0.0.1:{port}/ retry=0\n")


def haproxy(relay, directory, run):
    del directory, run
    return f"""
defaults
    mode http
    timeout client {TAKES}s
    timeout server {TAKES}s
    timeout connect {TAKES}s
cache all
    total-max-size 256
    max-object-size 10000000
    max-age 600
frontend clients
    bind 127.0.0.1:{relay.port}
""" + each(relay, "    use_backend place{place} if {{ path_beg /{place}/ }}\n") + each(relay, """
backend place{place}
    http-request cache-use all
    http-response cache-store all
    server one 127.0.0.1:{port}
""")


def nginx(relay, directory, run):
    del directory
    temporary = "".join("%s_temp_path %s/%s;\n" % (name, run, name)
                        for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = "user root root;" if os.geteuid() == 0 else ""
    return f"""
{user}
daemon off;
worker_processes 2;
pid {run}/pid;
error_log {run}/error;
events {{}}
http {{
access_log off;
{temporary}
proxy_cache_path {run}/cache keys_zone=all:10m max_size=1g;
server {{
listen 127.0.0.1:{relay.port};
proxy_cache all;
""" + each(relay, "location /{place}/ {{ proxy_pass http://127.0.0.1:{port}; }}\n") + "}}\n"


def squid(relay, directory, run):
    del directory
    return f"""
http_port 127.0.0.1:{relay.port}
http_access allow all
pid_filename {run}/pid
cache_log {run}/log
access_log none
coredump_dir {run}
pinger_enable off
visible_hostname localhost
cache_mem 1024 MB
maximum_object_size 64 MB
maximum_object_size_in_memory 64 MB
"""


def varnish(relay, directory, run):
    del directory, run
    return "vcl 4.1;\n" + each(relay, 'backend place{place} {{ .host = "127.0.0.1"; .port = "{port}"; }}\n') + \
        "sub vcl_recv {\n" + each(relay, 'if (req.url ~ "^/{place}/") {{ set req.backend_hint = place{place}; }}\n') + "}\n"


def caddy(relay, directory, run):
    del directory, run
    return f"""{{
    admin off
    auto_https off
}}
http://127.0.0.1:{relay.port}, http://test:{relay.port} {{
    bind 127.0.0.1
""" + each(relay, "    reverse_proxy /{place}/* 127.0.0.1:{port}\n") + "}\n"


class Squid(Relay):
    """It asks whom the client names."""

    def target(self, place, backend, number):
        return "http://127.0.0.1:%d/%d" % (backend, number)


class HAProxy(Relay):
    """3.0 takes a reset for an end, however late it comes, and keeps the cut answer; 2.6 does not keep it."""

    @functools.cached_property
    def promises(self):
        program = shutil.which(self.program, path="/usr/sbin:" + os.environ["PATH"])
        said = subprocess.run([program, "-v"], capture_output=True, text=True, check=True).stdout
        return ("cached",) if re.match(r"HAProxy version [12]\.", said) else ()


RELAYS = [
    Relay("Apache", "apache2-bin", "apache2", apache, lambda relay, path, run: ["apache2", "-f", path, "-D", "FOREGROUND"],
          user="www-data"),
    HAProxy("HAProxy", "haproxy", "haproxy", haproxy, lambda relay, path, run: ["haproxy", "-db", "-f", path]),
    Relay("nginx", "nginx-light", "nginx", nginx,
          lambda relay, path, run: ["nginx", "-p", run, "-c", path, "-e", run + "/error"]),
    Squid("Squid", "squid", "squid", squid, lambda relay, path, run: ["squid", "-N", "-f", path], user="proxy"),
    Relay("Varnish", "varnish", "varnishd", varnish,
          lambda relay, path, run: ["varnishd", "-F", "-j", "none", "-n", run, "-a", "127.0.0.1:%d" % relay.port,
                                    "-f", path, "-s", "malloc,256m", "-T", "none"]),
    # No cache: here to see what it passes on.
    Relay("Caddy", "caddy", "caddy", caddy,
          lambda relay, path, run: ["caddy", "run", "--config", path, "--adapter", "caddyfile"], caches=False, promises=()),
]
