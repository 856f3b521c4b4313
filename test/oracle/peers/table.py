"""What was measured: as a file, for a terminal, and for docs/PEERS.md."""

import os

from server import ENDINGS, SIZES, WAYS

MEASURED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "measured.txt")
NAMES = {400: "400 B", 40000: "40 KB", 4000000: "4 MB"}
TITLES = ["peer", "size", "server", "ending", "bytes right", "error seen", "cached cut"]


def size_name(size):
    return NAMES.get(size, "%d B" % size)


def load():
    """{(peer, size, way, ending): (of, bytes, error, cut)}; cut is None where there is no cache."""
    cells = {}
    with open(MEASURED) as file:
        for line in file:
            peer, size, way, ending, *numbers = line.rstrip("\n").split("\t")
            cells[peer, int(size), way, ending] = tuple(None if n == "-" else int(n) for n in numbers)
    return cells


def save(cells, order):
    with open(MEASURED, "w") as file:
        for peer in order:
            for size in SIZES:
                for way in WAYS:
                    for ending in ENDINGS:
                        numbers = cells.get((peer, size, way, ending))
                        if numbers:
                            print(peer, size, way, ending, *("-" if n is None else n for n in numbers), sep="\t", file=file)


def as_row(key, numbers):
    peer, size, way, ending = key
    of, *counts = numbers
    return [peer, size_name(size), way, ending, *("-" if n is None else "%d of %d" % (n, of) for n in counts)]


WIDTHS = [18, 9, 9, 10, 13, 13, 13]


def as_line(row):
    return "  ".join(text.ljust(width) for text, width in zip(row, WIDTHS)).rstrip()


def as_page(cells, order, relays):
    """Two tables: one for each kind of peer."""
    lines = []
    for title, is_relay, legend in (
            ("Clients", False, "*bytes right* / *error seen*, of {of}"),
            ("Caches and relays", True, "client's *bytes right* / *error seen* / **cut answer kept**, of {of}")):
        rows = [peer for peer in order if (peer in relays) == is_relay]
        of = sorted({numbers[0] for key, numbers in cells.items() if key[0] in rows})
        lines += ["## " + title, "", legend.format(of=" or ".join(map(str, of))) + ":", "",
                  "| peer | size | server | without truefin | rst | flush-rst |", "|---|---|---|---|---|---|"]
        for peer in rows:
            for size in SIZES:
                for way in WAYS:
                    found = [cells.get((peer, size, way, ending)) for ending in ENDINGS]
                    if any(found):
                        lines.append("| %s | %s | %s | %s |" % (peer, size_name(size), way, " | ".join(map(as_cell, found))))
        lines.append("")
    return lines[:-1]


def as_cell(numbers):
    if not numbers:
        return ""
    _, right, error, cut = numbers
    return "%d / %d" % (right, error) if cut is None else "%d / %d / %s" % (right, error, "**%d**" % cut if cut else "0")
