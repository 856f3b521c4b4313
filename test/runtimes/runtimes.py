"""The runtimes that the matrix is about: how each one's server is built, started and asked for its version."""

import os
import re
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))


def source(name):
    return os.path.join(HERE, name)


class Runtime:
    """`build` and `run` are commands; {out} in them is a file or directory of the runtime's own, {way} the way to end."""

    def __init__(self, name, package, tool, version, run, build=None, without=(), quick=False, watched=False):
        self.name, self.package, self.tool, self.version = name, package, tool, version
        self.run, self.build, self.without, self.quick, self.watched = run, build, without, quick, watched

    def is_here(self):
        return shutil.which(self.tool) is not None

    def version_text(self):
        ran = subprocess.run(self.version, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                             text=True, check=True)
        found = re.search(r"\d+(\.\d+)+|\b\d+\b", ran.stdout)
        return found.group() if found else "?"

    def prepare(self, directory):
        """Builds it; its `out` is in that directory."""
        self.out = os.path.join(directory, re.sub(r"\W+", "-", self.name))
        if self.build:
            environment = dict(os.environ, GOCACHE=os.path.join(directory, "go-cache"), GOFLAGS="-mod=mod",
                               GO111MODULE="off", HOME=directory)
            environment.update(CGO_ENABLED="1" if "cgo" in self.name else "0")
            subprocess.run([w.format(out=self.out) for w in self.build], check=True, env=environment,
                           stdout=subprocess.DEVNULL)

    def command(self, way):
        return [w.format(out=self.out, way=way) for w in self.run]


CXX = ["g++", "-O1", "-w", "-pthread", "-o", "{out}", source("server.cc")]
RUSTC = ["/usr/bin/rustc", "-o", "{out}", source("server.rs")]
GO = ["go", "build", "-o", "{out}", source("server.go")]
GCC_VERSION = ["gcc", "-dumpfullversion"]

RUNTIMES = [
    Runtime("C", "gcc", "gcc", GCC_VERSION, ["{out}", "{way}"],
            ["gcc", "-O1", "-w", "-o", "{out}", source("server.c")], without=("drop", "exception", "thread"), quick=True),
    Runtime("C++", "g++", "g++", GCC_VERSION, ["{out}", "{way}"], CXX, quick=True),
    Runtime("Rust", "rustc", "/usr/bin/rustc", ["/usr/bin/rustc", "--version"], ["{out}", "{way}"], RUSTC, quick=True),
    Runtime("Rust, panic=abort", "rustc", "/usr/bin/rustc", ["/usr/bin/rustc", "--version"], ["{out}", "{way}"],
            RUSTC + ["-C", "panic=abort"], quick=True),
    Runtime("Python", "python3", "/usr/bin/python3", ["/usr/bin/python3", "--version"],
            ["/usr/bin/python3", source("server.py"), "{way}"], quick=True),
    Runtime("Node", "nodejs", "node", ["node", "--version"], ["node", "--expose-gc", source("server.js"), "{way}"],
            without=("return",), quick=True),
    Runtime("Java", "default-jdk-headless", "javac", ["javac", "-version"],
            ["java", "-Xmx4g", "-Xshare:auto", "-XX:-CreateCoredumpOnCrash", "-cp", "{out}", "Server", "{way}"],
            ["javac", "-d", "{out}", source("Server.java")], without=("return",)),
    Runtime("Perl", "perl", "perl", ["perl", "-e", "print substr $^V, 1"], ["perl", source("server.pl"), "{way}"],
            without=("stack",), quick=True),
    Runtime("Ruby", "ruby", "ruby", ["ruby", "--version"], ["ruby", source("server.rb"), "{way}"]),
    Runtime("PHP", "php-cli", "php", ["php", "--version"], ["php", source("server.php"), "{way}"], without=("thread",)),
    Runtime("Tcl", "tcl", "tclsh", ["sh", "-c", "echo 'puts $tcl_patchLevel' | tclsh"],
            ["tclsh", source("server.tcl"), "{way}"], without=("return", "thread"), quick=True),
    Runtime("Erlang", "erlang-base", "escript", ["erl", "-noshell", "-eval",
                                                 "io:put_chars(erlang:system_info(otp_release)), halt()."],
            ["escript", source("server.erl"), "{way}"], without=("drop", "stack")),
    Runtime("sh under socat", "socat", "socat", ["sh", "-c", "socat -V | grep -o 'version [0-9.]*'"],
            ["socat", "-d", "-d", "TCP-LISTEN:0,bind=127.0.0.1", "EXEC:sh " + source("server.sh") + " {way},nofork"],
            without=("drop", "thread", "oom"), quick=True),
    Runtime("C, static", "gcc", "gcc", GCC_VERSION, ["{out}", "{way}"],
            ["gcc", "-O1", "-w", "-static", "-o", "{out}", source("server.c")], without=("drop", "exception", "thread")),
    Runtime("Go, static", "golang-go", "go", ["go", "version"], ["{out}", "{way}"], GO, without=("return",)),
    Runtime("Go, cgo", "golang-go", "go", ["go", "version"], ["{out}", "{way}"], GO, without=("return",)),
    Runtime("C, static, --watch", "gcc", "gcc", GCC_VERSION, ["{out}", "{way}"],
            ["gcc", "-O1", "-w", "-static", "-o", "{out}", source("server.c")], without=("drop", "exception", "thread"),
            watched=True),
    Runtime("Go, --watch", "golang-go", "go", ["go", "version"], ["{out}", "{way}"], GO, without=("return",), watched=True),
]
