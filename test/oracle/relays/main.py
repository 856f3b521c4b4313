"""See --help, and README.md."""

import argparse
import asyncio
import collections
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import cost
import load
import relays
import table
import web

HERE = pathlib.Path(__file__).parent


def free_port():
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Without a connection, which a relay would pass on."""
    return subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, check=True).stdout.strip() != b""


def wait_for(condition, what):
    end = time.monotonic() + 20
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"relays: waited in vain for {what}")
        time.sleep(0.01)


class Running:
    """A process and all below it: ended with the block."""

    def __init__(self, command, folder, name, settings=None):
        self.output = folder / f"{name}.out"
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TRUEFIN_")}
        with open(self.output, "wb") as out, open(folder / f"{name}.err", "wb") as errors:
            self.process = subprocess.Popen(command, stdout=out, stderr=errors, stdin=subprocess.DEVNULL,
                                            start_new_session=True, env={**environment, **(settings or {})})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def start_backend(options, folder):
    backend = Running([options.truefin, "run", options.backend], folder, "backend")
    wait_for(lambda: backend.output.read_text().startswith("port "), "the backend")
    return backend, int(backend.output.read_text().split()[1])


def start_relay(options, folder, name, backend, policy):
    port = free_port()
    under = [options.truefin, "run", "-p", policy, "--log", folder / "relay.log"] if policy and not options.setting else []
    settings = dict(setting.split("=", 1) for setting in options.setting) if policy else {}
    command = build(name, folder, port, backend, bool(policy))
    relay = Running([*under, *options.under, *command], folder, "relay", settings)
    try:
        wait_for(lambda: listens(port), name)
    except SystemExit:
        print((folder / "relay.err").read_text(), file=sys.stderr)
        raise
    return relay, port


def build(name, folder, port, backend, under):
    command = (relays.RELAYS | relays.PROXIES)[name](folder, port, backend)
    if name == "socket-proxyd" and under:
        at = command.index("/lib/systemd/systemd-socket-proxyd")
        command[at:at] = [word for variable in ("LD_PRELOAD", "TRUEFIN_POLICY", "TRUEFIN_LOG") for word in ("-E", variable)]
    return command


def run_load(options):
    """ROUNDS of COUNT connections through each relay."""
    bad = 0
    for name in options.relays:
        for number in range(options.rounds):
            with tempfile.TemporaryDirectory(prefix="relays-") as place:
                folder = pathlib.Path(place)
                backend, backend_port = start_backend(options, folder)
                with backend:
                    relay, port = start_relay(options, folder, name, backend_port, options.policy)
                    with relay:
                        down = asyncio.run(load.downloads(port, options.count, options.fates, options.seed + number,
                                                          relays.SPREAD.get(name, 0.5)))
                        # The kernel may give the port of a connection that has timed out to the next one.
                        os.killpg(backend.process.pid, signal.SIGUSR1)
                        up = collections.Counter() if options.same else asyncio.run(
                            load.uploads(port, options.count, 7000 + options.seed + number, backend.output,
                                         relays.SPREAD.get(name, 0.5)))
                        for way, counts in (("down", down), ("up", up)):
                            wrong = load.mistakes(counts)
                            bad += sum(wrong)
                            print(f"{name} round {number + 1} {way}: {sum(counts.values())} connections, "
                                  f"{wrong[0]} false RST, {wrong[1]} missed, {wrong[2]} other", flush=True)
                            if sum(wrong) or options.verbose:
                                for (fate, end), many in sorted(counts.items())[:None if options.verbose else 12]:
                                    print(f"    {fate}: {end}: {many}", flush=True)
                        if options.keep:
                            print((folder / "relay.err").read_text())
                            print((folder / "relay.log").read_text())
    return 1 if bad else 0


def ask(options, name, policy):
    with tempfile.TemporaryDirectory(prefix="relays-") as place:
        folder = pathlib.Path(place)
        folder.chmod(0o755)
        backend, running = free_port(), []

        def start():
            relay, port = start_relay(options, folder, name, backend, policy)
            running.append(relay)
            return port

        try:
            counts = asyncio.run(web.requests(start, backend, options.requests, seed=options.seed))
        finally:
            for relay in running:
                relay.__exit__()
        log = folder / "relay.log"
        return counts, log.read_text().count("event=source-failed") if log.exists() else 0


def run_web(options):
    """As many requests through each proxy, with the preset and without: what differs?"""
    bad = 0
    for name in options.relays:
        (without, _), (under, records) = ask(options, name, ""), ask(options, name, options.policy)
        false = sum(n for (kind, how), n in under.items() if kind.startswith("end of") and how == "rst")
        bad += false
        print(f"{name}: {options.requests} requests, {false} resets after a whole answer, "
              f"{records} ended because of their source", flush=True)
        for key in sorted(without | under):
            mark = "" if without[key] == under[key] else "  *"
            print(f"    {key[0]:16} {key[1]:12} {without[key]:6} {under[key]:6}{mark}", flush=True)
    return 1 if bad else 0


def half(options, name, kind, setting):
    with tempfile.TemporaryDirectory(prefix="relays-") as place:
        folder = pathlib.Path(place)
        folder.chmod(0o755)
        backend = free_port()
        under = [options.truefin, "run"] if setting != "plain" else []
        with Running([*under, sys.executable, HERE / "half.py", str(backend)], folder, "backend"):
            wait_for(lambda: listens(backend), "the backend")
            relay, port = start_relay(options, folder, name, backend, options.policy if setting == "both" else "")
            with relay:
                return table.seen(port, kind)


def run_table(options):
    rows = []
    for name in options.relays:
        kinds = [kind for kind in table.KINDS if kind != "raw" or name in relays.RELAYS]
        cells = {setting: {kind: half(options, name, kind, setting) for kind in kinds} for setting in table.SETTINGS}
        rows.append((name, cells))
        print(name, cells, flush=True)
    if options.write:
        table.write(rows, options.page)
    return 0


def run_cost(options):
    """Both relays run at the same time, and are asked in turns."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=cost.echo, args=(listener,), daemon=True).start()
    for name in options.relays:
        with tempfile.TemporaryDirectory(prefix="relays-") as one, tempfile.TemporaryDirectory(prefix="relays-") as two:
            backend = listener.getsockname()[1]
            bare, bare_port = start_relay(options, pathlib.Path(one), name, backend, "")
            with bare:
                under, port = start_relay(options, pathlib.Path(two), name, backend, options.policy)
                with under:
                    ratio, without, with_it, _ = cost.compare((bare.process.pid, bare_port), (under.process.pid, port),
                                                              options.rounds, options.cost)
                    print(f"{name}: a byte there and back {without * 1e6:.2f} us, under {options.policy} {with_it * 1e6:.2f} us "
                          f"(least of {options.rounds}); median of the pairs {ratio:.3f}", flush=True)
    return 0


def main():
    parser = argparse.ArgumentParser(prog="scripts/relays", description=__doc__)
    parser.add_argument("--truefin", required=True)
    parser.add_argument("--backend", required=True)
    parser.add_argument("--page")
    parser.add_argument("--policy", default="relay", help="of the relay; empty for none")
    parser.add_argument("--count", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fates", type=lambda text: text.split(","), default=list(load.BAD))
    parser.add_argument("--setting", action="append", default=[], help="NAME=VALUE for the relay, in the place of truefin run")
    parser.add_argument("--under", type=str.split, default=[], help="a command that runs the relay, as strace")
    parser.add_argument("--keep", action="store_true", help="show the relay's records")
    parser.add_argument("--sizes", type=lambda text: load.FIXED.extend(int(size) for size in text.split(",")))
    parser.add_argument("--same", action="store_true", help="all connections carry the same bytes")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--requests", type=int, default=0, help="through proxies of HTTP, with the preset and without")
    parser.add_argument("--table", action="store_true", help="half an answer through each, of a server that is killed")
    parser.add_argument("--write", action="store_true", help="the same, and puts the table into docs/RELAYS.md")
    parser.add_argument("--cost", type=int, default=0, help="bytes there and back in a round: the relay's processor time")
    parser.add_argument("relays", nargs="*")
    options = parser.parse_args()
    load.VERBOSE, load.SAME = options.verbose, options.same
    if options.requests:
        options.relays = options.relays or list(relays.PROXIES)
        sys.exit(run_web(options))
    if options.table or options.write:
        options.relays = options.relays or [*relays.RELAYS, *relays.PROXIES]
        sys.exit(run_table(options))
    if options.cost:
        options.relays = options.relays or ["haproxy-tcp"]
        sys.exit(run_cost(options))
    options.relays = options.relays or list(relays.RELAYS)
    sys.exit(run_load(options))


main()
