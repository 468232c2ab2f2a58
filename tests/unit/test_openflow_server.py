"""The server with real sockets: who is read when, for whom effects are, and whose silence counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import eventlet
import pytest
from eventlet.green import socket
from eventlet.patcher import original
from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core.effects import FlowMods, FlushConnections, PacketOut
from controller.core.events import SwitchDown, SwitchUp
from controller.core.flow import Output
from controller.io.openflow import server as server_module
from controller.io.openflow import session as session_module
from controller.io.openflow.server import READINGS, SENDING, OpenFlowServer, lumps
from tests.unit import bridge_messages as bridge
from tests.unit.bridge_peer import FLOWS
from tests.unit.bridge_peer import Bridge as Answers

PATIENCE = 5.0


class Peer:
    """A bridge on a socket: `heard` collects the types of the messages that came; `reacts` is called when some did."""

    def __init__(self, server: OpenFlowServer, dpid: int) -> None:
        self.dpid = dpid
        self.heard: list[int] = []
        self.ended = False
        self.reacts: Callable[[], None] = lambda: None
        self.sock = socket.socket()
        self.sock.connect(server.address)
        eventlet.spawn(self._read)
        self.say(bridge.hello(), bridge.features(dpid))

    def _read(self) -> None:
        buffer = b""
        while data := self.sock.recv(65536):
            buffer += data
            while len(buffer) >= 8 and len(buffer) >= (size := int.from_bytes(buffer[2:4], "big")):
                self.heard.append(buffer[1])
                buffer = buffer[size:]
            self.reacts()
        self.sock.close()
        self.ended = True

    def say(self, *messages: bytes) -> None:
        self.sock.sendall(b"".join(messages))

    def leave(self) -> None:
        if not self.ended:
            self.sock.shutdown(socket.SHUT_RDWR)

    @property
    def asked(self) -> bool:
        """Whether it is being read."""
        return ofp.OFPT_MULTIPART_REQUEST in self.heard

    def answer(self) -> None:
        """All that a reading asks."""
        self.say(*Answers.contents())


class Bench:
    """A server, and the events that it emits."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.server = OpenFlowServer("127.0.0.1:0", self.events.append, frozenset())
        self.server.start()
        self.peers: list[Peer] = []

    def connect(self, dpid: int) -> Peer:
        self.peers.append(Peer(self.server, dpid))
        return self.peers[-1]

    def wait(self, condition: Callable[[], object]) -> None:
        for _ in range(round(PATIENCE / 0.01)):
            if condition():
                return
            eventlet.sleep(0.01)
        raise AssertionError("waited in vain")

    def up(self, peer: Peer) -> SwitchUp:
        """The event of a bridge that was read."""

        def ups() -> list[SwitchUp]:
            return [event for event in self.events if isinstance(event, SwitchUp) and event.dpid == peer.dpid]

        self.wait(ups)
        return ups()[-1]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    for peer in bench.peers:
        peer.leave()
    bench.wait(lambda: all(peer.ended for peer in bench.peers))
    bench.server.stop()


def test_all_are_greeted_at_once_and_some_are_read_at_a_time(bench: Bench) -> None:
    peers = [bench.connect(dpid) for dpid in range(1, READINGS + 4)]
    bench.wait(lambda: all(ofp.OFPT_FEATURES_REQUEST in peer.heard for peer in peers))
    bench.wait(lambda: sum(peer.asked for peer in peers) == READINGS)
    (waiting, *_) = [peer for peer in peers if not peer.asked]
    waiting.say(bridge.message(ofp.OFPT_ECHO_REQUEST))
    bench.wait(lambda: ofp.OFPT_ECHO_REPLY in waiting.heard)
    first = peers[0]
    first.answer()
    up = bench.up(first)
    eventlet.sleep(0.1)
    assert sum(peer.asked for peer in peers) == READINGS, "what was read is yet to be taken in"
    bench.server.taken_in(up)
    bench.wait(lambda: sum(peer.asked for peer in peers) == READINGS + 1)


def test_a_bridge_that_goes_gives_its_turn_to_the_next(bench: Bench) -> None:
    peers = [bench.connect(dpid) for dpid in range(1, READINGS + 2)]
    bench.wait(lambda: sum(peer.asked for peer in peers) == READINGS)
    next(peer for peer in peers if peer.asked).leave()
    bench.wait(lambda: sum(peer.asked for peer in peers) == READINGS + 1)


def test_bridges_that_take_long_to_answer_keep_nobody_waiting(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SLOW", 0.2)
    peers = [bench.connect(dpid) for dpid in range(1, READINGS + 4)]
    bench.wait(lambda: all(peer.asked for peer in peers))


def test_what_is_meant_for_a_former_connection_is_not_sent(bench: Bench) -> None:
    """The machine has yet to hear that the bridge went and came back: it is read anew then."""
    former = bench.connect(1)
    bench.wait(lambda: former.asked)
    former.answer()
    up = bench.up(former)
    former.leave()
    bench.wait(lambda: SwitchDown(1) in bench.events)
    peer = bench.connect(1)
    bench.wait(lambda: peer.asked)
    peer.answer()
    bench.wait(lambda: bench.up(peer) is not up)
    bench.server.taken_in(up)
    bench.server.carry_out(FlowMods(1, 1, tuple(FLOWS)))
    eventlet.sleep(0.1)
    assert ofp.OFPT_BUNDLE_CONTROL not in peer.heard
    bench.server.taken_in(bench.up(peer))
    bench.server.carry_out(FlowMods(1, 1, tuple(FLOWS)))
    bench.wait(lambda: ofp.OFPT_BUNDLE_CONTROL in peer.heard)


def test_what_a_bridge_does_not_read_yet_waits_and_all_of_it_arrives_in_order(bench: Bench) -> None:
    """What the kernel takes is sent at once, the rest when there is room, and nothing overtakes it."""
    peer = bench.connect(1)
    bench.wait(lambda: peer.asked)
    peer.answer()
    up = bench.up(peer)
    bench.server.taken_in(up)
    (connection,) = bench.server._connections
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    bench.server.carry_out(FlushConnections(1, 5), FlowMods(1, 1, tuple(FLOWS)))
    assert not connection.queued, "what is short goes at once"
    packets = [PacketOut(1, n.to_bytes(4, "big") + bytes(60_000), (Output(1),)) for n in range(16)]
    bench.server.carry_out(*packets)
    bench.server.carry_out(FlowMods(1, 2, tuple(FLOWS)))
    assert connection.queued > 100_000
    bench.wait(lambda: peer.heard.count(ofp.OFPT_BUNDLE_CONTROL) == 4)
    assert connection.queued == 0
    said = [kind for kind in peer.heard if kind in (ofp.OFPT_PACKET_OUT, ofp.OFPT_BUNDLE_CONTROL)]
    assert said == [ofp.OFPT_BUNDLE_CONTROL] * 2 + [ofp.OFPT_PACKET_OUT] * 16 + [ofp.OFPT_BUNDLE_CONTROL] * 2


def test_a_bridge_that_does_not_answer_has_no_counters(bench: Bench) -> None:
    assert bench.server.port_counters(1, 1, 0.2) is None, "it is not connected"
    peer = bench.connect(1)
    bench.wait(lambda: peer.asked)
    peer.answer()
    bench.server.taken_in(bench.up(peer))
    before = peer.heard.count(ofp.OFPT_MULTIPART_REQUEST)
    assert bench.server.port_counters(1, 1, 0.2) is None
    assert peer.heard.count(ofp.OFPT_MULTIPART_REQUEST) == before + 1


def test_a_bridge_is_not_silent_when_it_was_we_who_did_not_listen(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "LATE", 0.3)
    monkeypatch.setattr(session_module, "SILENCE_LIMIT", 0.6)
    peer = bench.connect(1)
    bench.wait(lambda: peer.asked)
    peer.answer()
    bench.up(peer)

    def holds_us_up() -> None:
        """What it says now waits in the socket while all green threads stand still, and the clock is due first."""
        peer.reacts = lambda: None
        peer.say(bridge.message(ofp.OFPT_ECHO_REQUEST))
        original("time").sleep(1.0)

    peer.reacts = holds_us_up
    peer.say(bridge.message(ofp.OFPT_ECHO_REQUEST))
    bench.wait(lambda: peer.ended or peer.heard.count(ofp.OFPT_ECHO_REPLY) == 2)
    assert not peer.ended
    bench.wait(lambda: peer.ended)


def test_messages_that_wait_are_sent_together_and_in_order() -> None:
    long, short = b"l" * (SENDING + 1), [b"a", b"bc", b"d"]
    assert list(lumps(short)) == [b"abcd"]
    assert list(lumps([*short, long, *short])) == [b"abcd", long, b"abcd"]
    halves = [b"x" * (SENDING // 2)] * 5
    assert [len(lump) for lump in lumps(halves)] == [SENDING, SENDING, SENDING // 2]
    assert list(lumps([])) == []
