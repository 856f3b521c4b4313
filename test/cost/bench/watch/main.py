#!/usr/bin/env python3
"""What the side-car costs: the same work without it, without it again, and under `truefin run --watch`, in turns.

scripts/bench-watch runs this. What is not installed is left out, and said.

Two things are measured: the time that the work takes, and the processor time that the program and the side-car take for
it together, which other work on the machine disturbs less.
"""

import argparse
import ctypes
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

VARIANTS = "none", "again", "watched"
LIMIT = 60  # seconds that nothing takes
PR_SET_CHILD_SUBREAPER = 36


class Missing(Exception):
    pass


def tool(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin")
    if not path:
        raise Missing(name)
    return path


def under(variant, command, policy=None):
    if variant != "watched":
        return command
    settings = ["env", f"TRUEFIN_POLICY={policy}"] if policy else []
    return [*settings, os.environ["WATCH"], "--preload", os.environ["LIBRARY"], "--", *command]


def output(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"bench-watch: {command}: {done.stderr}")
    return done.stdout


def reap_all():
    """The side-car is nobody's child, so it comes to us, its nearest subreaper."""
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def processor_time():
    """Of all children that have been reaped."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class Program:
    """A program that does its work and prints the seconds that it took."""

    def __init__(self, *command, policy=None):
        self.command, self.policy = command, policy

    def begin(self, place):
        pass

    def end(self):
        pass

    def measure(self, variant):
        before = processor_time()
        took = float(output(under(variant, self.command, self.policy)).split()[-1])
        reap_all()
        return took, processor_time() - before


class Answers(Program):
    """A server that answers a byte to each connection and closes it; the client, which is never watched, measures."""

    def __init__(self, units, *command, policy):
        super().__init__(*command, str(units), policy=policy)
        self.units = units

    def measure(self, variant):
        before = processor_time()
        with subprocess.Popen(under(variant, self.command, self.policy), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              text=True) as server:
            port = server.stdout.readline().split()[1]
            took = float(output([BOUND, "connections", str(self.units), port]))
        reap_all()
        return took, processor_time() - before


class Starts:
    """A program that does nothing, started N times."""

    def __init__(self, times, *command):
        self.times, self.command = times, command

    def begin(self, place):
        pass

    def end(self):
        pass

    def measure(self, variant):
        before, begin = processor_time(), time.monotonic()
        for _ in range(self.times):
            output(under(variant, self.command))
            reap_all()
        return time.monotonic() - begin, processor_time() - before


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def await_listener(port, process):
    for _ in range(1000):
        if process.poll() is not None:
            break
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.01)
    sys.exit(f"bench-watch: {process.args} does not listen")


class Server:
    """One server for each variant, which all stay; a client that measures."""

    def begin(self, place):
        self.port, self.process = {}, {}
        for variant in VARIANTS:
            here = os.path.join(place, variant)
            os.mkdir(here)
            port = self.port[variant] = free_port()
            self.process[variant] = subprocess.Popen(under(variant, self.command(here, port)), cwd=here,
                                                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            await_listener(port, self.process[variant])
            self.fill(port)

    def fill(self, port):
        pass

    def busy(self, variant):
        """Seconds on a processor so far: the server, its children and the side-car (proc(5), schedstat)."""
        pid = self.process[variant].pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            pids = [pid, *map(int, children.read().split())]
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            pids.append(next(int(line.split()[1]) for line in status if line.startswith("TracerPid")))
        total = 0
        for one in filter(None, pids):
            for task in os.listdir(f"/proc/{one}/task"):
                with open(f"/proc/{one}/task/{task}/schedstat", encoding="ascii") as used:
                    total += int(used.read().split()[0])
        return total / 1e9

    def measure(self, variant):
        before = self.busy(variant)
        took, units = self.work(variant)
        return took / units, (self.busy(variant) - before) / units

    def end(self):
        for process in self.process.values():
            process.send_signal(signal.SIGTERM)
        for process in self.process.values():
            process.wait(LIMIT)
        reap_all()


class Nginx(Server):
    def __init__(self):
        self.nginx, self.wrk = tool("nginx"), tool("wrk")

    def command(self, here, port):
        with open(f"{here}/index.html", "w", encoding="ascii") as page:
            page.write("Hello.\n" * 100)
        with open(f"{here}/conf", "w", encoding="ascii") as conf:
            conf.write(f"daemon off; pid {here}/pid; error_log {here}/log; worker_processes 1; user root;\n"
                       "events {}\n"
                       f"http {{ access_log off; client_body_temp_path {here}/b; proxy_temp_path {here}/p;\n"
                       f"fastcgi_temp_path {here}/f; uwsgi_temp_path {here}/u; scgi_temp_path {here}/s;\n"
                       f"server {{ listen 127.0.0.1:{port}; root {here}; }} }}\n")
        return [self.nginx, "-p", here, "-c", f"{here}/conf"]

    def work(self, variant):
        text = output([self.wrk, "-t1", "-c16", "-d1s", f"http://127.0.0.1:{self.port[variant]}/index.html"])
        return 1, float(text.split(" requests in ")[0].split()[-1])


class Redis(Server):
    """Every measurement begins with a BGSAVE."""

    def __init__(self, requests):
        self.redis, self.bench, self.client = tool("redis-server"), tool("redis-benchmark"), tool("redis-cli")
        self.requests = str(requests)

    def command(self, here, port):
        return [self.redis, "--port", str(port), "--bind", "127.0.0.1", "--dir", here, "--save", ""]

    def fill(self, port):
        output([self.client, "-p", str(port), "DEBUG", "POPULATE", "200000", "key", "100"])

    def work(self, variant):
        port = str(self.port[variant])
        output([self.client, "-p", port, "BGSAVE"])
        begin = time.monotonic()
        output([self.bench, "-p", port, "-t", "set,get", "-n", self.requests, "-c", "16", "-q"])
        took = time.monotonic() - begin
        while "rdb_bgsave_in_progress:1" in output([self.client, "-p", port, "INFO", "persistence"]):
            time.sleep(0.01)
        return took, 1


def java(place, units):
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Work.java")
    output([tool("javac"), "-d", place, source])
    return Program(tool("java"), "-cp", place, "-Xmx64m", "Work", str(units))


def go(place):
    built = os.path.join(place, "work")
    if not os.path.exists(built):
        subprocess.run(["env", "CGO_ENABLED=0", "GO111MODULE=off", f"GOCACHE={place}/cache", tool("go"), "build", "-o", built,
                        os.path.join(os.path.dirname(os.path.abspath(__file__)), "work.go")], check=True, timeout=300)
    return built


def node(units):
    return Program(tool("node"), os.path.join(os.path.dirname(os.path.abspath(__file__)), "work.js"), str(units))


BOUND = os.path.join(os.environ["BUILD_DIR"], "test", "cost", "bench", "bound")

WORK = [
    ("Go, four goroutines making garbage", lambda place: Program(go(place), "collect", "2000")),
    ("Go, echo on 32 connections", lambda place: Program(go(place), "echo", "4000")),
    ("Go, closes: answers a byte and closes, always-fin",
     lambda place: Answers(20000, go(place), "answer", policy="always-fin")),
    ("Go, closes: the same, close=fin", lambda place: Answers(20000, go(place), "answer", policy="close=fin")),
    ("Go, closes: echo on 32 connections, always-fin", lambda place: Program(go(place), "echo", "4000", policy="always-fin")),
    ("Go, closes: a file opened and closed, always-fin", lambda place: Program(go(place), "files", "20000", policy="always-fin")),
    ("Go, collections that must interrupt loops: signal-bound", lambda place: Program(go(place), "preempt", "3")),
    ("JVM, four threads making garbage, safepoints", lambda place: java(place, 10000)),
    ("node, objects to JSON and back", lambda place: node(2000)),
    ("redis, sets and gets beside BGSAVE", lambda place: Redis(15000)),
    ("nginx under wrk", lambda place: Nginx()),
    ("start and end of /bin/true", lambda place: Starts(100, "/bin/true")),
    ("a signal to itself", lambda place: Program(BOUND, "signals", "20000")),
    ("a thread started and joined", lambda place: Program(BOUND, "threads", "3000")),
    ("a process forked and waited for", lambda place: Program(BOUND, "processes", "1500")),
]


def interval(ratios):
    """Half the width of the 95 % interval of a median, from the order statistics."""
    ratios, n = sorted(ratios), len(ratios)
    reach = int(0.98 * n ** 0.5 + 1)
    return (ratios[min(n - 1, n // 2 + reach)] - ratios[max(0, n // 2 - reach)]) / 2


def cell(values, bare):
    ratios = [value / without for value, without in zip(values, bare)]
    low, _, high = statistics.quantiles(ratios, n=4)
    return f"{statistics.median(ratios):.3f} ± {interval(ratios):.3f} ({low:.3f} to {high:.3f})"


def measure(make, rounds):
    place = tempfile.mkdtemp(prefix="bench-watch.")
    found = {variant: [] for variant in VARIANTS}
    try:
        work = make(place)
        work.begin(place)
        try:
            for number in range(rounds + 1):
                for variant in random.sample(VARIANTS, len(VARIANTS)):
                    pair = work.measure(variant)
                    if number:  # the first round warms up
                        found[variant].append(pair)
        finally:
            work.end()
    finally:
        shutil.rmtree(place, ignore_errors=True)
    cells = []
    for which in (1, 0):
        bare = [pair[which] for pair in found["none"]]
        cells += [cell([pair[which] for pair in found[variant]], bare) for variant in VARIANTS[1:]]
    return " | ".join(cells)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    print(f"Ratios to the same work unwatched: median of {options.rounds} paired rounds ± its 95 % interval (quartiles):\n")
    print("| work | processor time, again | processor time, watched | time, again | time, watched |\n|---|---|---|---|---|",
          flush=True)
    missing = []
    for name, make in WORK:
        if options.only not in name:
            continue
        print("bench-watch:", name, file=sys.stderr, flush=True)
        try:
            print(f"| {name} | {measure(make, options.rounds)} |", flush=True)
        except Missing as tool_name:
            missing.append(f"{name} ({tool_name})")
    if missing:
        print("\nNot measured, for want of a tool:", ", ".join(missing) + ".")


main()
