"""Measures what stock clients and caches make of half an answer, and prints and writes that. Called by scripts/peers."""

import argparse
import concurrent.futures
import contextlib
import os
import queue
import subprocess
import sys
import tempfile

import relays
import table
from clients import CLIENTS
from relays import RELAYS
from server import ENDINGS, FLUSH, SIZES, WAYS, Server

PEERS = CLIENTS + RELAYS
NAMES = [peer.name for peer in PEERS]


def arguments():
    parser = argparse.ArgumentParser(prog="peers", description=__doc__)
    for name in ("--truefin", "--server", "--page"):
        parser.add_argument(name, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--setup", action="store_true", help="as first option: install what is missing (Debian)")
    parser.add_argument("--count", type=int, default=100, help="tries of each kind (default: %(default)s)")
    parser.add_argument("--peer", action="append", choices=NAMES, metavar="NAME",
                        help="only this one; may be repeated: " + ", ".join(NAMES).replace("%", "%%"))
    parser.add_argument("--size", action="append", type=int, metavar="BYTES",
                        help="only bodies of this size; may be repeated (default: %s)" % ", ".join(map(str, SIZES)))
    parser.add_argument("--way", action="append", choices=WAYS, help="only this one; may be repeated")
    parser.add_argument("--ending", action="append", choices=ENDINGS, help="only this one; may be repeated")
    parser.add_argument("--gap", metavar="TIME", help="TRUEFIN_FLUSH_GAP (default: truefin's own)")
    parser.add_argument("--pause", type=float, default=0, metavar="SECONDS",
                        help="the client of a cache or relay rests so long before each 64 KB (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="tries at once (default: one per processor)")
    parser.add_argument("--write", action="store_true", help="put it into docs/PEERS.md, in the place of what it has of these")
    parser.add_argument("--render", action="store_true", help="measure nothing, write docs/PEERS.md from what was measured")
    return parser.parse_args()


def one(peer, place, number, size, way, ending, options, directory):
    """Has it the bytes, does it tell the error, and does it keep the cut answer (None: it keeps nothing)?"""
    is_relay = peer in RELAYS
    backend = peer.backends[place] if is_relay else 0
    server = Server(options, size, way, ending, backend)
    try:
        if is_relay:
            target = peer.target(place, backend, number)
            body, is_told = relays.ask(peer.port, target, options.pause)
        else:
            body, is_told = peer.ask(server.port, size, directory)
        server.ended()
    finally:
        server.stop()
    is_cut_kept = None
    if peer.caches:
        again, is_told_again = relays.ask_again(peer.port, target, backend)
        is_cut_kept = again != relays.WHOLE or is_told_again
    return body == bytes(size), is_told, is_cut_kept, len(body)


def cell(peer, size, way, ending, options, work):
    """(tries, bytes right, error seen, cut answer kept); prints what else there is to say."""
    places = queue.Queue()
    for place in range(options.jobs):
        directory = os.path.join(work, "place%d" % place)
        os.makedirs(directory, exist_ok=True)
        places.put((place, directory))

    def attempt(number):
        place, directory = places.get()
        try:
            return one(peer, place, number, size, way, ending, options, directory)
        except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
            print("peers: %s, %d, %s, %s: %r" % (peer.name, size, way, ending, error), file=sys.stderr)
            return None
        finally:
            places.put((place, directory))

    with contextlib.ExitStack() as stack:
        if peer in RELAYS:
            directory = stack.enter_context(tempfile.TemporaryDirectory(dir=work, ignore_cleanup_errors=True))
            peer.start(directory, options.jobs)
            stack.callback(peer.stop)
        pool = stack.enter_context(concurrent.futures.ThreadPoolExecutor(options.jobs))
        seen = [tried for tried in pool.map(attempt, range(options.count)) if tried]
    if len(seen) < options.count:
        raise RuntimeError("%s: %d of %d tries failed" % (peer.name, options.count - len(seen), options.count))
    short = [tried[3] for tried in seen if not tried[0]]
    if short:
        print("peers: %s, %d, %s, %s: not all bytes: %s" %
              (peer.name, size, way, ending, " ".join(map(str, sorted(short)[:10]))), file=sys.stderr)
    counts = [sum(tried[i] for tried in seen) for i in (0, 1)]
    return (len(seen), *counts, sum(tried[2] for tried in seen) if peer.caches else None)


def broken(peer, numbers):
    """What flush-rst promises for this peer, and does not keep."""
    of, right, error, cut = numbers
    kept = {"bytes": right == of, "error": error == of, "cached": not cut}
    return [promise for promise in peer.promises if not kept[promise]]


def main():
    options = arguments()
    relay_names = [relay.name for relay in RELAYS]
    if options.render:
        write(options.page, table.load(), relay_names)
        return
    cells, bad = {}, 0
    print(table.as_line(table.TITLES), flush=True)
    with tempfile.TemporaryDirectory(prefix="peers-", ignore_cleanup_errors=True) as work:
        os.chmod(work, 0o755)
        for peer in PEERS:
            if peer.name not in (options.peer or NAMES):
                continue
            if not peer.is_there():
                print("peers: left out: %s (%s, see --setup)" % (peer.name, peer.package), file=sys.stderr)
                continue
            for key in [(peer.name, s, w, e) for s in options.size or SIZES for w in options.way or WAYS
                        for e in options.ending or ENDINGS]:
                try:
                    cells[key] = cell(peer, *key[1:], options, work)
                except RuntimeError as error:
                    print("FAILED: %s" % error, flush=True)
                    bad += 1
                    continue
                lost = broken(peer, cells[key]) if key[3] == FLUSH else []
                bad += bool(lost)
                print(table.as_line(table.as_row(key, cells[key])) + ("   BROKEN: " + ", ".join(lost) if lost else ""),
                      flush=True)
    if options.write:
        merged = {**(table.load() if os.path.exists(table.MEASURED) else {}), **cells}
        table.save(merged, NAMES)
        write(options.page, merged, relay_names)
    sys.exit(1 if bad or not cells else 0)


def write(page, cells, relay_names):
    with open(page) as file:
        head = file.read().split("<!-- table -->\n", 1)[0]
    with open(page, "w") as file:
        file.write(head + "<!-- table -->\n\n" + "\n".join(table.as_page(cells, NAMES, relay_names)) + "\n")


main()
