"""What was measured, as lines of a file, as a page, on a terminal and as a picture."""

import fnmatch
import html
import os

from ways import DEFER_POLICY, GENERATIONS, NO_POLICY, POLICIES, WAYS, policies_of, promise

HERE = os.path.dirname(os.path.abspath(__file__))
MEASURED = os.path.join(HERE, "measured.txt")
EXPLAINED = os.path.join(HERE, "explained.txt")
DIFFERENCES = os.path.join(HERE, "differences.txt")

# Verdict, and whether it is the promised one: colours in the picture, on a light page and on a dark one; escape sequence on
# a terminal; what it means.
KINDS = {
    ("fin", True): (("#8fd3a0", "#1f6b38"), "32", "FIN, as promised"),
    ("rst", True): (("#7fb2e5", "#235a96"), "36", "RST, as promised"),
    ("fin", False): (("#f2a65a", "#a85a12"), "33", "FIN where an RST is promised: a missed one"),
    ("rst", False): (("#e58a96", "#a1263a"), "31", "RST where a FIN is promised: a false one"),
    ("either", False): (("#f7d08a", "#7d6419"), "33", "FIN or RST, a race, where an RST is promised"),
    ("open", True): (("#e7e2d5", "#3d3a33"), "2", "still open while the process lives"),
    ("-", True): (("#f4f4f4", "#181d24"), "2", "does not exist there"),
}
FAILED = (("#ff00ff", "#ff00ff"), "35", "could not be measured")


def kind(policy, runtime, way, verdict):
    kept = verdict in ("open", "-") or verdict == promise(policy, runtime, way)
    return KINDS.get((verdict, kept), FAILED)


def differs(policy, runtime, way, verdict):
    return verdict in ("fin", "rst", "either") and verdict != promise(policy, runtime, way)


def load(path=MEASURED):
    """({(runtime, generation): version}, {(runtime, generation, policy, way): verdict})"""
    versions, cells = {}, {}
    with open(path) as lines:
        for line in lines:
            *key, value = line.rstrip("\n").split("\t")
            (versions if len(key) == 2 else cells)[tuple(key)] = value
    return versions, cells


def save(versions, cells):
    with open(MEASURED, "w") as file:
        for key, value in (*versions.items(), *cells.items()):
            file.write("\t".join((*key, value)) + "\n")


def explanations(path):
    """[(policy, runtime, way, reason, perhaps "either")], the first three as patterns."""
    with open(path) as lines:
        words = [line.rstrip("\n").split("\t") for line in lines if line.strip() and not line.startswith("#")]
    return [tuple(w) for w in words]


def explanation(explained, policy, runtime, way):
    """Its number, from 1, and None if there is none."""
    for number, (policies, runtimes, ways, *_) in enumerate(explained, 1):
        if all(any(fnmatch.fnmatchcase(value, p) for p in patterns.split("|")) for value, patterns in
               ((policy, policies), (runtime, runtimes), (way, ways))):
            return number
    return None


def settled(policy, runtime, way, verdict):
    """The verdict, or "either" if this one is known to be a race."""
    explained = explanations(EXPLAINED)
    number = explanation(explained, policy, runtime, way)
    race = number and "either" in explained[number - 1][4:]
    return "either" if race and verdict in ("fin", "rst") else verdict


def unexplained(cells):
    """Keys of cells that are neither as promised nor explained."""
    explained = explanations(EXPLAINED)
    return [key for key, verdict in cells.items()
            if differs(key[2], key[0], key[3], verdict) and explanation(explained, key[2], key[0], key[3]) is None]


def by_generation(cells, runtime, policy, way):
    """[verdict], of the generations that were measured, the older one first."""
    return [cells[runtime, g, policy, way] for g in GENERATIONS if (runtime, g, policy, way) in cells]


def unlike(cells):
    """(runtime, policy, way), where the generations differ and nothing explains it."""
    explained = explanations(DIFFERENCES)
    keys = dict.fromkeys((r, p, w) for r, _, p, w in cells)
    return [(r, p, w) for r, p, w in keys
            if len(set(by_generation(cells, r, p, w))) > 1 and explanation(explained, p, r, w) is None]


def on_terminal(versions, policies, cells, coloured):
    names = {key: "%s %s" % (key[0], version) for key, version in versions.items()}
    width = max(map(len, names.values())) + 2
    for policy in policies:
        yield ""
        yield policy
        yield " " * width + " ".join("%-9s" % w for w in WAYS)
        for key, name in names.items():
            if not policies_of(key[0], [policy]):
                continue
            row = []
            for way in WAYS:
                verdict = cells.get((*key, policy, way), "-")
                text = "%-9s" % (verdict + ("!" if differs(policy, key[0], way, verdict) else ""))
                colour = kind(policy, key[0], way, verdict)[1]
                row.append("\x1b[%sm%s\x1b[0m" % (colour, text) if coloured else text)
            yield ("%-*s" % (width, name) + " ".join(row)).rstrip()


class Notes:
    """Explanations as they are used: numbered from 1, in the order of their use."""

    def __init__(self, path):
        self.explained, self.used = explanations(path), {}

    def number(self, policy, runtime, way):
        return self.used.setdefault(explanation(self.explained, policy, runtime, way), len(self.used) + 1)

    def texts(self):
        return [(shown, self.explained[number - 1][3]) for number, shown in self.used.items()]


def cell_text(cells, policy, runtime, way, promises, differences):
    verdicts, texts = by_generation(cells, runtime, policy, way), []
    for verdict in verdicts[:1] if len(set(verdicts)) == 1 else verdicts:
        text = {"open": "open", "either": "FIN or RST"}.get(verdict, verdict.upper())
        if differs(policy, runtime, way, verdict):
            text = "**%s** (%d)" % (text, promises.number(policy, runtime, way))
        texts.append(text)
    if len(texts) > 1:
        texts[-1] += " (%s)" % chr(ord("a") - 1 + differences.number(policy, runtime, way))
    return " → ".join(texts)


def as_page(versions, cells):
    promises, differences = Notes(EXPLAINED), Notes(DIFFERENCES)
    runtimes = list(dict.fromkeys(name for name, _ in versions))
    yield "| runtime | " + " | ".join(GENERATIONS) + " |"
    yield "|---|" + "---|" * len(GENERATIONS)
    for name in runtimes:
        yield "| %s | %s |" % (name, " | ".join(versions.get((name, g), "-") for g in GENERATIONS))
    for policy in POLICIES:
        yield ""
        yield "### " + ("Without truefin" if policy == NO_POLICY else "`%s`" % policy)
        yield ""
        yield "| runtime | " + " | ".join(WAYS) + " |"
        yield "|---|" + "---|" * len(WAYS)
        for runtime in (r for r in runtimes if policies_of(r, [policy])):
            row = [cell_text(cells, policy, runtime, way, promises, differences) for way in WAYS]
            yield "| %s | %s |" % (runtime, " | ".join(row))
    yield ""
    yield "### Where the promise is not kept"
    yield ""
    for shown, text in promises.texts():
        yield "%d. %s" % (shown, text)
    yield ""
    yield "### Where the generations differ"
    yield ""
    for shown, text in differences.texts():
        yield "- (%s) %s" % (chr(ord("a") - 1 + shown), text)
    if not differences.used:
        yield "Nowhere."


CELL, ROW, LEFT, TOP = 42, 20, 150, 96


def class_of(of_kind):
    return "k%d" % [*KINDS.values(), FAILED].index(of_kind)


def styles():
    """For a light page, and after that for a dark one."""
    for place, (text, paper, edge) in enumerate((("#24292f", "#ffffff", "#d0d7de"), ("#e6edf3", "#0d1117", "#30363d"))):
        yield "text{fill:%s}.paper{fill:%s}.edge{stroke:%s}" % (text, paper, edge) + "".join(
            ".%s{fill:%s}" % (class_of(k), k[0][place]) for k in (*KINDS.values(), FAILED))


def panel(policy, runtimes, cells, left, top):
    title = "without truefin" if policy == NO_POLICY else policy
    yield '<text x="%d" y="%d" class="title">%s</text>' % (left, top - 62, html.escape(title))
    for column, way in enumerate(WAYS):
        x = left + column * CELL + CELL // 2
        yield '<text transform="translate(%d,%d) rotate(-50)" class="way">%s</text>' % (x, top - 6, way)
    for line, runtime in enumerate(runtimes):
        y = top + line * ROW
        yield '<text x="%d" y="%d" class="runtime">%s</text>' % (left - 6, y + 14, html.escape(runtime))
        for column, way in enumerate(WAYS):
            verdicts = by_generation(cells, runtime, policy, way)
            if len(set(verdicts)) == 1:
                del verdicts[1:]
            wide = (CELL - 2) // len(verdicts)
            for place, verdict in enumerate(verdicts):
                x = left + column * CELL + 1 + place * wide
                yield '<rect x="%d" y="%d" width="%d" height="%d" rx="3" class="%s"/>' % (
                    x, y + 1, wide, ROW - 2, class_of(kind(policy, runtime, way, verdict)))
                text = {"-": "", "open": "open", "either": "F/R"}.get(verdict, verdict.upper())
                yield '<text x="%d" y="%d" class="%s">%s</text>' % (
                    x + wide // 2, y + 14, "cell" if len(verdicts) == 1 else "half", text)


def as_picture(versions, cells):
    runtimes = list(dict.fromkeys(name for name, _ in versions))
    shown = [NO_POLICY, "abort-on-crash", DEFER_POLICY, "abort-unless-shutdown", "always-fin"]
    wide, high = LEFT + len(WAYS) * CELL + 20, TOP + len(runtimes) * ROW + 14
    legend = 150
    yield '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">' % (
        wide, legend + high * len(shown), wide, legend + high * len(shown))
    yield "<title>How connections end when programs die, without truefin and under four policies</title>"
    yield ("<style>text{font-family:Helvetica,Arial,sans-serif}.title{font-size:15px;font-weight:bold}"
           ".way{font-size:11px}.runtime{font-size:12px;text-anchor:end}.cell{font-size:11px;text-anchor:middle}"
           ".half{font-size:9px;text-anchor:middle}.legend{font-size:12px}"
           "%s@media (prefers-color-scheme:dark){%s}</style>" % tuple(styles()))
    yield '<rect width="100%" height="100%" class="paper"/>'
    for place, of_kind in enumerate(KINDS.values()):
        x, y = 24 + place % 2 * 340, 18 + place // 2 * 26
        yield '<rect x="%d" y="%d" width="30" height="16" rx="3" class="%s edge"/>' % (x, y, class_of(of_kind))
        yield '<text x="%d" y="%d" class="legend">%s</text>' % (x + 38, y + 13, of_kind[2])
    yield '<text x="%d" y="%d" class="legend">in two halves: %s, then %s</text>' % (24 + 340, 18 + 3 * 26 + 13, *GENERATIONS)
    for place, policy in enumerate(shown):
        yield from panel(policy, runtimes, cells, LEFT, legend + TOP + place * high - 10)
    yield "</svg>"
