"""Requests over kept connections through a proxy of HTTP: what becomes of each answer, and how the connections end."""

import asyncio
import collections
import random
import socket
import struct

LINGER_ZERO = struct.pack("ii", 1, 0)
KINDS = ("length", "chunked", "close", "idle", "cut")
PER_CONNECTION = 20
CLIENTS = 24
LIMIT = 30
IDLE = 0.3  # seconds


def body_of(number, size):
    return (b"%08d." % number * (size // 9 + 1))[:size]


def reset(writer):
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    writer.transport.abort()


async def backend(reader, writer):
    """Of GET /KIND/SIZE/NUMBER. "idle" gives a whole answer and resets the connection if it is idle then; "cut" half of one."""
    try:
        patience = None
        while True:
            try:
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), patience)
            except asyncio.TimeoutError:
                reset(writer)
                return
            _, kind, size, number = head.split(b" ")[1].decode().rsplit("/", 3)
            body = body_of(int(number), int(size))
            start = b"HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n"
            if kind == "chunked":
                half = len(body) // 2
                writer.write(start + b"Transfer-Encoding: chunked\r\n\r\n")
                for part in (body[:half], body[half:]):
                    writer.write(b"%x\r\n%s\r\n" % (len(part), part) if part else b"")
                    await writer.drain()
                writer.write(b"0\r\n\r\n")
            elif kind == "close":
                writer.write(start + b"Connection: close\r\n\r\n" + body)
                await writer.drain()
                writer.close()
                return
            else:
                sent = body[:len(body) // 2] if kind == "cut" else body
                writer.write(start + b"Content-Length: %d\r\n\r\n%s" % (len(body), sent))
            await writer.drain()
            patience = IDLE if kind == "idle" else None
            if kind == "cut":
                await asyncio.sleep(0.02)
                reset(writer)
                return
    except (OSError, asyncio.IncompleteReadError):
        writer.close()


async def read_answer(reader):
    """Status, body, whether it is whole, and whether the connection can be used again."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    status = head.split(b" ")[1].decode()
    keeps = b"connection: close" not in head and not head.startswith(b"http/1.0")
    fields = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    body = b""
    if fields.get(b"transfer-encoding") == b"chunked":
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
    elif b"content-length" in fields:
        body = await reader.readexactly(int(fields[b"content-length"]))
    else:
        body, keeps = await reader.read(-1), False
    return status, body, keeps


async def ask(reader, writer, kind, size, number, last):
    """What became of the request, and whether the connection can be used again."""
    writer.write(b"GET /%s/%d/%d HTTP/1.1\r\nHost: test\r\n%s\r\n" % (
        kind.encode(), size, number, b"Connection: close\r\n" if last else b""))
    try:
        status, body, keeps = await read_answer(reader)
    except asyncio.IncompleteReadError:
        return "short, fin", False
    except ConnectionResetError:
        return "short, rst", False
    if status != "200":
        return status, keeps
    return ("whole" if body == body_of(number, size) else "other bytes"), keeps


async def end_of(reader):
    try:
        return "fin" if not await reader.read(1) else "more bytes"
    except ConnectionResetError:
        return "rst"


async def client(port, numbers, kinds, seed, counts):
    chance = random.Random(seed)
    reader = writer = None
    left = 0
    for number in numbers:
        kind = chance.choice(kinds)
        if writer is None:
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
            left = chance.randrange(1, PER_CONNECTION)
        left -= 1
        asks_to_close = left == 0 and chance.random() < 0.5
        size = chance.choice((0, 10, 1000, 20000, 100000)) if kind != "cut" else 20000
        how, keeps = await ask(reader, writer, kind, size, number, asks_to_close)
        counts[kind, how] += 1
        if how == "whole" and not keeps:
            counts["end of " + kind, await end_of(reader)] += 1
        if not keeps or left == 0:
            writer.close()
            writer = None
    if writer:
        writer.close()


async def requests(start, backend_port, count, kinds=KINDS, seed=1):
    """Counter of (kind, what became of it), and of ("end of ...", fin or rst)."""
    counts = collections.Counter()
    server = await asyncio.start_server(backend, "127.0.0.1", backend_port, limit=1 << 20)
    async with server:
        port = start()
        try:
            each = count // CLIENTS
            await asyncio.wait_for(asyncio.gather(*(
                client(port, range(i * each, (i + 1) * each), kinds, seed * 1000 + i, counts) for i in range(CLIENTS))),
                LIMIT + count / 50)
        except asyncio.TimeoutError:
            counts["all", "took too long"] += 1
    return counts
