"""Runs many trees, or one; prints failures with their shortest script. Called by scripts/trees."""
import argparse
import os
import sys
import time

import generate
from drive import Driver
from model import POLICIES


def shrink(driver, steps, failure):
    """The shortest list of steps that still fails in the same way: halves, quarters, ... single steps are left out."""
    size = max(1, len(steps) // 2)
    while True:
        at, shorter = 0, False
        while at < len(steps):
            fewer = steps[:at] + steps[at + size:]
            again = driver.run(fewer)
            if again and again.kind == failure.kind:
                steps, failure, shorter = fewer, again, True
            else:
                at += size
        if size == 1 and not shorter:
            return steps, failure
        size = max(1, size // 2)


def rename(steps):
    """The same steps with names counted from one, so that equal trees look equal."""
    names = {"p0": "p0"}

    def new(word):
        if len(word) > 1 and word[0] in "pcd" and word[1:].isdigit():
            return names.setdefault(word, word[0] + str(1 + sum(n[0] == word[0] and n != "p0" for n in names)))
        return word

    def action(part):
        if part[0] == "x":
            return "x" + new(part[1:])
        source, mark, target = part.partition(">")
        return new(source) + mark + target

    def words(step):
        if step[0] == "launch":
            return (*map(new, step[:5]), ",".join(map(action, step[5].split(","))))
        if step[0] == "fail":
            return ("fail", new(step[1]), *(":".join(map(new, part.split(":"))) for part in step[2:]))
        return tuple(map(new, step))

    return [words(step) for step in steps]


def say(text, out=sys.stdout):
    out.write(text + "\n")
    out.flush()


def report(seed, policy, steps, failure):
    lines = ["", "FAILED: seed %s, policy %s" % (seed, policy or "none (no shim)")]
    lines += ["    " + " ".join(step) for step in steps]
    lines += ["  at:       " + " ".join(failure.step or ("start",)), "  expected: %s" % failure.expected,
              "  seen:     %s" % failure.seen]
    return "\n".join(lines)


def work(options, number, out):
    """Every options.jobs-th tree; writes one line per failure or a count to out."""
    driver = Driver(options.agent, None if options.no_shim else options.shim, options.policy)
    policy = None if options.no_shim else options.policy
    known = set()
    failed = 0
    for seed in range(options.seed + number, options.seed + options.count, options.jobs):
        steps = generate.tree(seed, policy)
        failure = driver.run(steps)
        if not failure:
            continue
        failed += 1
        again = driver.run(steps)
        if again:
            steps, failure = shrink(driver, steps, again)
            # Once more with the new names, so that the failure speaks of these.
            named = rename(steps)
            failure = driver.run(named) or failure
            steps = named
        text = report(seed, policy, steps, failure)
        if not again:
            text += "\n  (once: it passed when it was run again)"
        kind = (failure.kind, failure.expected, failure.seen, tuple(steps))
        if kind not in known:
            known.add(kind)
            out.write(text + "\n")
            out.flush()
        if len(known) >= options.failures:
            break
    return failed


def run_all(options):
    start = time.monotonic()
    workers = {}
    for number in range(options.jobs):
        pid = os.fork()
        if pid == 0:
            status = 2
            try:
                status = 1 if work(options, number, sys.stdout) else 0
            finally:
                sys.stdout.flush()
                if status == 2:
                    sys.excepthook(*sys.exc_info())
                os._exit(status)
        workers[pid] = number
    worst = 0
    for pid in workers:
        _, status = os.waitpid(pid, 0)
        worst = max(worst, os.waitstatus_to_exitcode(status) % 256)
    seconds = time.monotonic() - start
    say("%d trees from seed %d, %s: %s, %.0f trees/s" % (
        options.count, options.seed, "no shim" if options.no_shim else "policy " + options.policy,
        "FAILED" if worst else "all as the model says", options.count / seconds))
    return worst


def read_script(path, policy):
    """Steps and policy of a tree in a file: a step a line; "#" begins a comment, "# policy: P" names the policy."""
    steps = []
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.startswith("# policy:"):
                policy = line.partition(":")[2].strip()
            elif line.strip() and not line.startswith("#"):
                steps.append(tuple(line.split()))
    return steps, policy


def run_scripts(options):
    worst = 0
    for path in options.script:
        steps, policy = read_script(path, options.policy)
        driver = Driver(options.agent, None if options.no_shim else options.shim, policy)
        failure = driver.run(steps)
        driver.close()
        if failure:
            worst = 1
            say(report("of no tree, %s" % path, None if options.no_shim else policy, steps, failure))
    return worst


def main():
    parser = argparse.ArgumentParser(prog="trees", description="Random process trees against a model of DESIGN.md.")
    parser.add_argument("--seed", type=int, default=1, help="of the first tree; each tree has its own")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--policy", default="abort-on-crash", choices=sorted(POLICIES))
    parser.add_argument("--no-shim", action="store_true", help="check the model's kernel alone")
    parser.add_argument("--jobs", type=int, default=2 * os.cpu_count(), help="trees at once: much of their time they wait")
    parser.add_argument("--failures", type=int, default=1, help="different ones that each job reports before it stops")
    parser.add_argument("--show", action="store_true", help="print the steps of tree --seed, run nothing")
    parser.add_argument("--script", nargs="+", metavar="FILE", help="run the trees in these files instead")
    parser.add_argument("--agent", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--shim", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.show:
        for step in generate.tree(options.seed, None if options.no_shim else options.policy):
            say(" ".join(step))
        return 0
    return run_scripts(options) if options.script else run_all(options)


if __name__ == "__main__":
    sys.exit(main())
