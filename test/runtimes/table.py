"""What was measured, as lines of a file, as a page, on a terminal and as a picture."""

import fnmatch
import html
import os

from ways import NO_POLICY, POLICIES, WAYS, promise

HERE = os.path.dirname(os.path.abspath(__file__))
MEASURED = os.path.join(HERE, "measured.txt")
EXPLAINED = os.path.join(HERE, "explained.txt")

# Verdict, and whether it is the promised one: colour in the picture, escape sequence on a terminal, what it means.
KINDS = {
    ("fin", True): ("#8fd3a0", "32", "FIN, as promised"),
    ("rst", True): ("#7fb2e5", "36", "RST, as promised"),
    ("fin", False): ("#f2a65a", "33", "FIN where an RST is promised: a missed one"),
    ("rst", False): ("#d1495b", "31", "RST where a FIN is promised: a false one"),
    ("open", True): ("#e7e2d5", "2", "still open while the process lives"),
    ("-", True): ("#f7f7f7", "2", "does not exist there"),
}
FAILED = ("#ff00ff", "35", "could not be measured")


def kind(policy, way, verdict):
    return KINDS.get((verdict, verdict in ("open", "-") or verdict == promise(policy, way)), FAILED)


def differs(policy, way, verdict):
    return verdict in ("fin", "rst") and verdict != promise(policy, way)


def load(path=MEASURED):
    """({runtime: version}, {(runtime, policy, way): verdict})"""
    versions, cells = {}, {}
    with open(path) as lines:
        for line in lines:
            words = line.rstrip("\n").split("\t")
            if len(words) == 2:
                versions[words[0]] = words[1]
            else:
                cells[tuple(words[:3])] = words[3]
    return versions, cells


def save(versions, cells):
    with open(MEASURED, "w") as file:
        for name, version in versions.items():
            file.write("%s\t%s\n" % (name, version))
        for key, verdict in cells.items():
            file.write("\t".join((*key, verdict)) + "\n")


def explanations():
    """[(policy, runtime, way, reason)], the first three as patterns."""
    with open(EXPLAINED) as lines:
        words = [line.rstrip("\n").split("\t") for line in lines if line.strip() and not line.startswith("#")]
    return [tuple(w) for w in words]


def explanation(explained, policy, runtime, way):
    """Its number, from 1, and None if there is none."""
    for number, (policies, runtimes, ways, _) in enumerate(explained, 1):
        if all(any(fnmatch.fnmatchcase(value, p) for p in patterns.split("|")) for value, patterns in
               ((policy, policies), (runtime, runtimes), (way, ways))):
            return number
    return None


def unexplained(cells):
    explained = explanations()
    return [key for key, verdict in cells.items()
            if differs(key[1], key[2], verdict) and explanation(explained, key[1], key[0], key[2]) is None]


def on_terminal(runtimes, policies, cells, coloured):
    width = max(map(len, runtimes)) + 2
    for policy in policies:
        yield ""
        yield policy
        yield " " * width + " ".join("%-9s" % w for w in WAYS)
        for runtime in runtimes:
            row = []
            for way in WAYS:
                verdict = cells.get((runtime, policy, way), "-")
                text = "%-9s" % (verdict + ("!" if differs(policy, way, verdict) else ""))
                row.append("\x1b[%sm%s\x1b[0m" % (kind(policy, way, verdict)[1], text) if coloured else text)
            yield ("%-*s" % (width, runtime) + " ".join(row)).rstrip()


def as_page(versions, cells):
    explained, used = explanations(), {}
    runtimes = list(versions)
    yield "| runtime | version |"
    yield "|---|---|"
    for name, version in versions.items():
        yield "| %s | %s |" % (name, version)
    for policy in POLICIES:
        yield ""
        yield "### " + ("Without truefin" if policy == NO_POLICY else "`%s`" % policy)
        yield ""
        yield "| runtime | " + " | ".join(WAYS) + " |"
        yield "|---|" + "---|" * len(WAYS)
        for runtime in runtimes:
            row = []
            for way in WAYS:
                verdict = cells[runtime, policy, way]
                text = verdict.upper() if verdict in ("fin", "rst") else verdict
                if differs(policy, way, verdict):
                    number = explanation(explained, policy, runtime, way)
                    used.setdefault(number, len(used) + 1)
                    text = "**%s** (%d)" % (text, used[number])
                row.append(text)
            yield "| %s | %s |" % (runtime, " | ".join(row))
    yield ""
    yield "Where the promise is not kept:"
    yield ""
    for number, shown in used.items():
        yield "%d. %s" % (shown, explained[number - 1][3])


CELL, ROW, LEFT, TOP = 30, 20, 130, 96


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
            verdict = cells[runtime, policy, way]
            colour = kind(policy, way, verdict)[0]
            text = verdict.upper() if verdict in ("fin", "rst") else {"-": "", "open": "open"}[verdict]
            yield '<rect x="%d" y="%d" width="%d" height="%d" rx="3" fill="%s"/>' % (
                left + column * CELL + 1, y + 1, CELL - 2, ROW - 2, colour)
            yield '<text x="%d" y="%d" class="cell">%s</text>' % (left + column * CELL + CELL // 2, y + 14, text)


def as_picture(versions, cells):
    runtimes = list(versions)
    wide, high = LEFT + len(WAYS) * CELL + 20, TOP + len(runtimes) * ROW + 14
    shown = [NO_POLICY, "abort-on-crash", "abort-unless-shutdown", "always-fin"]
    legend = high * 2 + 10
    yield '<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d">' % (
        wide * 2, legend + 70, wide * 2, legend + 70)
    yield ("<style>text{font-family:Helvetica,Arial,sans-serif;fill:#333}.title{font-size:15px;font-weight:bold}"
           ".way{font-size:10px}.runtime{font-size:11px;text-anchor:end}.cell{font-size:8.5px;text-anchor:middle}"
           ".legend{font-size:11px}</style>")
    yield '<rect width="100%" height="100%" fill="white"/>'
    for place, policy in enumerate(shown):
        yield from panel(policy, runtimes, cells, LEFT + place % 2 * wide, TOP + place // 2 * high)
    for place, (colour, _, meaning) in enumerate(KINDS.values()):
        x, y = LEFT + place % 3 * 300, legend + place // 3 * 26
        yield '<rect x="%d" y="%d" width="22" height="15" rx="3" fill="%s" stroke="#ddd"/>' % (x, y, colour)
        yield '<text x="%d" y="%d" class="legend">%s</text>' % (x + 29, y + 12, meaning)
    yield "</svg>"
