"""One cell of the matrix: a server is started, asked, and its ending seen by truefin peer."""

import json
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time

from ways import DEFER_POLICY, NO_POLICY, SIGNALS

MEMORY = 160 << 20  # bytes: what a process may have before the kernel kills it
STARTS = 30         # seconds that a runtime may take to listen
ENDS = 20           # seconds that an ending may take
STAYS = 1.0         # seconds after which a connection that a living process has not ended counts as open


class Cgroup:
    """A limit of memory, under version 2 or 1. `path` is None where none can be made."""

    def __init__(self, name):
        self.path = None
        for top, limit in (("/sys/fs/cgroup", "memory.max"), ("/sys/fs/cgroup/memory", "memory.limit_in_bytes")):
            path = os.path.join(top, name)
            try:
                os.mkdir(path)
            except OSError:
                continue
            try:
                # Not created: on a plain directory there is no such file.
                limited = os.open(os.path.join(path, limit), os.O_WRONLY)
                os.write(limited, b"%d" % MEMORY)
                os.close(limited)
                self.path = path
                return
            except OSError:
                os.rmdir(path)

    def close(self):
        for _ in range(100):
            if self.path is None:
                return
            try:
                os.rmdir(self.path)
                self.path = None
            except OSError:
                time.sleep(0.05)


class Server:
    def __init__(self, command, environment, directory):
        self.process = subprocess.Popen(command, env=environment, cwd=directory, stdin=subprocess.DEVNULL, text=True,
                                        errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        start_new_session=True)
        self.lines, self.seen, self.waits = queue.Queue(), [], False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)

    def look(self, seconds):
        """What it has said until now, or in so many seconds."""
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            return
        self.seen.append(line)
        self.waits = self.waits or line.strip() == "waiting"

    def port(self):
        deadline = time.monotonic() + STARTS
        while time.monotonic() < deadline:
            self.look(0.05)
            found = re.search(r"^port (\d+)$|listening on AF=2 127\.0\.0\.1:(\d+)", "".join(self.seen), re.M)
            if found:
                return found.group(1) or found.group(2)
        raise RuntimeError("does not listen; it said:\n" + "".join(self.seen))

    def stop(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def beside(library):
    """libtruefin-io.so, with the hooks on waits."""
    return library.removesuffix(".so") + "-io.so"


def command_line(runtime, policy, way, tools, directory, cgroup):
    """The whole command for a cell."""
    command, environment = runtime.command(way), []
    if policy != NO_POLICY and runtime.watched:
        command = [tools.truefin, "run", "--watch", "-p", policy, "--", *command]
    elif policy != NO_POLICY:
        libraries = [tools.library] + ([beside(tools.library)] if policy == DEFER_POLICY else [])
        environment = ["LD_PRELOAD=" + ":".join(libraries), "TRUEFIN_POLICY=" + policy]
    # What goes there and sets the limit is not under the library.
    command = runtime.system.command(command, directory, environment)
    if way == "oom":
        command = ["sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup.path, *command]
    return command


def cell(runtime, policy, way, tools, directory):
    """"fin", "rst", "open", or "-" for what the runtime does not have or cannot be measured here."""
    if way in runtime.without:
        return "-"
    if way != "oom":
        return ending(runtime, policy, way, tools, directory, None)
    cgroup = Cgroup("truefin-" + os.path.basename(directory))
    if cgroup.path is None:
        print("runtimes: left out: oom, no cgroup with a limit can be made here", file=sys.stderr)
        return "-"
    try:
        return ending(runtime, policy, way, tools, directory, cgroup)
    finally:
        cgroup.close()


def ending(runtime, policy, way, tools, directory, cgroup):
    """What the peer of a server that ends in that way sees: "fin", "rst" or "open"."""
    environment = {"PATH": os.environ["PATH"], "HOME": directory, "LC_ALL": "C.UTF-8", "ERL_CRASH_DUMP_BYTES": "0"}
    server = Server(command_line(runtime, policy, way, tools, directory, cgroup), environment, directory)
    peer = None
    try:
        peer = subprocess.Popen([tools.peer, "--json", "--timeout", "%ds" % ENDS, "127.0.0.1", server.port()],
                                stdout=subprocess.PIPE, text=True)
        waited = None
        while peer.poll() is None:
            server.look(0.01)
            if not server.waits:
                continue
            if waited is None:
                waited = time.monotonic()
                if way in SIGNALS:
                    os.kill(server.process.pid, getattr(signal, SIGNALS[way]))
            elif way not in SIGNALS and time.monotonic() > waited + STAYS:
                return "open"
        report = json.loads(peer.stdout.read())
        if report["bytes"] != 6 or report["ending"] not in ("fin", "rst"):
            raise RuntimeError("%s, %s, %s: the peer saw %s; the server said:\n%s" %
                               ("%s %s" % (runtime.name, runtime.version), policy, way, report, "".join(server.seen)))
        return report["ending"]
    finally:
        if peer and peer.poll() is None:
            peer.kill()
        if peer:
            peer.wait()
        server.stop()
