"""Measures how the runtimes' connections end, and compares, prints and writes that. Called by scripts/runtimes."""

import argparse
import concurrent.futures
import os
import shutil
import sys
import tempfile

import table
from measure import cell
from runtimes import RUNTIMES
from ways import POLICIES, WAYS

QUICK_POLICIES = ["none", "abort-on-crash"]


def arguments():
    parser = argparse.ArgumentParser(prog="runtimes", description=__doc__)
    parser.add_argument("--library", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--truefin", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--peer", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--page", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--picture", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--setup", action="store_true", help="as first option: install what is missing (Debian)")
    parser.add_argument("--quick", action="store_true", help="the light runtimes, with and without the default policy")
    parser.add_argument("--check", action="store_true", help="end with 1 if a cell is not as in docs/RUNTIMES.md")
    parser.add_argument("--write", action="store_true", help="write docs/RUNTIMES.md, docs/runtimes.svg; all must be here")
    parser.add_argument("--runtime", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--policy", action="append", choices=POLICIES, help="only this one; may be repeated")
    parser.add_argument("--way", action="append", choices=WAYS, help="only this one; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="cells at once (default: one per processor)")
    return parser.parse_args()


def choose(options):
    if options.runtime:
        unknown = set(options.runtime) - {r.name for r in RUNTIMES}
        if unknown:
            sys.exit("runtimes: unknown runtime %s (allowed: %s)" %
                     (", ".join(sorted(unknown)), ", ".join(r.name for r in RUNTIMES)))
    chosen = [r for r in RUNTIMES if r.name in (options.runtime or [r.name]) and (r.quick or not options.quick)]
    for runtime in chosen:
        if not runtime.is_here():
            print("runtimes: left out: %s (Debian: %s, see --setup)" % (runtime.name, runtime.package), file=sys.stderr)
    return [r for r in chosen if r.is_here()]


def measure(options, runtimes, policies, ways, work):
    def one(job):
        runtime, policy, way = job
        directory = tempfile.mkdtemp(dir=work)
        try:
            verdict = cell(runtime, policy, way, options, directory)
        except RuntimeError as error:
            print("runtimes: %s" % error, file=sys.stderr)
            verdict = "failed"
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return (runtime.name, policy, way), verdict

    jobs = [(r, p, w) for r in runtimes for p in policies for w in ways]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        cells = {}
        for number, (key, verdict) in enumerate(pool.map(one, jobs), 1):
            cells[key] = verdict
            if number % (len(policies) * len(ways)) == 0:
                print("runtimes: %s has run" % key[0], file=sys.stderr, flush=True)
    if options.check:
        check_again(one, jobs, cells)
    return cells


def check_again(one, jobs, cells):
    """What is not as it was written down may be a whim of a loaded machine: it counts if it comes twice."""
    written = table.load()[1]
    for job in jobs:
        key = (job[0].name, job[1], job[2])
        if "-" != cells[key] != written.get(key):
            print("runtimes: again: %s, %s, %s: %s" % (*key, cells[key]), file=sys.stderr)
            cells[key] = one(job)[1]


def compare(cells):
    """The cells that are not as the committed ones; what cannot be measured here is none."""
    written = table.load()[1]
    changed = [(key, written.get(key), verdict) for key, verdict in cells.items() if "-" != verdict != written.get(key)]
    for key, before, now in changed:
        print("DIFFERS: %s, %s, %s: written down as %s, measured %s" % (*key, before, now))
    return not changed


def write(options, versions, cells):
    table.save(versions, cells)
    with open(options.page) as file:
        head = file.read().split("<!-- table -->\n", 1)[0]
    with open(options.page, "w") as file:
        file.write(head + "<!-- table -->\n\n" + "\n".join(table.as_page(versions, cells)) + "\n")
    with open(options.picture, "w") as file:
        file.write("\n".join(table.as_picture(versions, cells)) + "\n")


def main():
    options = arguments()
    runtimes = choose(options)
    policies = options.policy or (QUICK_POLICIES if options.quick else POLICIES)
    ways = options.way or list(WAYS)
    with tempfile.TemporaryDirectory(prefix="runtimes-") as work:
        for runtime in runtimes:
            runtime.prepare(work)
        cells = measure(options, runtimes, policies, ways, work)
    coloured = os.environ.get("FORCE_COLOR") or (sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    print("\n".join(table.on_terminal([r.name for r in runtimes], policies, cells, coloured)))
    print("\n%d cells; a mark: not what the policy promises." % sum(v != "-" for v in cells.values()))
    good = "failed" not in cells.values()
    for runtime, policy, way in table.unexplained(cells):
        good = False
        print("UNEXPLAINED: %s, %s, %s: %s" % (runtime, policy, way, cells[runtime, policy, way]))
    if options.check:
        good = compare(cells) and good
    if good and options.write:
        if len(cells) != len(RUNTIMES) * len(POLICIES) * len(WAYS):
            sys.exit("runtimes: --write needs the whole matrix (see --setup)")
        write(options, {r.name: r.version_text() for r in runtimes}, cells)
    sys.exit(0 if good else 1)


main()
