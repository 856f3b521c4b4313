"""Runs CPython's tests without the shim and under each policy, and compares. Called by scripts/transparency."""
import argparse
import collections
import concurrent.futures
import fnmatch
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"
SUITE = f"/usr/lib/python3.{sys.version_info.minor}/test"  # we run under PYTHON

# Every word that makes a policy (policy/words.c). The last one needs a library of its own.
REFUSE = "refuse-write-after-fin"
POLICIES = ["abort-on-crash", "abort-on-unread-data", "abort-unless-shutdown", "always-fin", "off", REFUSE]
# Modules, and the seconds that one of their tests may take. For a module it is thirty times that.
MODULES = {"test_select": 15, "test_socketserver": 15, "test_httplib": 15, "test_httpservers": 15, "test_ftplib": 15,
           "test_subprocess": 30, "test_posix": 15, "test_os": 15, "test_socket": 15, "test_ssl": 30,
           "test_asyncio": 40, "test_multiprocessing_fork": 40}
QUICK_MODULES = ["test_select", "test_socketserver", "test_httplib", "test_httpservers", "test_ftplib", "test_posix", "test_os"]
QUICK_POLICIES = ["abort-on-crash", "always-fin"]
AGAIN = 2        # times that a test which differs is run again on both sides, by itself
WHOLE_AGAIN = 1  # and then its whole module

NO_SHIM = "no shim"
EMULATED_POLICY = "abort-unless-shutdown"
EMULATED = "the same in Python"
NOT_RUN = ("not run", "")


def say(text):
    print(text, file=sys.stderr, flush=True)


def run_process(command, deadline, log, **options):
    """Its end, and that of all that it started and left."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, **options)
    try:
        return process.wait(deadline - time.monotonic())
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def size_of(path):
    return os.path.getsize(path) if os.path.exists(path) else 0


class Runner:
    def __init__(self, shim, work):
        self.shim, self.work, self.count, self.lock = shim, work, 0, threading.Lock()

    def run(self, side, module, tests=()):
        """The results {test: (result, reason)} of one run of a module, or of some of its tests. SIDE is a policy."""
        with self.lock:
            self.count += 1
            number = self.count
        base = os.path.join(self.work, "%s-%d" % (module, number))
        directory = os.path.join(self.work, str(number))
        os.mkdir(directory)
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", TMPDIR=directory)
        if side == EMULATED:
            environment["TRANSPARENCY_EMULATE"] = "1"
        elif side != NO_SHIM:
            beside = ":" + self.shim.replace("libtruefin.so", "libtruefin-io.so") if REFUSE in side else ""
            environment.update(LD_PRELOAD=self.shim + beside, TRUEFIN_POLICY=side)
        # The namespace is the run's own: ports are free, and runs beside it do not meet it. What puts up its loopback
        # device is not under the shim.
        inside = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec env "$@"', "sh"]
        inside += ["%s=%s" % (n, environment.pop(n)) for n in ("LD_PRELOAD", "TRUEFIN_POLICY") if n in environment]
        limit = MODULES[module]
        command = inside + [PYTHON, os.path.join(HERE, "one.py"), base + ".results", str(limit), module, *tests]
        deadline = time.monotonic() + 30 * limit
        end, size = None, -1
        with open(base + ".log", "wb") as log:
            # A test that hangs or kills its process ends the run; another one goes on behind it.
            while end != 0 and size_of(base + ".results") > size and time.monotonic() < deadline:
                size = size_of(base + ".results")
                end = run_process(command, deadline, log, env=environment, cwd=directory)
        shutil.rmtree(directory, ignore_errors=True)
        results = {}
        if os.path.exists(base + ".results"):
            with open(base + ".results") as lines:
                for name, result, reason in map(json.loads, lines):
                    # "did not end" comes before every other. What is told twice else, as by a class, the worst counts of.
                    if results.get(name, ("ok",))[0] in ("ok", "did not end"):
                        results[name] = (result, reason)
        if end != 0 or not results:
            results[module] = ("ended with %s" % end, "")
        return results


def explanations():
    """Lines of explained.txt: POLICY MODULE TEST REASON, the first three as patterns; blanks in a policy left out."""
    with open(os.path.join(HERE, "explained.txt")) as lines:
        for line in lines:
            if line.strip() and not line.startswith("#"):
                yield line.split(None, 3)


def explanation(side, module, test):
    for policy, in_module, name, reason in explanations():
        if fnmatch.fnmatchcase(side.replace(" ", ""), policy) and fnmatch.fnmatchcase(module, in_module) and \
                fnmatch.fnmatchcase(test, name):
            return reason.strip()
    return None


def shown(outcome):
    return outcome[0] + (": " + outcome[1] if outcome[1] else "")


class Comparison:
    """One module under one policy, beside the run without the shim."""

    def __init__(self, runner, side, module, bare, results, emulated):
        self.runner, self.side, self.module = runner, side, module
        # Without the shim, but with sockets that are told in Python what the policy says.
        self.others = [NO_SHIM] + ([EMULATED] if side == EMULATED_POLICY else [])
        self.unsteady, self.as_asked, self.explained, self.unexplained = [], [], [], []
        left = []
        for test in {**bare, **results}:
            without, under = bare.get(test, NOT_RUN), results.get(test, NOT_RUN)
            if without != under and emulated and under == emulated.get(test, NOT_RUN):
                self.as_asked.append((test, shown(without), shown(under)))
            elif without != under:
                left.append(test)
        tests = [t for t in left if t != module]
        # It counts if the shim's side, run again, still shows an outcome that the others never do: by themselves, or
        # among all tests of the module. If not, the test itself is unsteady.
        if tests:
            left = self.sort_out(left, AGAIN, tests)
        if left:
            left = self.sort_out(left, WHOLE_AGAIN)
        self.unsteady = [(t, shown(bare.get(t, NOT_RUN)), shown(results.get(t, NOT_RUN))) for t in left]

    def sort_out(self, left, times, tests=()):
        """Runs all sides some times; returns those of the tests left that do not differ in these runs."""
        runs = {side: [self.runner.run(side, self.module, tests) for _ in range(times)]
                for side in [*self.others, self.side]}
        return [t for t in left if not self.differs(t, {side: {run.get(t, NOT_RUN) for run in runs[side]} for side in runs})]

    def differs(self, test, outcomes):
        without, under = outcomes[NO_SHIM], outcomes[self.side]
        if under <= without or (test == self.module and ("ran to its end", "") in under):
            return False
        difference = (test, *(" / ".join(sorted(map(shown, s))) for s in (without, under)))
        reason = explanation(self.side, self.module, test)
        if under <= set.union(*(outcomes[side] for side in self.others)):
            self.as_asked.append(difference)
        elif reason:
            self.explained.append((*difference, reason))
        else:
            self.unexplained.append(difference)
        return True


def tally(results):
    counts = collections.Counter(result for result, _ in results.values())
    counts.pop("ran to its end", None)
    return counts


def compare(runner, modules, policies, jobs):
    """Yields (module, its results without the shim, its comparisons)."""
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        sides = [NO_SHIM, *policies] + [EMULATED] * (EMULATED_POLICY in policies)
        runs = {(side, module): pool.submit(runner.run, side, module)
                for module in modules for side in sides}
        judged = {}
        for module in modules:
            bare = runs[NO_SHIM, module].result()
            if module not in bare or bare[module][0].startswith("ended"):
                sys.exit("transparency: %s does not run to its end without truefin either" % module)
            for side in policies:
                emulated = runs[EMULATED, module].result() if side == EMULATED_POLICY else None
                judged[side, module] = pool.submit(Comparison, runner, side, module, bare, runs[side, module].result(), emulated)
            say("transparency: %s has run" % module)
        for module in modules:
            yield module, runs[NO_SHIM, module].result(), [judged[side, module].result() for side in policies]


def table(compared, policies):
    lines = ["| tests | ok | skipped | failed | " + " | ".join("`%s`" % p for p in policies) + " |",
             "|---|---|---|---|" + "---|" * len(policies)]
    total = collections.Counter()
    explained = {}
    for module, bare, comparisons in compared:
        counts = tally(bare)
        total += counts
        row = [module, counts.pop("ok", 0), counts.pop("skipped", 0), sum(counts.values())]
        for comparison in comparisons:
            cell = []
            if comparison.unexplained:
                cell.append("**%d differ**" % len(comparison.unexplained))
            if comparison.as_asked:
                cell.append("%d aborted" % len(comparison.as_asked))
            if comparison.explained:
                cell.append("%d differ, see below" % len(comparison.explained))
            row.append("; ".join(cell) or "same")
            for test, without, under, reason in comparison.explained:
                explained.setdefault((test, without, under, reason), []).append(comparison.side)
        lines.append("| " + " | ".join(map(str, row)) + " |")
    lines += ["", "%d tests a policy; %d of them ok, %d skipped, without truefin." %
              (sum(total.values()), total["ok"], total["skipped"])]
    if explained:
        lines += ["", "| test | without truefin | with it | under | why |", "|---|---|---|---|---|"]
        for (test, without, under, reason), sides in explained.items():
            lines.append("| %s | %s | %s | %s | %s |" %
                         (test, without, under, ", ".join("`%s`" % s for s in sides), reason))
    return lines


def write(page, lines):
    """Between the marks of the page."""
    with open(page) as file:
        text = file.read()
    head, rest = text.split("<!-- table -->\n", 1)
    tail = rest.split("<!-- end -->\n", 1)[1]
    with open(page, "w") as file:
        file.write(head + "<!-- table -->\n\n" + "\n".join(lines) + "\n\n<!-- end -->\n" + tail)


def arguments():
    parser = argparse.ArgumentParser(prog="transparency", description=__doc__)
    parser.add_argument("--shim", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--page", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="the quick modules under two policies: about half a minute")
    parser.add_argument("--write", action="store_true", help="put the table into docs/TRANSPARENCY.md")
    parser.add_argument("--setup", action="store_true", help="as first option: install what is missing (Debian)")
    parser.add_argument("--module", action="append", choices=MODULES, metavar="NAME", help="only this one; may be repeated")
    parser.add_argument("--policy", action="append", metavar="TEXT", help="only this one; may be repeated")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="runs at once (default: one per processor)")
    parser.add_argument("--keep", metavar="DIRECTORY", help="keep what the tests wrote there")
    return parser.parse_args()


def main():
    options = arguments()
    modules = options.module or (QUICK_MODULES if options.quick else list(MODULES))
    policies = options.policy or (QUICK_POLICIES if options.quick else POLICIES)
    if not glob.glob(SUITE + "/test_socket.py"):
        sys.exit("transparency: CPython's tests are not installed (Debian: libpython3.N-testsuite, see --setup)")
    with tempfile.TemporaryDirectory(prefix="transparency-") as work:
        if options.keep:
            work = os.path.abspath(options.keep)
            os.makedirs(work, exist_ok=True)
        compared = list(compare(Runner(options.shim, work), modules, policies, options.jobs))
    lines = table(compared, policies)
    print("\n".join(lines))
    failed = False
    for module, _, comparisons in compared:
        for comparison in comparisons:
            for test, without, under in comparison.unsteady:
                print("unsteady, also without truefin: %s under %s: once %s, once %s" %
                      (test, comparison.side, without, under))
            for test, without, under in comparison.as_asked:
                print("aborted, as without truefin with a zero linger of its own: %s: %s" % (test, under))
            for test, without, under in comparison.unexplained:
                failed = True
                print("DIFFERS: %s under %s: without truefin %s, with it %s" % (test, comparison.side, without, under))
    if failed:
        sys.exit(1)
    if options.write:
        write(options.page, lines)


main()
