"""The server that sends half an answer and ends: test/programs/server.c, under a policy."""

import os
import select
import signal
import subprocess
import threading
import time
from email.utils import formatdate

SIZES = [400, 40000, 4000000]  # bytes of the body
WAYS = {
    "killed": "SIGKILL right behind the last write; watched, where there is a policy",
    "status 3": "exit(3) right behind the last write; with the library alone, where there is a policy",
}
NONE, RST, FLUSH = "none", "rst", "flush-rst"
ENDINGS = [NONE, RST, FLUSH]

# What a cache needs to keep it: Squid keeps nothing without a date. Its end is the connection's end, so nothing else tells
# that half is missing.
HEAD = ("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nDate: %s\r\nCache-Control: public, max-age=600\r\n"
        "Connection: close\r\n\r\n")
STARTS = 20  # seconds

OPTIONS = {
    # The default is what flush-rst is measured by, in the way that it is there for.
    ("killed", FLUSH): ["--watch"],
    ("killed", RST): ["--watch", "-p", "crash=rst"],
    ("status 3", FLUSH): ["-p", "exit-error=flush-rst"],
    ("status 3", RST): ["-p", "exit-error=rst"],
}


# A program that is just being started has all that we have open: held by who has a port for a moment.
starting = threading.Lock()


class Server:
    """Serves one request at PORT (0: any), and ends in the midst of the answer."""

    def __init__(self, tools, size, way, ending, port=0):
        death, self.status = ("kill_self:KILL", -signal.SIGKILL) if way == "killed" else ("exit:3", 3)
        # fgets takes in the whole request: what is unread would make the kernel send an RST.
        command = [tools.server, "listen:%d" % port, "accept", "fdopen:r", "fgets",
                   "write:" + HEAD % formatdate(usegmt=True), "fill:%d" % size, death]
        if ending != NONE:
            command = [tools.truefin, "run", *OPTIONS[way, ending], "--", *command]
        environment = dict(os.environ)
        if tools.gap:
            environment["TRUEFIN_FLUSH_GAP"] = tools.gap
        with starting:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment,
                                            start_new_session=True)
        self.port = self._port()

    def _port(self):
        said, ends = b"", time.monotonic() + STARTS
        while time.monotonic() < ends and not said.endswith(b"\n"):
            if select.select([self.process.stdout], [], [], 0.1)[0]:
                data = os.read(self.process.stdout.fileno(), 100)
                if not data:
                    break
                said += data
        if not said.startswith(b"port "):
            self.stop()
            raise RuntimeError("the server does not listen")
        return int(said.split()[1])

    def ended(self):
        """Waits for its end, and makes sure that it is the one that was asked for."""
        status = self.process.wait(timeout=STARTS)
        if status != self.status:
            raise RuntimeError("the server ended with %d" % status)

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
