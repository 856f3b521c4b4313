"""The runtimes that the matrix is about: how each one's server is built, started and asked for its version."""

import os
import re
import subprocess

from system import CACHE, System, own_release
from ways import GENERATIONS

HERE = os.path.dirname(os.path.abspath(__file__))


def source(name):
    return os.path.join(HERE, name)


OLDER, CURRENT = GENERATIONS
HERE_GENERATION = CURRENT if own_release() >= 13 else OLDER
THIS_SYSTEM = System()
SYSTEMS = {OLDER: System("bookworm"), CURRENT: System("trixie")}
NPM = os.path.join(CACHE, "npm/node_modules")
RUST_WEB = "/var/cache/truefin/rust-web/rustc"


class Runtime:
    """`build` and `run` are commands; {tool} in them is the program's name or path, {out} a file or directory of the
    runtime's own, {way} the way to end. `elsewhere` has patterns of where a generation's tool is, if it is not Debian's
    package of that release. `own`: the generation that this system's package counts as."""

    def __init__(self, name, package, tool, version, run, build=None, without=(), quick=False, watched=False,
                 elsewhere=None, own=HERE_GENERATION):
        self.name, self.package, self.version = name, package, version
        self.run, self.build, self.without, self.quick, self.watched = run, build, without, quick, watched
        self.tools, self.elsewhere, self.own = {g: tool for g in GENERATIONS if tool}, elsewhere or {}, own

    def generations(self):
        return [g for g in GENERATIONS if g in self.tools or g in self.elsewhere]

    def of(self, generation, without_systems):
        """The runtime of that generation, or None if it is not here. It may be in a system of its own."""
        places = [(THIS_SYSTEM, pattern) for pattern in self.elsewhere.get(generation, ())]
        if generation in self.tools:
            places += [] if without_systems else [(SYSTEMS[generation], self.tools[generation])]
            places += [(THIS_SYSTEM, self.tools[generation])] if generation == self.own else []
        for system, pattern in places:
            tool = system.find(pattern, self.package)
            if tool:
                return Placed(self, generation, system, tool)
        return None


class Placed:
    """A runtime of one generation."""

    def __init__(self, runtime, generation, system, tool):
        self.runtime, self.generation, self.system, self.tool = runtime, generation, system, tool
        self.name, self.without, self.watched = runtime.name, runtime.without, runtime.watched
        self.key = (runtime.name, generation)

    def words(self, words, way=""):
        return [w.format(tool=self.tool, out=self.out, way=way) for w in words]

    def prepare(self, directory):
        """Builds it; its `out` is in that directory."""
        self.out = os.path.join(directory, re.sub(r"[^\w+]+", "-", "%s %s" % self.key))
        ran = self.ran(self.runtime.version, directory, None, stderr=subprocess.STDOUT)
        found = re.search(r"\d+(\.\d+)+|\b\d+\b", ran)
        self.version = found.group() if found else "?"
        if self.runtime.build:
            environment = dict(os.environ, GOCACHE=os.path.join(directory, "go-cache"), GOFLAGS="-mod=mod",
                               GO111MODULE="off", GOTOOLCHAIN="local", HOME=directory)
            environment.update(CGO_ENABLED="1" if "cgo" in self.name else "0")
            self.ran(self.runtime.build, directory, environment)

    def ran(self, words, directory, environment, **options):
        return subprocess.run(self.system.command(self.words(words), directory), check=True, env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, **options).stdout

    def command(self, way):
        return self.words(self.runtime.run, way)


CC = ["{tool}", "-O1", "-w", "-o", "{out}", source("server.c")]
GCC_VERSION = ["{tool}", "-dumpfullversion"]
RUSTC = ["{tool}", "-o", "{out}", source("server.rs")]
RUST = {CURRENT: [RUST_WEB, "/usr/bin/rustc"] if HERE_GENERATION == CURRENT else [RUST_WEB]}
GO = ["{tool}", "build", "-o", "{out}", source("server.go")]
VERSION, BUILT = ["{tool}", "--version"], ["{out}", "{way}"]
NO_C = ("drop", "exception", "thread")

RUNTIMES = [
    Runtime("C", "gcc", "gcc", GCC_VERSION, BUILT, CC, without=NO_C, quick=True),
    Runtime("C++", "g++", "g++", GCC_VERSION, BUILT,
            ["{tool}", "-O1", "-w", "-pthread", "-o", "{out}", source("server.cc")], quick=True),
    Runtime("Rust", "rustc", "/usr/bin/rustc", VERSION, BUILT, RUSTC, quick=True, elsewhere=RUST),
    Runtime("Rust, panic=abort", "rustc", "/usr/bin/rustc", VERSION, BUILT, RUSTC + ["-C", "panic=abort"], quick=True,
            elsewhere=RUST),
    Runtime("Python", "python3", "/usr/bin/python3", VERSION, ["{tool}", source("server.py"), "{way}"], quick=True),
    Runtime("Node", "nodejs", "node", VERSION, ["{tool}", "--expose-gc", source("server.cjs"), "{way}"],
            without=("return",), quick=True,
            elsewhere={CURRENT: [NPM + "/node-linux-*/bin/node"]}, own=OLDER),
    Runtime("Bun", "npm's @oven/bun-linux-*", None, VERSION, ["{tool}", "--expose-gc", source("server.cjs"), "{way}"],
            without=("return",), elsewhere={CURRENT: [NPM + "/@oven/bun-linux-*/bin/bun"]}),
    Runtime("Deno", "npm's @deno/linux-*", None, VERSION,
            ["{tool}", "run", "--allow-all", "--no-remote", "--v8-flags=--expose-gc", source("server.cjs"), "{way}"],
            without=("return",), elsewhere={CURRENT: [NPM + "/@deno/linux-*/deno"]}),
    Runtime("Java", "default-jdk-headless", "javac", ["{tool}", "-version"],
            ["java", "-Xmx4g", "-Xshare:auto", "-XX:-CreateCoredumpOnCrash", "-cp", "{out}", "Server", "{way}"],
            ["{tool}", "-d", "{out}", source("Server.java")], without=("return",)),
    Runtime("Perl", "perl", "perl", ["{tool}", "-e", "print substr $^V, 1"], ["{tool}", source("server.pl"), "{way}"],
            without=("stack",), quick=True),
    Runtime("Ruby", "ruby", "ruby", VERSION, ["{tool}", source("server.rb"), "{way}"]),
    Runtime("PHP", "php-cli", "php", VERSION, ["{tool}", source("server.php"), "{way}"], without=("thread",)),
    Runtime("Tcl", "tcl", "tclsh", ["sh", "-c", "echo 'puts $tcl_patchLevel' | {tool}"],
            ["{tool}", source("server.tcl"), "{way}"], without=("return", "thread"), quick=True),
    Runtime("Erlang", "erlang-base", "escript", ["erl", "-noshell", "-eval",
                                                 "io:put_chars(erlang:system_info(otp_release)), halt()."],
            ["{tool}", source("server.erl"), "{way}"], without=("drop", "stack")),
    Runtime("sh under socat", "socat", "socat", ["sh", "-c", "{tool} -V | grep -o 'version [0-9.]*'"],
            ["{tool}", "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1", "EXEC:sh " + source("server.sh") + " {way},nofork"],
            without=("drop", "thread", "oom"), quick=True),
    Runtime("C, static", "gcc", "gcc", GCC_VERSION, BUILT, CC + ["-static"], without=NO_C),
    Runtime("Go, static", "golang-go", "go", ["{tool}", "version"], BUILT, GO, without=("return",)),
    Runtime("Go, cgo", "golang-go", "go", ["{tool}", "version"], BUILT, GO, without=("return",)),
    Runtime("C, static, --watch", "gcc", "gcc", GCC_VERSION, BUILT, CC + ["-static"], without=NO_C, watched=True),
    Runtime("Go, --watch", "golang-go", "go", ["{tool}", "version"], BUILT, GO, without=("return",), watched=True),
]
