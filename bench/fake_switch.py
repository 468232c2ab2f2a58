"""Up to 1000 fake switches in one process: `python -m bench.fake_switch`, told what to do by JSON lines on stdin.

Each line is {"op": name, ...}; each is answered by one line.  `bench.switches.Switches` is the other end.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import sys
import time
from typing import Any

from bench.fake_session import FakeSwitch

SIP = 0.1
"""Seconds between two reads of a slow switch."""
LIFE = 4.0
"""Seconds between two signs of life of a slow switch, as Open vSwitch probes its controller."""
RETRY = 0.1


class Fast(asyncio.Protocol):
    """A connection that takes what comes."""

    def __init__(self, switch: FakeSwitch, lost: asyncio.Event) -> None:
        self.switch, self.lost = switch, lost

    def connection_made(self, transport: Any) -> None:
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.switch.connected(transport.write)

    def data_received(self, data: bytes) -> None:
        self.switch.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.switch.disconnected()
        self.lost.set()


class Slow(asyncio.BufferedProtocol):
    """A connection that takes `reads` bytes a second once its handshake is over."""

    def __init__(self, switch: FakeSwitch, lost: asyncio.Event) -> None:
        self.switch, self.lost = switch, lost
        self.transport: Any = None
        self._buffer = bytearray(65536)
        self._spoke = time.monotonic()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.switch.connected(transport.write)

    def get_buffer(self, sizehint: int) -> memoryview:
        size = len(self._buffer) if not self.switch.ready_at else max(1, int(self.switch.reads * SIP))
        return memoryview(self._buffer)[:size]

    def buffer_updated(self, size: int) -> None:
        self.switch.feed(bytes(self._buffer[:size]))
        if self.switch.ready_at:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(SIP, self._resume)

    def _resume(self) -> None:
        if not self.transport.is_closing():
            if time.monotonic() - self._spoke > LIFE:
                self._spoke = time.monotonic()
                self.switch.echo()
            self.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        self.switch.disconnected()
        self.lost.set()


class Program:
    """The switches, and the operations on them (`op_...`)."""

    def __init__(self) -> None:
        self.switches: dict[int, FakeSwitch] = {}
        self.target = ("", 0)
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def _some(self, request: dict[str, Any]) -> list[FakeSwitch]:
        return [self.switches[dpid] for dpid in request.get("dpids") or self.switches]

    async def op_add(self, request: dict[str, Any]) -> Any:
        for dpid, ports in request["switches"]:
            self.switches[dpid] = FakeSwitch(dpid, {int(number): name for number, name in ports})

    async def op_behave(self, request: dict[str, Any]) -> Any:
        """`reads` bytes a second, `mute`, `refuse` (a table) so many `refusals`: from its next connection on."""
        for switch in self._some(request):
            switch.reads, switch.mute = request.get("reads", 0), request.get("mute", False)
            switch.table.refuse, switch.table.refusals = request.get("refuse", -1), request.get("refusals", 0)

    async def op_connect(self, request: dict[str, Any]) -> Any:
        """Connect within `over` seconds, and again whenever the connection is lost."""
        self.target = (request["host"], request["port"])
        switches = self._some(request)
        step = request.get("over", 0.0) / max(1, len(switches))
        for n, switch in enumerate(switches):
            self._tasks[switch.dpid] = asyncio.create_task(self._stay(switch, n * step))
        return time.monotonic()

    async def _stay(self, switch: FakeSwitch, delay: float) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(delay)
        while True:
            lost = asyncio.Event()
            kind = Slow if switch.reads else Fast
            sock = socket.socket()
            sock.setblocking(False)
            if switch.reads:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            transport = None
            try:
                await loop.sock_connect(sock, self.target)
                transport, _ = await loop.create_connection(lambda: kind(switch, lost), sock=sock)  # noqa: B023
                await lost.wait()
            except OSError:
                sock.close()  # nobody listens (yet)
            except asyncio.CancelledError:
                transport.abort() if transport is not None else sock.close()
                raise
            await asyncio.sleep(RETRY)

    async def op_disconnect(self, request: dict[str, Any]) -> Any:
        tasks = [self._tasks.pop(s.dpid) for s in self._some(request) if s.dpid in self._tasks]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)

    async def op_wipe(self, request: dict[str, Any]) -> Any:
        """A restarted ovs-vswitchd: no flow and no meter is left."""
        for switch in self._some(request):
            switch.table.flows.clear()
            switch.meters.clear()

    async def op_ports(self, request: dict[str, Any]) -> Any:
        """Add ports [[dpid, number, name], ...] or, without a name, remove them; answers when that was."""
        now = time.monotonic()
        for dpid, number, *name in request["ports"]:
            switch = self.switches[dpid]
            switch.add_port(number, name[0]) if name else switch.remove_port(number)
        return now

    async def op_foreign(self, request: dict[str, Any]) -> Any:
        for switch in self._some(request):
            switch.foreign_change(request.get("cookie", 0))

    async def op_echo(self, request: dict[str, Any]) -> Any:
        for switch in self._some(request):
            switch.echo()

    async def op_punt(self, request: dict[str, Any]) -> Any:
        """Punt packets, `window` unanswered at a time; a flow added is an answer.  Returns (seconds, answered).

        `packets` is {dpid: [[frame in hex, in_port], ...]}.
        """
        loop = asyncio.get_running_loop()
        todo = {self.switches[int(dpid)]: list(reversed(frames)) for dpid, frames in request["packets"].items()}
        table, registers = request["table"], {int(k): v for k, v in request["registers"].items()}
        total, answered, done, start = sum(map(len, todo.values())), 0, asyncio.Event(), time.monotonic()
        end = start

        def more(switch: FakeSwitch, count: int) -> None:
            queue = todo[switch]
            for _ in range(min(count, len(queue))):
                frame, in_port = queue.pop()
                switch.packet_in(table, in_port, registers, bytes.fromhex(frame))

        def added(switch: FakeSwitch, count: int) -> None:
            nonlocal answered, end
            answered += count
            end = time.monotonic()
            loop.call_soon(more, switch, count)
            if answered >= total:
                done.set()

        for switch in todo:
            switch.on_add = lambda count, switch=switch: added(switch, count)  # type: ignore[misc]
        for switch in todo:
            more(switch, request["window"])
        await asyncio.wait({asyncio.create_task(done.wait())}, timeout=request.get("timeout", 30))
        for switch in todo:
            switch.on_add = None
        return [end - start, answered]

    async def op_log(self, request: dict[str, Any]) -> Any:
        """The bundles since the last call: {dpid: [[opened, committed, mods], ...]}."""
        logs = {switch.dpid: switch.log for switch in self._some(request) if switch.log}
        for switch in self._some(request):
            switch.log = []
        return logs

    async def op_status(self, request: dict[str, Any]) -> Any:
        some = self._some(request)
        return {
            "connected": sum(s.send is not None for s in some),
            "ready": sum(s.ready_at > 0 for s in some),
            "last_ready": max((s.ready_at for s in some), default=0),
            "last_commit": max((s.log[-1].committed for s in some if s.log), default=0),
            "flows": sum(len(s.table.flows) for s in some),
            **{name: sum(getattr(s, name) for s in some) for name in COUNTERS},
        }

    async def op_wait(self, request: dict[str, Any]) -> Any:
        """Wait until so many are `ready`, hold `flows`, have done `commits`, and nothing came for `quiet` seconds."""
        end = time.monotonic() + request.get("timeout", 60)
        wanted = [name for name in ("ready", "flows", "commits") if name in request]
        while True:
            status = await self.op_status(request)
            quiet_since = max(status["last_commit"], status["last_ready"])
            met = all(status[name] >= request[name] for name in wanted)
            if met and time.monotonic() - quiet_since >= request.get("quiet", 0):
                return {**status, "met": True}
            if time.monotonic() > end:
                return {**status, "met": False}
            await asyncio.sleep(0.01 if len(self.switches) < 300 else 0.05)


COUNTERS = ("bytes_in", "bytes_out", "flow_mods", "commits", "refused")


async def main() -> None:
    """Serve operations until stdin ends."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 30)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    program = Program()
    while line := await reader.readline():
        request = json.loads(line)
        answer = await getattr(program, "op_" + request["op"])(request)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(65536, most), most))
    asyncio.run(main())
