"""Carries out one tree with real processes, is the peer of all its connections, and compares with the model.

All waiting is for a condition and bounded by PATIENCE. The driver is the subreaper of the tree, so that no process of
it gets lost, and the tree is one process group, so that none outlives it.
"""
import ctypes
import errno
import os
import resource
import select
import signal
import socket
import struct
import time

from model import LAST_TREE, LISTENER, World

PATIENCE = 5.0
SHORT = 0.003  # seconds that a process may wait for its peers before these begin to read
SMALL = 16384  # bytes: the peers' receive buffer, less than what is written
MAIL_OUT, MAIL_IN, NOTHING = 891, 892, 893  # as in agent.c
PR_SET_CHILD_SUBREAPER = 36
ABORT = struct.pack("ii", 1, 0)  # linger zero: the driver's own sockets leave nothing behind


class Failure(Exception):
    """Something else was seen than the model expects."""

    def __init__(self, kind, expected, seen):
        super().__init__("expected %s, seen %s" % (expected, seen))
        self.kind, self.expected, self.seen = kind, expected, seen


class Peer:
    """The other end of one connection."""

    def __init__(self, sock):
        self.sock = sock
        self.late = False  # reads nothing before the connection's end has begun
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        self.seen = None
        self.bytes = 0

    def ended_early(self):
        """What can be seen of an end without reading: None, "FIN" or "RST"."""
        poll = select.poll()
        poll.register(self.sock, select.POLLRDHUP)
        events = dict(poll.poll(0)).get(self.sock.fileno(), 0)
        if events & (select.POLLERR | select.POLLHUP):
            return "RST"
        return "FIN" if events & select.POLLRDHUP else None

    def look(self):
        """Reads all that is there."""
        while self.seen is None:
            try:
                data = self.sock.recv(65536)
            except BlockingIOError:
                return
            except ConnectionResetError:
                self.seen = "RST"
                return
            self.bytes += len(data)
            if not data:
                self.seen = "FIN"


class Driver:
    """One worker's place to run trees in. Not to be shared between processes."""

    def __init__(self, agent, shim, policy):
        if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "PR_SET_CHILD_SUBREAPER")
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        for fd in map(int, os.listdir("/proc/self/fd")):
            try:
                os.set_inheritable(fd, fd <= 2)
            except OSError:  # the directory's own
                pass
        self.agent, self.shim, self.policy = agent, shim, policy
        self.answer_fin = policy == "always-fin"  # its closes may wait for the peer's FIN
        self.listener = self.listen()   # the tree accepts from it
        self.target = self.listen()     # the tree connects to it
        self.callers = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        name = "truefin-trees-%d" % os.getpid()
        self.callers.bind("\0" + name)
        self.callers.listen(16)
        self.nothing = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        self.environment = {"PATH": "/usr/bin:/bin", "TREES_DRIVER": name, "TREES_AGENT": agent,
                            "TREES_STATIC": agent + "-static", "TREES_SCRIPT": agent + "-script"}
        self.environment.update((name, value) for name, value in os.environ.items() if name.endswith("SAN_OPTIONS"))
        if shim:
            # Time to wait on a busy machine, and little to wait for on any. slow-fork's _exit ends by syscall(2), which is
            # judged again: that may take twice the time.
            self.environment.update(TRUEFIN_POLICY=policy, TRUEFIN_FLUSH_AT_EXIT="2s", TRUEFIN_FLUSH_GAP="5ms")
        # A sanitizer's library comes first, and the one that makes forks slow stands behind the shim.
        libraries = [os.environ.get("SANITIZER_PRELOAD"), shim, agent + "-slow-fork.so"]
        if shim and "defer-close" in policy:
            libraries.insert(2, shim.replace(".so", "-io.so"))
            # Longer than anything is waited for: only what a process does carries its closes out.
            self.environment["TRUEFIN_DEFER_TIME"] = "1min"
        self.environment["LD_PRELOAD"] = ":".join(filter(None, libraries))

    @staticmethod
    def listen():
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)  # of what it accepts
        sock.bind(("127.0.0.1", 0))
        sock.listen(16)
        return sock

    def close(self):
        for sock in (self.listener, self.target, self.callers):
            sock.close()
        os.close(self.nothing)

    # --- One tree ---

    def run(self, steps):
        """None, or the Failure with .step, the step at which it was seen."""
        self.world = World(self.policy if self.shim else None)
        self.channels, self.pids, self.pidfds, self.peers = {}, {}, {}, {}
        step = None
        try:
            self.start()
            for step in steps:
                if self.world.do(step):
                    self.carry_out(step)
                    self.compare()
            for p in self.world.processes.values():
                step = ("exit", p.name, "exit", "0")
                if p.alive and self.world.do(step):
                    self.carry_out(step)
                    self.compare()
        except Failure as failure:
            failure.step = step
            return failure
        finally:
            self.clean_up()
        return None

    def start(self):
        mail_out, mail_in = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        dup2 = os.POSIX_SPAWN_DUP2
        files = [(dup2, self.nothing, n) for n in (0, 1, NOTHING)]
        if not os.environ.get("TREES_STDERR"):
            files.append((dup2, self.nothing, 2))
        files += [(dup2, self.listener.fileno(), LISTENER), (dup2, mail_out.fileno(), MAIL_OUT),
                  (dup2, mail_in.fileno(), MAIL_IN)]
        self.root = os.posix_spawn(self.agent, ["agent"], self.environment, file_actions=files, setpgroup=0,
                                   setsigdef=[signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM])
        mail_out.close()
        mail_in.close()
        self.wait_for(ready="p0")

    def carry_out(self, step):
        world = self.world
        if step[0] == "accept":
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            sock.connect(self.listener.getsockname())
            self.peers[step[2]] = Peer(sock)
        if step[0] == "send-by-peer":
            try:
                self.peers[step[1]].sock.send(bytes(int(step[2])))
            except (BrokenPipeError, ConnectionResetError) as error:
                raise Failure("ending", "%s: still open" % step[1], error.strerror) from error
        channel = None
        if world.command:
            name, text = world.command
            channel = self.channels[name]
            if "PORT" in text:
                text = text.replace("PORT", str(self.target.getsockname()[1]))
            if "PID:" in text:
                text = "wait %d" % self.pids[step[2]]
            channel.send(text.encode())
        if world.signal:
            os.kill(self.pids[world.signal[0]], world.signal[1])
        self.wait_for(channel if world.expect is not False else None, world.ready, world.dead)
        if step[0] == "connect":
            self.peers[step[2]] = Peer(self.target.accept()[0])
        if step[0] in ("write", "fill"):
            name = world.holding(world.processes[step[1]], step[2]).name
            self.peers[name].late |= step[0] == "fill"
            self.written(name)

    def wait_for(self, channel=None, ready=None, dead=None):
        """Until the answer is there, the new process has called back, and the dead one is dead."""
        poll = select.poll()
        waits = {}
        if channel:
            waits[channel.fileno()] = "answer"
        if ready:
            waits[self.callers.fileno()] = "ready"
        if dead:
            waits[self.pidfds[dead]] = "dead"
        for fd in waits:
            poll.register(fd, select.POLLIN)
        watched = {peer.sock.fileno(): peer for name, peer in self.peers.items()
                   if peer.seen is None and self.world.connections[name].is_ending()}
        patience = SHORT if watched else PATIENCE
        while waits:
            events = poll.poll(patience * 1000)
            if not events and patience == SHORT:
                # What ends waits until the peers have read all, or for their FIN.
                for fd in watched:
                    poll.register(fd, select.POLLIN)
                patience = PATIENCE
                continue
            if not events:
                raise Failure("hang", " and ".join(waits.values()), "nothing in %g seconds" % PATIENCE)
            for fd, _ in events:
                if fd in watched:
                    self.look(watched[fd])
                    if watched[fd].seen:
                        poll.unregister(fd)
                    continue
                what = waits.pop(fd)
                poll.unregister(fd)
                if what == "answer":
                    self.check_answer(channel.recv(64).decode())
                elif what == "ready":
                    self.called_back(ready)
                else:
                    self.check_status(dead)

    def called_back(self, name):
        channel = self.callers.accept()[0]
        word, _, pid = channel.recv(64).decode().partition(" ")
        if word != "ready":
            raise Failure("agent", "ready", word or "its end")
        if name in self.channels:
            self.channels[name].close()
        self.channels[name] = channel
        if name not in self.pids:
            self.pids[name] = int(pid)
            self.pidfds[name] = os.pidfd_open(int(pid))
        elif self.pids[name] != int(pid):
            raise Failure("pid", self.pids[name], pid)

    def check_answer(self, text):
        expect = self.world.expect
        command = self.world.command[1]
        if not text:
            raise Failure("agent", "an answer to '%s'" % command, "its end")
        if expect == "error":
            if not text.startswith("error"):
                raise Failure("answer", "an error of '%s'" % command, text)
        elif text.startswith("error"):
            raise Failure("answer", "no error of '%s'" % command, os.strerror(int(text.split()[1])))
        elif expect is not None and int(text) != expect:
            raise Failure("answer", "%s from '%s'" % (expect, command), text)

    def check_status(self, name):
        """Only the root is the driver's own child; the others' parents wait for them."""
        if name == "p0":
            _, status = os.waitpid(self.root, 0)
            self.root = None
            expected = self.world.processes[name].status
            if status & 0xff7f != expected:
                raise Failure("status", expected, status)

    def written(self, name):
        """Reads what was written, but for a late peer whose connection is not ending."""
        peer, c = self.peers[name], self.world.connections[name]
        if peer.late and not c.is_ending():
            return
        deadline = time.monotonic() + PATIENCE
        while peer.bytes < c.written and not peer.seen and time.monotonic() < deadline:
            self.look(peer)
            if peer.bytes < c.written and not peer.seen:
                select.select([peer.sock], [], [], 0.1)
        if peer.bytes > c.written or (peer.bytes < c.written and (peer.seen != "RST" or c.delivers or not c.ended)):
            raise Failure("bytes", "%s: %d bytes" % (name, c.written), "%d, then %s" % (peer.bytes, peer.seen or "nothing"))

    def look(self, peer):
        peer.look()
        if peer.seen == "FIN" and self.answer_fin:
            try:
                peer.sock.shutdown(socket.SHUT_WR)
            except OSError as error:
                if error.errno != errno.ENOTCONN:
                    raise

    def compare(self):
        """What each peer has seen so far, and what it must have seen."""
        for name, peer in self.peers.items():
            c = self.world.connections[name]
            allowed = c.allowed()
            if peer.late and not c.is_ending():
                early = peer.ended_early()
                if early:
                    raise Failure("ending", "%s: still open" % name, early)
                continue
            if peer.seen is None:
                self.look(peer)
            if peer.seen is None and (c.ended or c.shut):
                deadline = time.monotonic() + PATIENCE
                while peer.seen is None and time.monotonic() < deadline:
                    select.select([peer.sock], [], [], 0.1)
                    self.look(peer)
            if peer.seen is None and not c.ended and not c.shut:
                self.written(name)
                continue
            if peer.seen not in allowed and not c.settled:
                raise Failure("ending", "%s: %s" % (name, " or ".join(sorted(allowed)) or "still open"),
                              str(peer.seen or "still open"))
            if not c.settled:
                self.written(name)
            c.settled = True

    def clean_up(self):
        try:
            os.killpg(next(iter(self.pids.values()), self.root), signal.SIGKILL)
        except (ProcessLookupError, TypeError):
            pass
        for fd in self.pidfds.values():
            os.close(fd)
        for channel in self.channels.values():
            channel.close()
        for peer in self.peers.values():
            peer.sock.close()
        self.reap()
        # Callers that nobody waited for, and connections that nobody took.
        for sock in (self.callers, self.listener, self.target):
            sock.setblocking(False)
            try:
                while True:
                    sock.accept()[0].close()
            except BlockingIOError:
                pass
            sock.setblocking(True)

    @staticmethod
    def reap():
        """All processes of the tree are ours by now, and killed."""
        try:
            while True:
                os.waitpid(-1, 0)
        except ChildProcessError:
            pass


assert LISTENER > LAST_TREE
