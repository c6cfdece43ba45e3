"""A TCP proxy that does to connections what networks do: cut them, hold them up, refuse them. One thread, any number of connections."""
import asyncio
import contextlib
import socket
import struct
import threading


class Proxy:
    def __init__(self, target_port, port=0):
        self.target = target_port
        self.delay = 0.0  # seconds that each piece waits
        self.refuse = False
        self.cut_in = None  # bytes until all connections are cut
        self.hold_in = None  # bytes until nothing moves any more
        self.cuts = self.refused = 0  # connections that it happened to
        self.moved = 0  # bytes that were passed on
        self._open = set()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(port,), daemon=True)
        self._thread.start()
        self._ready.wait()

    def _run(self, port):
        asyncio.set_event_loop(self._loop)
        self._gate = asyncio.Event()
        self._gate.set()
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", port))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()

    async def _serve(self, client, client_writer):
        if self.refuse:
            self.refused += 1
            self._reset(client_writer)
            return
        try:
            server, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            self._reset(client_writer)
            return
        pair = (client_writer, server_writer)
        self._open.add(pair)
        try:
            await asyncio.gather(self._ask(client, server_writer), self._pump(server, client_writer))
        except OSError:
            for w in pair:
                self._reset(w)
        finally:
            self._open.discard(pair)
            for w in pair:
                w.close()

    async def _pump(self, reader, writer):
        while data := await reader.read(65536):
            if self.hold_in is not None:
                self.hold_in -= len(data)
                if self.hold_in <= 0:
                    self.hold_in = None
                    self._gate.clear()
            await self._gate.wait()
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.cut_in is not None:
                first, self.cut_in = data[:self.cut_in], self.cut_in - len(data)
                if self.cut_in <= 0:
                    writer.write(first)  # a piece of a message may still arrive
                    self.cut_in = None
                    self._cut()
                    return
            writer.write(data)
            await writer.drain()
            self.moved += len(data)
        if writer.can_write_eof():
            writer.write_eof()

    async def _ask(self, reader, writer):
        """What the client says; others know more of it."""
        await self._pump(reader, writer)

    @staticmethod
    def _reset(writer):
        s = writer.get_extra_info("socket")
        if s is not None and s.fileno() >= 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    def _cut(self):
        for pair in self._open:
            self.cuts += 1
            for w in pair:
                self._reset(w)

    def _on_loop(self, fn):
        async def call():
            return fn()
        return asyncio.run_coroutine_threadsafe(call(), self._loop).result(10)

    # --- for the test ---
    def cut(self):
        self._on_loop(self._cut)

    def hold(self):
        """Nothing moves any more; connections stay."""
        self._on_loop(self._gate.clear)

    def passes(self):
        """May something come through? A cut that is still to come does not count."""
        return self._gate.is_set() and not self.refuse

    def heal(self):
        def calm():
            self.delay, self.refuse, self.cut_in, self.hold_in = 0.0, False, None, None
            self._gate.set()
        self._on_loop(calm)

    def close(self):
        self._on_loop(self._cut)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)


class KafkaProxy(Proxy):
    """Knows where a request begins, and can hold everything, or one connection, up just before one. Requests have Kafka's numbers."""

    def __init__(self, target_port, port=0):
        self.held = set()  # requests that are waited at
        self._before = {}  # request: (how many of them still pass, hold its connection only)
        super().__init__(target_port, port)

    async def _ask(self, reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(6)
                size, api = struct.unpack(">ih", head)
                body = await reader.readexactly(size - 2)
                await self._maybe_hold(api)
                await self._gate.wait()
                writer.write(head + body)
                await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def _maybe_hold(self, api):
        if api not in self._before:
            return
        left, alone = self._before.pop(api)
        if left:
            self._before[api] = (left - 1, alone)
            return
        self.held.add(api)
        if not alone:
            self._gate.clear()
        while alone and api in self.held:
            await asyncio.sleep(0.005)

    # --- for the test ---
    def hold_before(self, api, after=0, alone=False):
        """From the next such request on nothing moves any more, in no direction; alone: on its connection. `after` of them pass."""
        self._on_loop(lambda: self._before.update({api: (after, alone)}))

    def release(self, api):
        """One that was held alone."""
        self._on_loop(lambda: self.held.discard(api))

    def heal(self):
        def forget():
            self._before.clear()
            self.held.clear()
        self._on_loop(forget)
        super().heal()
