"""Measures how the runtimes' connections end, and compares, prints and writes that. Called by scripts/runtimes."""

import argparse
import concurrent.futures
import os
import shutil
import sys
import tempfile

import table
from measure import cell
from runtimes import HERE, RUNTIMES
from ways import DEFER_POLICY, GENERATIONS, POLICIES, SESSION_POLICY, WAYS, policies_of

QUICK_POLICIES = ["none", "abort-on-crash", SESSION_POLICY, DEFER_POLICY]


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
    parser.add_argument("--write", action="store_true", help="put it into docs/RUNTIMES.md and docs/runtimes.svg")
    parser.add_argument("--render", action="store_true", help="measure nothing, write them from what was measured")
    parser.add_argument("--runtime", action="append", metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--generation", action="append", choices=GENERATIONS, help="only this one")
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
    chosen = []
    for runtime in RUNTIMES:
        if runtime.name not in (options.runtime or [runtime.name]) or options.quick and not runtime.quick:
            continue
        wanted = [g for g in runtime.generations() if g in (options.generation or GENERATIONS)]
        placed = {g: runtime.of(g, options.quick) for g in wanted}
        missing = [g for g in wanted if not placed[g]]
        chosen += [p for p in placed.values() if p]
        # The light ones are for every machine, and one generation is enough there.
        for generation in missing if missing == wanted or not options.quick else []:
            print("runtimes: left out: %s, %s (%s, see --setup)" % (runtime.name, generation, runtime.package),
                  file=sys.stderr)
    return chosen


def measure(options, runtimes, policies, ways, work):
    def one(job):
        runtime, policy, way = job
        directory = tempfile.mkdtemp(dir=work)
        try:
            verdict = table.settled(policy, runtime.name, way, cell(runtime, policy, way, options, directory))
        except RuntimeError as error:
            print("runtimes: %s" % error, file=sys.stderr)
            verdict = "failed"
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        return (*runtime.key, policy, way), verdict

    jobs = [(r, p, w) for r in runtimes for p in policies_of(r.name, policies) for w in ways]
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        cells = {}
        for number, (key, verdict) in enumerate(pool.map(one, jobs), 1):
            cells[key] = verdict
            if number == len(jobs) or jobs[number][0] is not jobs[number - 1][0]:
                print("runtimes: %s, %s has run" % key[:2], file=sys.stderr, flush=True)
    if options.check:
        check_again(one, jobs, cells)
    return cells


def check_again(one, jobs, cells):
    """What is not as it was written down may be a whim of a loaded machine: it counts if it comes twice."""
    written = table.load()[1]
    for job in jobs:
        key = (*job[0].key, job[1], job[2])
        if "-" != cells[key] != written.get(key):
            print("runtimes: again: %s, %s, %s, %s: %s" % (*key, cells[key]), file=sys.stderr)
            cells[key] = one(job)[1]


def compare(cells):
    """The cells that are not as the committed ones; what cannot be measured here is none."""
    written = table.load()[1]
    changed = [(key, written.get(key), verdict) for key, verdict in cells.items() if "-" != verdict != written.get(key)]
    for key, before, now in changed:
        print("DIFFERS: %s, %s, %s, %s: written down as %s, measured %s" % (*key, before, now))
    return not changed


def merged(versions, cells):
    """What was measured now, in the place of what was measured before, in the order of the page; and what is missing
    there. A row with a cell that could not be measured is none."""
    failed = {key[:2] for key, verdict in cells.items() if verdict == "failed"}
    old_versions, old_cells = table.load()
    versions = {**old_versions, **{key: v for key, v in versions.items() if key not in failed}}
    cells = {**old_cells, **{key: v for key, v in cells.items() if key[:2] not in failed}}
    keys = [(r.name, g) for r in RUNTIMES for g in r.generations()]
    missing, keys = [key for key in keys if key not in versions], [key for key in keys if key in versions]
    wanted = [(*key, p, w) for key in keys for p in policies_of(key[0], POLICIES) for w in WAYS]
    return {key: versions[key] for key in keys}, {key: cells[key] for key in wanted}, missing


def write(options, versions, cells):
    with open(options.page) as file:
        head = file.read().split("<!-- table -->\n", 1)[0]
    with open(options.page, "w") as file:
        file.write(head + "<!-- table -->\n\n" + "\n".join(table.as_page(versions, cells)) + "\n")
    with open(options.picture, "w") as file:
        file.write("\n".join(table.as_picture(versions, cells)) + "\n")


def tell_unexplained(cells):
    """Prints what is not as promised, or not as in the other generation, and has no explanation. True: nothing."""
    lines = ["%s, %s, %s, %s: %s" % (*key, cells[key]) for key in table.unexplained(cells)]
    for key in table.unlike(cells):
        lines.append("%s, %s, %s: %s" % (*key, ", then ".join(table.by_generation(cells, *key))))
    for line in lines:
        print("UNEXPLAINED: " + line)
    return not lines


def main():
    options = arguments()
    if options.render:
        versions, cells = table.load()
        if not tell_unexplained(cells):
            sys.exit(1)
        write(options, versions, cells)
        return
    runtimes = choose(options)
    policies = options.policy or (QUICK_POLICIES if options.quick else POLICIES)
    ways = options.way or list(WAYS)
    with tempfile.TemporaryDirectory(prefix="runtimes-") as work:
        try:
            for runtime in runtimes:
                runtime.system.start([HERE, os.path.dirname(options.truefin), os.path.dirname(options.library), work])
                runtime.prepare(work)
            cells = measure(options, runtimes, policies, ways, work)
        finally:
            for runtime in runtimes:
                runtime.system.stop()
    versions = {r.key: r.version for r in runtimes}
    coloured = os.environ.get("FORCE_COLOR") or (sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    print("\n".join(table.on_terminal(versions, policies, cells, coloured)))
    print("\n%d cells; a mark: not what the policy promises." % sum(v != "-" for v in cells.values()))
    good = tell_unexplained(cells) and "failed" not in cells.values()
    if options.check:
        good = compare(cells) and good
    if options.write:
        if set(policies) != set(POLICIES) or set(ways) != set(WAYS):
            sys.exit("runtimes: --write needs all policies and ways")
        versions, cells, missing = merged(versions, cells)
        table.save(versions, cells)
        for key in missing:
            print("runtimes: not measured yet (see --setup): %s, %s" % key, file=sys.stderr)
        good = good and tell_unexplained(cells) and not missing
        if good:
            write(options, versions, cells)
    sys.exit(0 if good else 1)


main()
