"""Many connections through one relay at once: what does each client see of how its backend has ended?"""

import asyncio
import collections
import random
import socket
import struct

LIMIT = 45  # seconds that a connection may take
LINGER_ZERO = struct.pack("ii", 1, 0)
BAD = ("crash", "reset", "silent")


def block():
    """What test/programs/backend.c calls block."""
    state, data = 1, bytearray()
    for _ in range(BLOCK):
        state = (state * 1103515245 + 12345) & 0xffffffff
        data.append(state >> 16 & 0xff)
    return bytes(data)


BLOCK = 65521
ROW = block()
SAME = []  # all connections carry the same bytes


def expected(number, size):
    """No two numbers have 16 bytes in common at the same place."""
    number = 0 if SAME else number
    start = number * 7919 % BLOCK
    row = (ROW[start:] + ROW * (size // BLOCK + 1))[:size]
    mask = (number.to_bytes(4, "little") * (size // 4 + 1))[:size]
    return (int.from_bytes(row, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")


async def nudging(loop, peer):
    while True:
        await asyncio.sleep(0.3)
        await loop.sock_sendall(peer, b"?")


async def one(port, number, fate, size, delay):
    """Returns how the connection ended for the client: fin, rst, or what went wrong."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(delay)
    with socket.socket() as peer:
        peer.setblocking(False)
        await loop.sock_connect(peer, ("127.0.0.1", port))
        await loop.sock_sendall(peer, b"%d %s %d\n" % (0 if SAME else number, fate.encode(), size))
        wanted = expected(number, size)
        got = 0
        # Who hears nothing is found out by what is sent to it.
        nudge = asyncio.ensure_future(nudging(loop, peer)) if fate == "silent" else None
        try:
            while True:
                data = await loop.sock_recv(peer, 262144)
                if not data:
                    end = "fin"
                    break
                if data != wanted[got:got + len(data)]:
                    return "other bytes"
                got += len(data)
        except ConnectionResetError:
            end = "rst"
        finally:
            # A reset is told once, by whatever call comes first.
            if nudge and nudge.done() and isinstance(nudge.exception(), ConnectionResetError):
                end = "rst"
            elif nudge:
                nudge.cancel()
        return end if got == size else f"{end} after {got} of {size}"


async def upload(port, number, fate, size, delay):
    """A client that sends SIZE bytes more, and ends well (fin) or not (rst): the backend says what it has seen."""
    loop = asyncio.get_running_loop()
    await asyncio.sleep(delay)
    peer = socket.socket()
    peer.setblocking(False)
    await loop.sock_connect(peer, ("127.0.0.1", port))
    await loop.sock_sendall(peer, b"%d read 0\n" % number)
    await loop.sock_sendall(peer, expected(number, size))
    await asyncio.sleep(0.05)
    if fate == "rst":
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
    peer.close()


async def guarded(call, port, number, fate, size, delay):
    try:
        return await asyncio.wait_for(call(port, number, fate, size, delay), LIMIT)
    except asyncio.TimeoutError:
        return "nothing"
    except OSError as error:
        return f"{type(error).__name__}"


VERBOSE = []
FIXED = []  # sizes to take instead


def sizes(seed, count):
    if FIXED:
        return [FIXED[i % len(FIXED)] for i in range(count)]
    chance = random.Random(seed)
    return [chance.choice((0, 1, chance.randrange(1, 3000), chance.randrange(1, 100000), chance.randrange(1, 400000)))
            for _ in range(count)]


async def downloads(port, count, kinds, seed, spread=0.5):
    """COUNT connections at once, half of them with a bad fate of KINDS. Counter of (fate, what was seen)."""
    chance = random.Random(seed)
    fates = [chance.choice(kinds) if i % 2 else "fin" for i in range(count)]
    ends = await asyncio.gather(*(guarded(one, port, seed * 100000 + i, fates[i], size, chance.random() * spread)
                                  for i, size in enumerate(sizes(seed, count))))
    if VERBOSE:
        for i, end in enumerate(ends):
            if (fates[i] == "fin") != (end == "fin"):
                print(seed * 100000 + i, fates[i], sizes(seed, count)[i], end)
    return collections.Counter(zip(fates, ends))


async def uploads(port, count, seed, output, spread=0.5):
    """The same the other way; OUTPUT is the file that the backend writes to. Counter of (fate, what was seen)."""
    chance = random.Random(seed)
    fates = {seed * 100000 + i: "rst" if i % 2 else "fin" for i in range(count)}
    wanted = dict(zip(fates, sizes(seed, count)))
    clients = await asyncio.gather(*(guarded(upload, port, i, fates[i], wanted[i], chance.random() * spread) for i in fates))
    seen = {}
    for _ in range(LIMIT * 20):
        with open(output, encoding="ascii") as lines:
            seen = {int(line.split()[0]): line.split()[1:] for line in lines if line[0].isdigit() and line.endswith("\n")}
        if all(i in seen for i in fates):
            break
        await asyncio.sleep(0.05)
    result = collections.Counter()
    for i, client in zip(fates, clients):
        if client and i not in seen:
            seen[i] = (f"client: {client}", "-1")
    for i, fate in fates.items():
        end, got = seen.get(i, ("nothing", "-1"))
        if VERBOSE and (end == "fin") != (fate == "fin"):
            print(i, fate, end, got, "of", wanted[i])
        result[fate, end if int(got) == wanted[i] or fate == "rst" else f"{end} after {got} of {wanted[i]}"] += 1
    return result


def mistakes(counts):
    """False RSTs, missed ones, and others."""
    false = sum(n for (fate, end), n in counts.items() if fate == "fin" and end.startswith("rst"))
    missed = sum(n for (fate, end), n in counts.items() if fate != "fin" and end.startswith("fin"))
    right = sum(n for (fate, end), n in counts.items() if end == ("fin" if fate == "fin" else "rst"))
    return false, missed, sum(counts.values()) - right - false - missed
