"""Makes a random process tree from a seed. Every step makes sense when it is carried out in order."""
import random

from model import LOADS_US, World

CLOSES = ("close", "close", "close", "range", "fclose", "syscall", "null")
FORKS = ("fork", "fork", "fork", "_Fork", "raw", "clone")
EXECS = ("execve", "execv", "execvp", "execvpe", "execle", "execl", "execlp", "fexecve", "execveat", "syscall")
PROGRAMS = ("shim", "shim", "shim", "script", "static", "scrub", "replace")
SIGNALS = ("TERM", "INT", "HUP", "SEGV", "USR1", "KILL", "KILL", "KILL", "ABRT")
EXITS = ("exit", "_exit", "return", "_Exit", "quick_exit", "syscall")
LIVES = ("poll", "select", "sleep", "signal", "vfork", "spawn")
CODES = ("0", "0", "0", "3", "3", "1", "143")
MOST_PROCESSES, MOST_CONNECTIONS = 6, 5

# How often each kind of step is tried.
WEIGHTS = {
    "accept": 12, "connect": 4, "send-by-peer": 4, "read": 3, "write": 5, "fill": 4, "shutdown": 2, "dup": 5, "dup2": 6,
    "close": 22, "closeall": 2, "send": 4, "recv": 4, "fork": 14, "overtake": 3, "launch": 5, "vfork-exit": 2, "exec": 5,
    "bad-exec": 2, "system": 1, "wait": 4, "end": 12,
}


class Generator:
    def __init__(self, seed, policy):
        self.random = random.Random(seed)
        self.world = World(policy)
        self.steps = []
        self.counts = {"p": 0, "c": 0, "d": 0}

    def name(self, kind):
        self.counts[kind] += 1
        return kind + str(self.counts[kind])

    def pick(self, things):
        return self.random.choice(list(things))

    def descriptor(self, p):
        """The name of some descriptor of a connection, or None."""
        return self.pick(p.names) if p.names else None

    def program(self):
        return self.pick(PROGRAMS)

    def actions(self, p):
        """What is done between vfork and exec."""
        actions = []
        for _ in range(self.random.randrange(3)):
            fd = self.descriptor(p)
            if fd:
                actions.append(self.pick(["%s>%d" % (fd, self.random.randrange(3))] * 3 + ["x" + fd]))
        if self.random.random() < 0.3:
            actions.append(self.pick("rF"))
        return ",".join(actions) or "-"

    def propose(self, kind, p):
        """Arguments for a step of this kind by this process, or None."""
        fd = self.descriptor(p)
        if kind == "accept" and self.counts["c"] < MOST_CONNECTIONS:
            return (p.name, self.name("c"), self.pick(("plain", "plain", "old", "nb", "cloexec")))
        if kind == "connect" and self.counts["c"] < MOST_CONNECTIONS:
            return (p.name, self.name("c"), self.pick(("plain", "plain", "nb", "cloexec")))
        if kind == "send-by-peer" and self.world.connections:
            return (self.pick(self.world.connections), str(self.random.randrange(1, 3000)))
        if kind == "fork" and len(self.world.processes) < MOST_PROCESSES:
            return (p.name, self.name("p"), self.pick(FORKS))
        if kind == "overtake" and len(self.world.processes) < MOST_PROCESSES - 1:
            return (p.name, self.name("p"), self.name("p"), self.pick(("0", "0", "3", "KILL")),
                    self.pick(("0", "3", "KILL", "-", "-")))
        if kind == "launch" and len(self.world.processes) < MOST_PROCESSES:
            return (p.name, self.name("p"), self.pick(("vfork", "vfork", "spawn", "spawnp")), self.program(),
                    self.actions(p))
        if kind == "exec":
            return (p.name, self.program(), self.pick(EXECS))
        if kind == "bad-exec":
            return (p.name, self.pick(("missing", "denied", "folder")), self.pick(EXECS))
        if kind == "system":
            return (p.name, *self.pick(("exit 0", "exit 3", "kill -9 $$")).split())
        if kind == "vfork-exit":
            return (p.name, self.pick(CODES), *([fd] if fd else []))
        if kind == "closeall":
            return (p.name, self.pick(("closefrom", "max", "range", "cloexec", "loop", "sysrange")))
        if kind == "recv":
            return (p.name, self.name("d"))
        if kind == "wait" and p.children:
            return (p.name, self.pick(p.children))
        if kind == "close" and self.random.random() < 0.03:
            return (p.name, str(self.random.randrange(3)), self.pick(CLOSES[:3]))
        if not fd:
            return None
        if kind == "read":
            return (p.name, fd)
        if kind == "write":
            return (p.name, fd, str(self.random.randrange(1, 3000)))
        if kind == "fill":
            return (p.name, fd, str(self.random.randrange(1, self.pick((3000, 60000, 400000)))))
        if kind in ("shutdown", "send"):
            return (p.name, fd)
        if kind == "dup":
            return (p.name, fd, self.name("d"), self.pick(("dup", "fdupfd", "cloexec", "high")))
        if kind == "dup2":
            target = self.pick(["0", "1", "2", self.descriptor(p), self.descriptor(p), str(p.free() + 3)])
            return (p.name, fd, target, self.name("d"), self.pick(("dup2", "dup2", "dup3", "cloexec")))
        if kind == "close":
            return (p.name, fd, self.pick(CLOSES))
        return None

    def failure(self, p):
        """Some closes, and the end at once."""
        actions = []
        for _ in range(self.random.randrange(1, 4)):
            kind = self.pick(("close", "close", "close", "dup2", "closeall"))
            words = self.propose(kind, p)
            if words:
                actions.append(":".join((kind, *words[1:])))
            if self.random.random() < 0.15:
                actions.append("life:" + self.pick(LIVES))
        end = self.end_of(p)
        if end[2] in ("kill", "return"):
            end = ("exit", p.name, "exit", "3")
        return ("fail", p.name, *actions, ":".join((end[0], *end[2:])))

    def end(self, p):
        return self.failure(p) if self.world.defers and self.random.random() < 0.5 else self.end_of(p)

    def end_of(self, p):
        if self.random.random() < 0.5:
            return ("exit", p.name, self.pick(EXITS), self.pick(CODES))
        signal = self.pick(SIGNALS)
        if signal == "ABRT":
            return ("die", p.name, "abort", "ABRT")
        if signal == "SEGV" and self.random.random() < 0.5:
            return ("die", p.name, "trap", "ILL")
        return ("die", p.name, self.pick(("raise", "kill")), signal)

    def last_words(self, p):
        """Often a process ends with something written that its peer has not read."""
        words = self.random.random() < 0.3 and self.propose("fill", p)
        return words and ("fill", *words)

    def add(self, step):
        if step and self.world.do(step):
            self.steps.append(step)

    def living(self):
        return [p for p in self.world.processes.values() if p.alive]

    def tree(self):
        kinds, weights = zip(*WEIGHTS.items())
        self.add(("accept", "p0", self.name("c"), "plain"))
        for _ in range(self.random.randrange(6, 40)):
            p = self.pick(self.living())
            kind = self.random.choices(kinds, weights)[0]
            if kind == "end":
                if len(self.living()) > 1:
                    self.add(self.last_words(p))
                    self.add(self.end(p))
                continue
            words = self.propose(kind, p)
            self.add(words and (kind, *words))
        for p in self.random.sample(self.living(), len(self.living())):
            self.add(self.last_words(p))
            self.add(self.end(p))
        return self.steps


def tree(seed, policy):
    """The steps of this seed's tree. The same for every policy but for what that makes senseless."""
    return Generator(seed, policy).tree()
