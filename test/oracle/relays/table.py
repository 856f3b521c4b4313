"""Half an answer through each relay: what does the client see?"""

import pathlib
import re
import socket

KINDS = ("close", "length", "chunked", "raw")
SETTINGS = ("plain", "backend", "both")
BEGIN, END = "<!-- table: scripts/relays --write -->\n", "<!-- end of table -->\n"
NAMES = {"close": "until the end", "length": "with a length", "chunked": "chunked", "raw": "raw bytes"}


def seen(port, kind):
    """A word for the end, and for what a careful client makes of it."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as peer:
        peer.sendall(b"GET /%s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n" % kind.encode())
        data, end = b"", "FIN"
        try:
            while more := peer.recv(65536):
                data += more
        except ConnectionResetError:
            end = "RST"
        except TimeoutError:
            end = "nothing"
    head, _, body = data.partition(b"\r\n\r\n")
    if kind != "raw" and not re.match(rb"HTTP/1.[01] 200", head):
        return re.sub(r"^HTTP/1.. (\d+).*", r"\1", head.split(b"\r\n")[0].decode()) or f"{end}, no answer"
    length = re.search(rb"content-length: (\d+)", head.lower())
    if end != "FIN":
        return end
    if b"transfer-encoding: chunked" in head.lower():
        return "FIN, cut" if not data.endswith(b"0\r\n\r\n") else "**whole**"
    if kind != "raw" and length:
        return "FIN, cut" if len(body) < int(length.group(1)) else "**whole**"
    return "**FIN**"


def write(rows, page):
    """ROWS: (relay, {setting: {kind: cell}}) puts the table between its marks, where the page has them."""
    lines = ["| relay | answer | plain backend | truefin at the backend | truefin at both |\n", "|---|---|---|---|---|\n"]
    for name, cells in rows:
        for kind in cells["plain"]:
            lines.append(f"| {name} | {NAMES[kind]} | {cells['plain'][kind]} | {cells['backend'][kind]} | {cells['both'][kind]} |\n")
            name = ""
    path = pathlib.Path(page)
    text = path.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    path.write_text(before + BEGIN + "\n" + "".join(lines) + "\n" + END + rest.split(END)[1], encoding="utf-8")
    return "".join(lines)
