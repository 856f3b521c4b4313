"""The ways to end, what a policy promises for each, and the generations."""

WAYS = {
    "close": "half an answer, then an orderly close; the process lives on",
    "drop": "the last reference is dropped, garbage is collected; the process lives on",
    "exit-0": "exit status 0 in mid-answer",
    "exit-3": "exit status 3 in mid-answer",
    "return": "the function that owns the connection returns, main returns 3",
    "exception": "an exception or panic in the main thread that nobody catches",
    "thread": "the same in another thread, which owns the connection",
    "abort": "abort(3), or the runtime's own",
    "segv": "SIGSEGV, by a bad pointer where the language has one",
    "stack": "recursion without end",
    "term": "SIGTERM from outside",
    "int": "SIGINT from outside",
    "kill": "SIGKILL from outside",
    "oom": "the kernel's out-of-memory killer, in a cgroup",
}
SIGNALS = {"term": "SIGTERM", "int": "SIGINT", "kill": "SIGKILL"}

GENERATIONS = ["Debian 12", "current"]

NO_POLICY = "none"
POLICIES = [NO_POLICY, "abort-on-crash", "abort-on-unread-data", "abort-unless-shutdown", "always-fin"]

ORDERLY = ("close", "drop", "exit-0", "term", "int")


def promise(policy, way):
    """"fin" or "rst"."""
    if policy == "abort-unless-shutdown":
        return "rst"
    return "rst" if policy == "abort-on-crash" and way not in ORDERLY else "fin"
