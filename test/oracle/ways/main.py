"""For scripts/ways: see there. A row is a way to die with a full queue; a column is how the program is run."""
import argparse
import collections
import concurrent.futures
import os
import signal
import socket
import subprocess
import sys
import time

BUILD = os.environ["BUILD_DIR"]
PROGRAMS = f"{BUILD}/test/programs"
LIBRARY = f"{BUILD}/shim/libtruefin.so"
TRUEFIN = f"{BUILD}/truefin"
BYTES = 3_910_656
MEMORY = 48 << 20  # of the control group in which a program uses up all
LIMIT = 60  # seconds for one run

FULL = ["accept", f"sndbuf:{BYTES}", f"fill:{BYTES}", "say:filled"]


def server(*death):
    return [f"{PROGRAMS}/server", *FULL, *death]


# Name, command, bytes written besides, does it run code of the library? And what its policy has besides.
Way = collections.namedtuple("Way", "name command more hooked policy")


def way(name, command, more=0, hooked=True, policy=""):
    return Way(name, command, more, hooked, policy)


WAYS = [
    way("SIGKILL", server("kill_self:KILL"), hooked=False),
    way("SIGSEGV", server("segv"), hooked=False),
    way("the OOM killer", server("use_memory"), hooked=False),
    way("exit_group(2), a raw call", server("raw_exit_group:3"), hooked=False),
    way("exit(3) with 3", server("exit:3")),
    way("abort(3)", server("abort")),
    way("SIGTERM", server("raise:TERM"), policy=",stop=flush-rst"),
    way("a C++ exception that nobody catches", [f"{PROGRAMS}/unwind", "uncaught", str(BYTES)], 6),
    way("a C++ exception, close(2) on its way", [f"{PROGRAMS}/unwind", "caught-above", str(BYTES)], 6),
    way("a Rust panic, exit with 101", [f"{PROGRAMS}/unwind-unwind", "panic-in-main", str(BYTES)], 6),
    way("close(2), the process lives", server("close", "pause")),
]

# Policy, watched?, preloaded? An exit waits as long as a death outside does: here is counted what arrives.
Column = collections.namedtuple("Column", "name policy preload watched")
COLUMNS = [
    Column("without truefin", None, False, False),
    Column("rst", "rst", True, False),
    Column("flush-rst", "flush-rst", True, False),
    Column("flush-rst, --watch", "flush-rst", False, True),
]


def policy_of(ending, extra):
    events = ["close", "unread", "unwind", "exception", "exit-error", "session-error", "crash"]
    return ",".join(f"{event}={ending}" for event in events) + extra.replace("flush-rst", ending)


class Group:
    """A control group of little memory; version 1 or 2, whichever is there."""

    def __init__(self, name):
        for root, limit in (("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")):
            self.path = f"{root}/{name}"
            try:
                os.mkdir(self.path)
            except OSError:
                continue
            try:
                with open(f"{self.path}/{limit}", "w", encoding="ascii") as file:
                    file.write(str(MEMORY))
                return
            except OSError:
                os.rmdir(self.path)
        raise SystemExit("ways: no memory control group can be made")

    def command(self, command):
        return ["sh", "-c", f'echo $$ >"{self.path}/cgroup.procs" && exec "$@"', "sh", *command]

    def remove(self):
        end = time.monotonic() + LIMIT
        while time.monotonic() < end:
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.02)


def environment(column, row):
    known = {name: value for name, value in os.environ.items() if not name.startswith("TRUEFIN_")}
    if column.policy:
        known["TRUEFIN_POLICY"] = policy_of(column.policy, row.policy)
        known["TRUEFIN_FLUSH_AT_EXIT"] = known["TRUEFIN_FLUSH_TIME"] = f"{LIMIT // 2}s"
    if column.preload:
        known["LD_PRELOAD"] = LIBRARY
    return known


def read_all(port, output):
    """The peer: a small buffer, and nothing is read before the queue is full."""
    with socket.socket() as peer:
        peer.settimeout(LIMIT)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        read = 0
        try:
            peer.connect(("127.0.0.1", port))
            if not any(line == "filled\n" for line in output):
                return 0, "no queue"
            while data := peer.recv(65536):
                read += len(data)
        except ConnectionResetError:
            return read, "RST"
        except TimeoutError:
            return read, "nothing"
        return read, "FIN"


def run(number, row, column):
    group = Group(f"truefin-ways-{os.getpid()}-{number}") if "use_memory" in row.command else None
    command = [TRUEFIN, "run", "--watch", "--", *row.command] if column.watched else row.command
    try:
        with subprocess.Popen(group.command(command) if group else command, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True,
                              env=environment(column, row)) as program:
            try:
                for line in program.stdout:
                    if line.startswith("port "):
                        return read_all(int(line.split()[1]), program.stdout)
                return 0, "no port"
            finally:
                os.killpg(program.pid, signal.SIGKILL)
    finally:
        if group:
            group.remove()


def cell(pool, count, row, column):
    """What was read and how it ended: for each outcome how often, and the bytes."""
    seen = list(pool.map(lambda number: run(number, row, column), range(count)))
    whole = BYTES + row.more
    right = sum(outcome == (whole, "RST") for outcome in seen)
    outcomes = collections.defaultdict(list)
    for read, ending in seen:
        outcomes[ending].append(read)
    texts = []
    for ending, reads in sorted(outcomes.items()):
        span = f"{min(reads):,}" if min(reads) == max(reads) else f"{min(reads):,} to {max(reads):,}"
        texts.append(f"{span}, {ending}" + (f" ({len(reads)} of {count})" if len(outcomes) > 1 or count > 1 else ""))
    return "; ".join(texts), right


def main():
    parser = argparse.ArgumentParser(prog="ways")
    parser.add_argument("--count", type=int, default=20, help="runs under flush-rst (20)")
    parser.add_argument("--others", type=int, default=10, help="runs without it (10)")
    parser.add_argument("--jobs", type=int, default=2 * (os.cpu_count() or 1), help="at once")
    parser.add_argument("--only", default="", help="rows whose name has this")
    parser.add_argument("--columns", default="", help="columns whose name has this")
    options = parser.parse_args()
    wrong = 0
    columns = [column for column in COLUMNS if options.columns in column.name]
    print("| the server ends by | written | " + " | ".join(column.name for column in columns) + " |")
    print("|---|---|" + "---|" * len(columns))
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for row in WAYS:
            if options.only not in row.name:
                continue
            cells = []
            for column in columns:
                promised = column.policy == "flush-rst" and (row.hooked or column.watched)
                count = options.count if promised else options.others
                text, right = cell(pool, count, row, column)
                cells.append(text)
                wrong += promised and count - right
            print(f"| {row.name} | {BYTES + row.more:,} | " + " | ".join(cells) + " |", flush=True)
    print(f"\nNot all bytes and then an RST, where flush-rst promises it: {wrong}.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
