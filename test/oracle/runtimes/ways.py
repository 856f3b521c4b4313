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
SESSION_POLICY = "abort-on-crash, session-error=flush-rst"
DEFER_POLICY = "abort-on-crash, defer-close"
POLICIES = [NO_POLICY, "abort-on-crash", SESSION_POLICY, DEFER_POLICY, "abort-on-unread-data", "abort-unless-shutdown",
            "always-fin"]

ORDERLY = ("close", "drop", "exit-0", "term", "int")

# Runtimes whose server another process has given the connection, and the ways in which it ends with a bad status there.
SESSIONS = {"sh under socat": ("exit-3", "return", "exception", "stack")}


def policies_of(runtime, policies):
    """Those of these policies that this runtime is measured under: what a session gets matters to sessions only."""
    return [p for p in policies if p != SESSION_POLICY or runtime in SESSIONS]


def promise(policy, runtime, way):
    """"fin" or "rst"."""
    if policy == "abort-unless-shutdown":
        return "rst"
    if policy in ("abort-on-crash", DEFER_POLICY) and way in SESSIONS.get(runtime, ()):
        return "fin"
    return "rst" if policy in ("abort-on-crash", SESSION_POLICY, DEFER_POLICY) and way not in ORDERLY else "fin"
