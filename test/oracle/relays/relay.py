"""An asyncio relay, with protocols and transports: PORT BACKEND."""

import asyncio
import sys


class Side(asyncio.Protocol):
    def __init__(self, other=None):
        self.other, self.transport, self.waiting, self.ended = other, None, [], False

    def connection_made(self, transport):
        self.transport = transport
        if self.other is None:
            asyncio.ensure_future(self.reach())
        else:
            self.other.pair(self)

    async def reach(self):
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: Side(self), "127.0.0.1", int(sys.argv[2]))
        except OSError:
            self.transport.abort()

    def pair(self, other):
        self.other = other
        for data in self.waiting:
            other.transport.write(data)
        self.waiting = []
        if self.transport.is_closing():
            other.transport.close()
        elif self.ended:
            other.transport.write_eof()

    def data_received(self, data):
        if self.other is None:
            self.waiting.append(data)
        else:
            self.other.transport.write(data)

    def eof_received(self):
        self.ended = True
        if self.other is not None:
            self.other.transport.write_eof()
        return True

    def connection_lost(self, _):
        if self.other is not None:
            self.other.transport.close()

    def pause_writing(self):
        if self.other is not None:
            self.other.transport.pause_reading()

    def resume_writing(self):
        if self.other is not None and not self.other.transport.is_closing():
            self.other.transport.resume_reading()


async def main():
    server = await asyncio.get_running_loop().create_server(Side, "127.0.0.1", int(sys.argv[1]), backlog=4096)
    await server.serve_forever()


asyncio.run(main())
