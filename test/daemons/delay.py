"""delay.py PORT MILLISECONDS: a relay to 127.0.0.1:PORT, on whose way all takes so long, a FIN and a reset too.

Says "port N". Where the kernel has no netem: what is on its way is in this relay, which loses none of it.
"""
import asyncio
import fcntl
import socket
import struct
import sys
import termios

TARGET, DELAY = int(sys.argv[1]), int(sys.argv[2]) / 1000


async def arrivals(reader, queue):
    """Puts what arrives into QUEUE with the time when it is due; b'' for a FIN, None for a reset."""
    now = asyncio.get_running_loop().time
    data = b"more"
    while data:
        try:
            data = await reader.read(65536)
        except ConnectionError:
            data = None
        await queue.put((now() + DELAY, data))


def waiting(writer):
    """Bytes that the other side has not acknowledged (SIOCOUTQ)."""
    queued = fcntl.ioctl(writer.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"1234")
    return writer.transport.get_write_buffer_size() + int.from_bytes(queued, sys.byteorder)


async def reset(writer):
    """On a real way a reset overtakes nothing: what was sent before it has arrived."""
    for _ in range(10000):
        if waiting(writer) == 0:
            break
        await asyncio.sleep(0.001)
    await asyncio.sleep(DELAY)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def one_way(reader, writer):
    queue = asyncio.Queue()
    task = asyncio.create_task(arrivals(reader, queue))
    try:
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0, due - asyncio.get_running_loop().time()))
            if not data:
                break
            writer.write(data)
            await writer.drain()
        if data == b"":
            writer.write_eof()
        else:
            await reset(writer)
    except (ConnectionError, OSError):
        pass
    await task


async def relay(reader, writer):
    to_reader, to_writer = await asyncio.open_connection("127.0.0.1", TARGET)
    await asyncio.gather(one_way(reader, to_writer), one_way(to_reader, writer))
    writer.close()
    to_writer.close()


async def main():
    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    print("port", server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
