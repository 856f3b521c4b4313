"""What every peer of a process tree must see: a model written from the sentences of docs/DESIGN.md.

A tree is a list of steps (tuples of words, see README.md), carried out one after the other. World.do() carries out
one step in the model. It has two layers:

  Kernel   who holds which descriptor of which connection. The last close ends a connection: FIN, or RST where
           received data was unread. Without the shim this is all.
  Rules    section 4 of DESIGN: to whom a connection belongs, and what its end means under a policy (section 2).

The ownership rule as it is kept here: a connection has a *chain* of holders. It begins with the process that got
it. A holder leaves the chain when it gives up its last descriptor, ends, or execs without keeping it at 0, 1, 2;
the last one to leave decides how the connection ends, by the event of its leaving. All else changes nothing:

  "parent accepts, forks, closes its copy; child serves: parent's close changes nothing"   [P, C] -> [C]
  "child crashes while the parent still holds the socket: nothing is reset"                [P, C] -> [P]
  "an heir that dies or gives up its copies before its parent leaves all to the parent"    the same
  "a parent that crashes leaves it to the heir that still holds it"                        [P, C] -> [C]
  "a fork gives the child the connection that the forking thread got last (and 0, 1, 2)"   P last got c: [P] -> [P, C]
  "if several forks follow, the last one's child is the heir"                              [P, C] -> [P, D]
      (only what a fork gave is displaced by it, not a holder by message or by exec)
  "an heir that forks hands on by the same rule"                                           [P, C] -> [P, C, D]
  "one that has it at 0/1/2 [when it execs] is [a holder]"                                 [P] -> [P, X]

Decisions where the sentences leave a case open, marked in the code by their number:

  D1  "got last": accept, connect, a received descriptor and what a program is executed with at 0, 1, 2 count. When that one
      was given up before the fork, the fork gives nothing (not the one before it): no heir means the parent's orderly end is a FIN.
  D2  A forked child's own "last got" is what the fork gave it ("that it was given or got since").
  D3  vfork and posix_spawn children are no heirs by birth and displace none; they become holders only by an exec
      with a copy at 0, 1, 2.
  D4  An exec with a copy at 0, 1, 2 makes the process a holder behind all others, whoever its parent is, also of
      a connection whose owner had ended it well while other copies lived on ("whichever of fork, parent's close
      and exec comes first").
  D5  A CLOEXEC copy that an exec takes away is the event `close` ("the program gives up its last descriptor"). But what is
      unread is not discarded for it: "a failed exec leaves all as it was", and whether it fails is known too late.
  D6  A copy above 2 that the last holder leaks by exec has left our sight: the kernel's rule, whatever the policy
      ("before a socket leaves our sight disarm it").
  D7  Sending a descriptor gives the connection away: the message takes the sender's place in the chain, and the
      receiver the message's. In flight nothing is armed: a message that is never received ends as the kernel does
      (unless somebody who doesn't know of it drained the connection).
      A sender that keeps a copy is no holder any more; if the receiver dies badly before the sender closes that
      copy well, or the receiver execs and takes that copy for a holder's, FIN and RST are both taken (the sender can't know who else has it; FIN would be better).
  D8  A program that does not load us and has it at 0, 1, 2 is a holder whose end is the kernel's. The socket was
      disarmed for it, so if a signal ends another holder as the last one afterwards, FIN and RST are both right.
      With a copy above 2 as well it can't be told whether it moved its own or leaked one: the same.
  D9  `fin` and `linger` discard what is unread when an owner ends the connection, also if helpers still hold copies.
  D10 Between the end by its owner and the last close in the kernel (a helper holds a copy) the peer may see the
      ending early, but no other one. Under `linger` the FIN may be out then (a grandchild whose parent is gone, or a
      displaced sibling, is not known to hold a copy), and whoever takes the connection up later cannot use it any more.
  D11 A child that execs anything with a copy above 2 releases what it was given also if the program loads us.
  D12 After shutdown(SHUT_WR) the peer sees FIN and nothing more is looked at.
  D13 "Disarm before it leaves our sight" and "abort-unless-shutdown: only shutdown gives a FIN" contradict each other
      where the last holder is out of sight (D6, D7, D8): where the policy has close=rst, both are taken.
  D14 A process that leaked its copy through exec, or a parent that holds one by accident, is no holder; but the others
      can't know ("child crashes while the parent still holds the socket: nothing is reset"). If somebody else leaves
      last while it still has the copy, both an RST or a drain that is due then and their absence are taken.
  D15 "Leaked descriptors above are not adopted": in a program that was executed, only what it got at 0, 1, 2 (and dups
      of these) counts; giving these up is its `close`, whatever else leaked into it.
  D16 A leaked copy that the program itself puts at 0, 1, 2 later is not generated: whether it counts is open.
  D17 Holders that can't know of each other: a fork child that execs with what was not given to it, a second one by exec or beside a message, one by exec whose parent is no
      holder, a fork beside one by exec, a shell of system(3) beside one that does
      not load us or run by no holder, a message sent while others hold it too, a program that takes up by exec what
      its owner's crash has decided. Whoever is last then, FIN and RST are both taken.
  D18 An exec forgets. What a program that took the connection up by exec has forked is known to that program only: once it
      is gone, those above it can't know of its heirs, nor it, once its parent is gone, of other holders. Nor does a holder
      that execs know any more whom it had given it to, or which of its services was killed.
  D19 Whoever leaks its copy through exec while a program that took the connection up by exec holds it leaves that
      (and their heirs) with a copy in their way that nobody judges: FIN and RST are both taken (the shim disarms: a false RST is worse).
  D20 "if it crashed before the superserver closed its copy, that close is its crash": who took the connection up by exec and
      was killed by a signal before its parent closes, and has not been waited for, decides. Whether it had given the
      connection up before, its parent cannot know: if it had, FIN and RST are both taken (a false RST).
  D21 A bad status is `session-error` in a process that a fork gave the connection, that execed with it at 0, 1, 2 (whoever
      got it before), or that received it in a message: also its own message, if the process had got it itself. In one that is
      still a holder a message changes nothing.
  D22 Bytes: all that was written arrives before a FIN, and before an RST that flush-rst makes where code of ours runs: a
      close, an exit, a stop, abort(3), an exec that closes it. At any other crash the kernel aborts at once: at most what
      was written arrives. The same holds where the kernel's rule for unread data makes the RST, and where D6 to D19 take
      both endings.
  D23 Under defer-close the last close by the one holder of a connection is none if the process ends before it waits for
      anything: it ends then, by the event of the process. While others are holders too a close is one at once, as it is when it
      is the crash of a service (D20). Every step but `fail` shows that the process goes on before it is over.
"""

CLEAN_EXITS = {0, 129, 130, 143}
STOP_SIGNALS = {"TERM", "INT", "HUP"}
SIGNALS = {"HUP": 1, "INT": 2, "QUIT": 3, "ILL": 4, "ABRT": 6, "FPE": 8, "KILL": 9, "USR1": 10, "SEGV": 11,
           "USR2": 12, "ALRM": 14, "TERM": 15}

EVENTS = ("close", "unread", "exit", "exit-error", "session-error", "stop", "crash")
ABORTS = ("flush-rst", "rst")


def _policy(**endings):
    table = dict.fromkeys(EVENTS, "keep")
    table.update((event.replace("_", "-"), ending) for event, ending in endings.items())
    return table


POLICIES = {
    "off": _policy(),
    "abort-on-crash": _policy(crash="flush-rst", exit_error="flush-rst"),
    # Here a failing fork child tells whose the connection is; under the preset it ends as without the shim.
    "abort-on-crash,session-error=flush-rst": _policy(crash="flush-rst", exit_error="flush-rst", session_error="flush-rst"),
    "abort-on-crash,defer-close": _policy(crash="flush-rst", exit_error="flush-rst"),
    "abort-on-crash,session-error=flush-rst,defer-close": _policy(crash="flush-rst", exit_error="flush-rst",
                                                                   session_error="flush-rst"),
    "abort-on-unread-data": _policy(unread="flush-rst"),
    "abort-unless-shutdown": dict.fromkeys(EVENTS, "flush-rst"),
    "always-fin": dict.fromkeys(EVENTS, "fin"),  # `linger` ends for the peer as `fin` does
}

LISTENER, LAST_TREE = 890, 889
DEFERRED = 1000  # numbers from here on stand for closes that are deferred
MOST_WRITTEN = 1000000  # bytes on one connection: the kernel must take them though the peer reads nothing
PROGRAMS = ("shim", "script", "static", "scrub", "replace")
LOADS_US = {"shim", "script"}
FLIGHT = "message"  # the holder's name while a descriptor is in a message


class Connection:
    def __init__(self, name):
        self.name = name
        self.chain = []
        self.decision = None     # None, "keep", "fin", "rst", "either": what the last holder's leaving meant
        self.disarmed = False    # D8: an outsider has or had it
        self.unread = 0
        self.shut = False
        self.written = 0         # by all processes
        self.delivers = False    # D22: all that was written arrives, also before an RST
        self.ended = False       # by the kernel's count
        self.strangers = False   # D17
        self.settled = False     # the driver has seen its end
        self.heirs = set()       # processes that a fork gave it to
        self.given = set()       # D21: processes that another one gave it to
        self.by_exec = {FLIGHT}  # processes that took it up by an exec, or from a message
        self.senders = []        # processes that gave it away in a message
        self.leakers = []        # processes that leaked it through exec
        self.killed = []         # D20: (process, event) of those that took it up by an exec
        self.quitters = []       # D20: those that gave it up again
        self.lingers = False     # D10

    def is_ending(self):
        """Its end has begun, or somebody may take it for that: from now on the peer reads."""
        return self.shut or self.ended or self.strangers or self.decision is not None

    def allowed(self):
        """What the peer may have read by now. Empty: it must still be open."""
        if self.shut:
            return {"FIN"}
        if self.ended:
            if self.decision == "either":
                return {"FIN", "RST"}
            if self.decision == "rst" or self.unread:
                return {"RST"}
            return {"FIN"}
        return {None: set(), "keep": {"FIN"}, "fin": {"FIN"}, "rst": {"RST"}, "either": {"FIN", "RST"}}[self.decision]


class Process:
    def __init__(self, name):
        self.name = name
        self.fds = {0: None, 1: None, 2: None}  # number -> connection, or None for /dev/null
        self.cloexec = set()
        self.untracked = set()   # numbers that leaked into this program
        self.names = {}          # the script's name for a descriptor -> number
        self.last = None         # the connection got last
        self.alive = True
        self.sees = True         # loads the shim
        self.mail = True         # has the tree's listener and mail box
        self.children = set()
        self.parent = None
        self.status = None       # wait status once dead
        self.killed = False      # by a signal
        self.reaped = False

    def free(self, at_least=0):
        number = at_least
        while number in self.fds:
            number += 1
        return number

    def has(self, c):
        """Counts it as a holder in the sense of the rules."""
        return any(held is c for n, held in self.fds.items() if n not in self.untracked)

    def connections(self):
        """Each connection it holds, once, in order of the lowest descriptor."""
        return list(dict.fromkeys(c for _, c in sorted(self.fds.items()) if c))


class World:
    """Processes and connections. policy None: no shim."""

    def __init__(self, policy):
        self.policy = POLICIES[policy] if policy else None
        self.defers = policy is not None and "defer-close" in policy
        self.failing = False     # a step `fail` is under way
        self.given_up = []       # connections that were closed in this step
        self.processes = {"p0": Process("p0")}
        self.connections = {}
        self.mail = []           # connections in messages, oldest first
        # For the driver, set by do():
        self.command = None      # (process, text)
        self.expect = None       # the answer, None if any non-negative number, False if there is none
        self.ready = None        # name of the process that will say "ready"
        self.dead = None         # name of the process that ends
        self.signal = None       # (process, number) that the driver sends

    # --- Rules: section 4 ---

    def born(self, c, p):
        c.chain = [p.name] if self.policy else []
        p.last = c                                                      # D1

    def leave(self, c, p, event, caught=True, waits=True):
        """p gives c up. caught: code of ours can drain it; waits: it can wait until all is delivered."""
        if not self.policy or p.name not in c.chain:
            return
        place = c.chain.index(p.name)
        c.chain.remove(p.name)
        if event == "close" and p.name in c.by_exec:
            c.quitters.append(p)
        if c.chain:
            c.strangers |= p.name in c.by_exec and (0 < place < len(c.chain) or p.parent not in c.chain)  # D18
            return
        c.delivers = False
        if c.strangers:
            c.decision = "either"                                       # D17
            return
        if not p.sees:
            c.decision = self.out_of_sight()
            return
        if event == "close" and c.unread:
            event = "unread"
        if event == "exit-error" and p.name in c.given:
            event = "session-error"                                     # D21
        if event in ("close", "unread"):
            event = next((e for q, e in c.killed if q.parent == p.name and not q.reaped), event)   # D20
        c.delivers = self.policy[event] == "flush-rst" and waits        # D22
        ending = "rst" if self.policy[event] in ABORTS else self.policy[event]
        c.decision = ending
        unread = c.unread
        if ending == "fin" and caught:
            c.unread = 0                                                # D9
        if ending == "rst" and event in ("crash", "stop") and c.disarmed:
            c.decision = "either"                                       # D8
        if ((ending == "rst" or p.name in c.by_exec)
                and any(q is not p and q.alive and c in q.fds.values() for q in c.senders)):
            c.decision = "either"                                       # D7
        c.lingers |= ending == "fin" and event in ("close", "unread")
        if event in ("close", "unread") and any(q.parent == p.name and not q.reaped and q.killed for q in c.quitters):
            c.decision = "either"                                       # D20
        drained = ending == "fin" and unread
        parent = self.processes[p.parent] if p.parent else p
        outsiders = [q for q in {parent, *c.leakers} if q is not p and q.alive and c in q.fds.values()]
        if outsiders and (ending == "rst" or drained):
            c.decision = "either"                                       # D14

    def out_of_sight(self):
        return "either" if self.policy["close"] in ABORTS else "keep"   # D13

    def release(self, c, name):
        """The holder's copy has left our sight."""
        if name in c.chain:
            c.chain.remove(name)
            if not c.chain:
                c.decision = "either" if c.strangers else self.out_of_sight()  # D6, D17
                c.delivers = False

    def give_by_fork(self, p, q):
        for c in q.connections():
            at_standard = any(p.fds.get(n) is c for n in (0, 1, 2))
            if p.sees and p.name in c.chain and (c is p.last or at_standard):
                place = c.chain.index(p.name) + 1
                c.chain[place:] = [q.name] + [n for n in c.chain[place:] if n not in c.heirs or n in c.by_exec]
                c.heirs.add(q.name)
                c.given.add(q.name)                                     # D21
                c.strangers |= bool(set(c.chain[:place]) & c.by_exec - {p.name} or set(c.chain[place:]) & c.by_exec)  # D17
                if c is p.last:
                    q.last = c                                          # D2

    def exec_in(self, p, program, launched=False):
        """p becomes another program: what it keeps, and what its connections lose."""
        before = p.connections()
        kept = {n: c for n, c in p.fds.items() if n not in p.cloexec}
        for c in before if self.policy else []:
            left = {n for n, held in kept.items() if held is c}
            if not left:
                self.leave(c, p, "close", caught=False)                 # D5
            elif left & {0, 1, 2}:
                c.strangers |= bool(set(c.chain) - {p.name} & c.by_exec)                 # D17
                if p.name not in c.chain:
                    known = launched and p.parent in c.chain
                    c.strangers |= bool(c.chain and not known) or c.decision in ("rst", "either")   # D17
                    c.chain.append(p.name)                              # D4
                c.by_exec.add(p.name)
                c.given.add(p.name)                                     # D21
                c.strangers |= c.chain[-1] != p.name                    # D18
                c.decision = None
                c.disarmed = program not in LOADS_US                    # D8
                c.strangers |= c.disarmed and max(left) > 2             # D8
            else:
                if p.name in c.chain:
                    c.leakers.append(p)
                self.release(c, p.name)                                 # D6, D11
                c.strangers |= bool(set(c.chain) & c.by_exec)                            # D19
        for c in before:
            c.killed = [(q, event) for q, event in c.killed if q.parent != p.name]       # D18
            c.quitters = [q for q in c.quitters if q.parent != p.name]
        p.fds, p.cloexec, p.last = kept, set(), None
        p.untracked = {n for n in kept if n > 2}                        # D15
        p.sees = program in LOADS_US
        for n in (0, 1, 2):
            if p.fds.get(n) and p.fds[n] not in [p.fds.get(below) for below in range(n)]:
                p.last = p.fds[n]                                       # D1
        self.forget_names(p)
        self.count()

    # --- Kernel ---

    def count(self):
        """Finds the connections whose last descriptor is gone."""
        if self.mail and not any(p.alive and p.mail for p in self.processes.values()):
            lost, self.mail = self.mail, []
            for c in lost:
                self.release(c, FLIGHT)                                 # D7
                if c.unread and not c.chain and self.policy and "fin" in self.policy.values():
                    c.decision = "either"
        held = set(self.mail)
        for p in self.processes.values():
            if p.alive:
                held.update(p.fds.values())
        for c in self.connections.values():
            c.ended = c.ended or c not in held

    @staticmethod
    def forget_names(p):
        p.names = {name: n for name, n in p.names.items() if n in p.fds}

    def install(self, p, number, c, name=None, cloexec=False, source=None):
        untracked = source in p.untracked  # a dup of a leak is a leak
        p.fds[number] = c
        p.cloexec.discard(number)
        p.untracked.discard(number)
        if untracked:
            p.untracked.add(number)
        if cloexec:
            p.cloexec.add(number)
        if name:
            p.names[name] = number

    def drop(self, p, numbers):
        """Closes descriptors of a living process."""
        gone = [p.fds.pop(n) for n in numbers]
        p.cloexec -= set(numbers)
        p.untracked -= set(numbers)
        p.names = {name: n for name, n in p.names.items() if n not in numbers}
        for c in dict.fromkeys(gone):
            if c and not p.has(c):
                self.gives_up(p, c)

    def gives_up(self, p, c):
        """p has closed its last descriptor of c."""
        services = [q for q, _ in c.killed] + [q for q in c.quitters if q.killed]
        killed = any(q.parent == p.name and not q.reaped for q in services)              # D20
        if self.failing and self.defers and p.sees and c.chain == [p.name] and not c.shut and not killed:
            p.fds[max([DEFERRED, *p.fds]) + 1] = c                            # D23
        else:
            self.leave(c, p, "close")
            self.given_up.append(c)

    def die(self, p, event, status, caught=True, waits=True):
        for c in p.connections():
            if event in ("crash", "stop") and p.name in c.chain and p.name in c.by_exec:
                c.killed.append((p, event))                             # D20
            self.leave(c, p, event, caught, waits)
        for c in self.given_up:
            c.delivers &= waits                                         # D22: what is kept dies with the process
        p.alive, p.status, p.killed = False, status, event in ("crash", "stop")
        for child in p.children:
            self.processes[child].parent = None
        self.dead = p.name
        self.expect = False
        self.count()

    def clone(self, p, name):
        q = Process(name)
        q.fds, q.cloexec, q.names = dict(p.fds), set(p.cloexec), dict(p.names)
        q.untracked = set(p.untracked)
        q.mail, q.sees, q.parent = p.mail, p.sees, p.name
        self.processes[name] = q
        p.children.add(name)
        return q

    # --- Steps ---

    def do(self, step):
        """Carries out one step. False, with nothing changed, if it makes no sense here (a shrunk tree)."""
        self.command = self.expect = self.ready = self.dead = self.signal = None
        self.given_up = []
        if step[0] == "send-by-peer":
            return self.send_by_peer(*step[1:])
        p = self.processes.get(step[1])
        if not p or not p.alive:
            return False
        return getattr(self, "do_" + step[0].replace("-", "_"))(p, *step[2:]) is not False

    def tell(self, p, *words):
        self.command = (p.name, " ".join(map(str, words)))

    def new_connection(self, p, name, cloexec):
        c = Connection(name)
        self.connections[name] = c
        self.expect = p.free()
        self.install(p, self.expect, c, name, cloexec)
        self.born(c, p)

    def do_accept(self, p, name, how):
        if not p.mail or name in self.connections:
            return False
        self.tell(p, "accept", how)
        self.new_connection(p, name, how == "cloexec")

    def do_connect(self, p, name, how):
        if name in self.connections:
            return False
        self.tell(p, "connect", how, "PORT")
        self.new_connection(p, name, how == "cloexec")

    def send_by_peer(self, name, count):
        c = self.connections.get(name)
        if not c or c.ended or c.shut or c.decision or c.lingers or c.strangers or (self.policy and not c.chain):
            return False
        for p in self.processes.values():
            for n, held in p.fds.items():
                if p.alive and held is c:
                    c.unread += int(count)
                    self.tell(p, "await", n, c.unread)
                    self.expect = c.unread
                    return True
        return False

    def holding(self, p, fd):
        return p.fds.get(p.names.get(fd, -1))

    def do_read(self, p, fd):
        c = self.holding(p, fd)
        if not c or not c.unread or c.decision or c.strangers:
            return False
        self.tell(p, "read", p.names[fd], c.unread)
        self.expect = c.unread
        c.unread = 0

    def do_write(self, p, fd, count):
        c = self.holding(p, fd)
        if not c or c.shut or c.decision or c.lingers or c.written + int(count) > MOST_WRITTEN:
            return False
        c.written += int(count)
        self.tell(p, "write", p.names[fd], count)
        self.expect = int(count)

    do_fill = do_write  # the peer reads nothing any more before the connection's end has begun

    def do_shutdown(self, p, fd):
        c = self.holding(p, fd)
        if not c or c.shut or c.decision:
            return False
        self.tell(p, "shutdown", p.names[fd])
        self.expect = 0
        c.shut = True                                                   # D12

    def do_dup(self, p, fd, name, how):
        c = self.holding(p, fd)
        if not c:
            return False
        self.tell(p, "dup", p.names[fd], how)
        self.expect = p.free(200 if how == "high" else 0)
        self.install(p, self.expect, c, name, how == "cloexec", p.names[fd])

    def do_dup2(self, p, fd, target, name, how):
        c = self.holding(p, fd)
        number = int(target) if target.isdigit() else p.names.get(target)
        if not c or number is None:
            return False
        if number < 3 and p.names[fd] in p.untracked:
            return False                                                # D16
        same = number == p.names[fd]
        if same and how != "dup2":  # EINVAL
            return False
        self.tell(p, "dup2", p.names[fd], number, how)
        self.expect = number
        if same:
            p.names[name] = number
            return True
        old = p.fds.get(number)
        p.names = {known: n for known, n in p.names.items() if n != number}
        self.install(p, number, c, name, how == "cloexec", p.names[fd])
        if old and not p.has(old):
            self.gives_up(p, old)
        self.count()

    def do_close(self, p, fd, how):
        number = int(fd) if fd.isdigit() else p.names.get(fd)
        if number is None or number not in p.fds or (how == "null" and not p.mail):
            return False
        self.tell(p, "close", number, how)
        self.expect = 0
        self.drop(p, [number])
        if how == "null":
            p.fds[number] = None
        self.count()

    def do_closeall(self, p, how):
        self.tell(p, "closeall", how)
        self.expect = 0
        numbers = [n for n in p.fds if 3 <= n < DEFERRED]
        if how == "loop":
            numbers = [n for n in numbers if n < 256]
        if how == "cloexec":
            p.cloexec |= set(numbers)
            return True
        if how in ("closefrom", "max"):
            p.mail = False
            self.ready, self.expect = p.name, False  # the channel is closed too: it calls back
        self.drop(p, numbers)
        self.count()

    def do_send(self, p, fd):
        c = self.holding(p, fd)
        if not c or not p.mail or c.decision or not p.sees or c in self.mail or p.names[fd] in p.untracked:
            return False
        if self.policy and p.name not in c.chain:
            return False
        self.tell(p, "send", p.names[fd])
        self.mail.append(c)
        if self.policy:
            c.strangers |= len(c.chain) > 1                             # D17
            c.chain[c.chain.index(p.name)] = FLIGHT                     # D7
            c.senders.append(p)

    def do_recv(self, p, name):
        if not p.mail or not self.mail:
            return False
        self.tell(p, "recv")
        c = self.mail.pop(0)
        self.expect = p.free()
        self.install(p, self.expect, c, name)
        if not self.policy:
            return True
        place = c.chain.index(FLIGHT)
        if p.name in c.chain:
            del c.chain[place]
        else:
            c.chain[place] = p.name
            c.by_exec.add(p.name)
            c.given.add(p.name)                                         # D21
        p.last = c                                                      # D1

    def do_fork(self, p, name, how):
        if name in self.processes or not p.sees:
            return False
        self.tell(p, "fork", how)
        self.ready = name
        self.give_by_fork(p, self.clone(p, name))

    def do_overtake(self, p, name, other, end, other_end):
        """A fork child that forks before its parent's fork has returned, and ends; so does its child, or lives on."""
        if name in self.processes or other in self.processes or not p.sees:
            return False
        q = self.clone(p, name)
        self.give_by_fork(p, q)
        r = self.clone(q, other)
        self.give_by_fork(q, r)
        for process, how in ((q, end), (r, other_end)):
            if how == "KILL":
                self.die(process, "crash", SIGNALS[how], caught=False, waits=False)
            elif how != "-":
                self.die(process, "exit" if int(how) in CLEAN_EXITS else "exit-error", int(how) << 8)
        q.reaped = r.reaped = True
        self.tell(p, "overtake", end, other_end)
        self.expect, self.dead = None, None
        self.ready = other if other_end == "-" else None

    def actions(self, p, q, text):
        """The actions between vfork and exec, in words for the agent; None if one makes no sense."""
        words = []
        for action in text.split(",") if text != "-" else []:
            if action in ("r", "F"):
                for n in [n for n in q.fds if n >= 3]:
                    del q.fds[n]
                    q.cloexec.discard(n)
                q.mail = q.mail and action == "r"
                words.append(action)
            elif action.startswith("x"):
                number = q.names.get(action[1:])
                if number not in q.fds:
                    return None
                del q.fds[number]
                q.cloexec.discard(number)
                words.append("x%d" % number)
            else:
                source, target = action.split(">")
                source, target = q.names.get(source), int(target)
                if source not in q.fds or source == target:
                    return None
                self.install(q, target, q.fds[source])
                words.append("%d>%d" % (source, target))
            q.names = {known: n for known, n in q.names.items() if n in q.fds}
        return words

    def do_launch(self, p, name, how, program, actions):
        if name in self.processes or not p.sees or (how != "vfork" and "r" in actions.split(",")):
            return False
        q = self.clone(p, name)
        words = self.actions(p, q, actions)
        if words is None:
            del self.processes[name]
            p.children.discard(name)
            return False
        self.tell(p, "launch", how, program, *words)
        self.ready = name
        self.exec_in(q, program, launched=True)                         # D3: no gift before it

    def do_vfork_exit(self, p, code, *fds):
        numbers = [p.names[fd] for fd in fds if fd in p.names]
        self.tell(p, "vforkexit", code, *numbers)
        self.expect = int(code) << 8

    def do_exec(self, p, program, how):
        if not p.sees or (program == "script" and how in ("fexecve", "execveat")):
            return False
        self.tell(p, "exec", program, how)
        self.expect = False
        self.ready = p.name
        self.exec_in(p, program)

    def do_bad_exec(self, p, program, how):
        self.tell(p, "exec", program, how)
        self.expect = "error"

    def do_system(self, p, *words):
        """A shell that ends at once; it has what is at 0, 1, 2 like any program that is executed."""
        if not p.sees:
            return False
        self.tell(p, "system", *words)
        shell = Process("shell")
        shell.fds = {n: c for n, c in p.fds.items() if n < 3 and n not in p.cloexec}
        for c in shell.connections() if self.policy else []:
            if p.name in c.chain:
                c.strangers |= c.disarmed                               # D17
                continue                                                # it leaves before p does
            c.strangers = True                                          # D17
            c.chain.append(shell.name)                                  # D4
            c.given.add(shell.name)                                     # D21
            c.decision = None
            self.leave(c, shell, {"exit 0": "exit", "exit 3": "exit-error"}.get(" ".join(words), "crash"),
                       caught=words[0] == "exit", waits=words[0] == "exit")

    def do_wait(self, p, child):
        q = self.processes.get(child)
        if not q or q.alive or child not in p.children or q.reaped:
            return False
        self.tell(p, "wait", "PID:" + child)
        self.expect = q.status
        q.reaped = True

    def do_exit(self, p, how, code):
        code = int(code)
        self.tell(p, "exit", how, code)
        self.die(p, "exit" if code in CLEAN_EXITS else "exit-error", code << 8)

    def do_life(self, p, how):
        """Only while it fails: it waits for something. What it has at 0, 1, 2 a program that it starts would take up."""
        if how == "spawn" and any(p.fds.get(n) for n in (0, 1, 2)):
            return False
        self.tell(p, "life", how)
        for number in [n for n in p.fds if n >= DEFERRED]:
            self.leave(p.fds.pop(number), p, "close")
        self.count()

    def do_fail(self, p, *actions):
        """Closes by the words of the steps above, with ":" between, and an end. What makes no sense is left out."""
        words = []
        self.failing = True
        for action in actions:
            kind, *rest = action.split(":")
            if kind in ("close", "closeall", "dup2", "life", "exit", "die") and getattr(self, "do_" + kind)(p, *rest) is not False:
                words.append(self.command[1].replace(" ", ":"))
        self.failing = False
        self.tell(p, "fail", *words)
        self.expect, self.ready = False, None

    def do_die(self, p, how, signal):
        """how: raise (by itself), kill (by the driver), abort, trap (a real fault)."""
        if how == "kill":
            self.signal = (p.name, SIGNALS[signal])
        elif how == "raise":
            self.tell(p, "raise", SIGNALS[signal])
        else:
            self.tell(p, how)
        event = "stop" if signal in STOP_SIGNALS else "crash"
        self.die(p, event, SIGNALS[signal], caught=signal != "KILL", waits=event == "stop" or how == "abort")
