"""The benchmarks' clock: what it tells of passed the loopback, whole, between the times we know."""

from __future__ import annotations

import socket
import struct
import time

import pytest

from bench.fake_session import BUNDLE_CONTROL, COMMIT, OPEN, PORT_STATUS, message, port_desc
from bench.wire import COMMITTED, Stream, Wire, ports_to_commits

PORT = message(PORT_STATUS, 0, bytes(8) + port_desc(3, "tap3", 7))


def control(kind: int) -> bytes:
    return message(BUNDLE_CONTROL, 1, struct.pack("!IHH", 1, kind, 0))


@pytest.fixture
def connected():
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as switch:
        controller, _ = listener.accept()
        controller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with controller, Wire(listener.getsockname()[1]) as wire:
            yield controller, switch, wire


def test_a_port_is_timed_to_the_last_byte_of_the_commit(connected):
    controller, switch, wire = connected
    began = time.time()
    switch.sendall(PORT)
    time.sleep(0.03)
    controller.sendall(control(OPEN) + control(COMMIT)[:5])
    time.sleep(0.03)
    controller.sendall(control(COMMIT)[5:])
    most = time.time() - began
    time.sleep(0.03)
    controller.sendall(control(OPEN) + control(COMMIT))
    (seconds,) = ports_to_commits(wire.messages())
    assert 0.06 <= seconds <= most
    assert wire.messages() == []


def test_what_was_not_seen_is_not_measured(connected):
    controller, switch, wire = connected
    controller.sendall(control(OPEN) + control(COMMIT))
    with pytest.raises(LookupError, match="there was no port"):
        ports_to_commits(wire.messages())
    switch.sendall(PORT)
    controller.sendall(control(OPEN))
    with pytest.raises(LookupError, match="no bundle followed"):
        ports_to_commits(wire.messages())


def test_quiet_is_a_while_without_bundles(connected):
    controller, switch, wire = connected
    with pytest.raises(TimeoutError):
        wire.until_quiet(0.05, 0.2)
    controller.sendall(control(OPEN) + control(COMMIT))
    time.sleep(0.03)
    switch.sendall(control(COMMITTED) + PORT)
    done = time.time()
    found = wire.until_quiet(0.05, 5)
    assert time.time() - done >= 0.05
    assert [(one.is_commit, one.is_committed, one.is_port) for one in found] == [
        (False, False, False),
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]
    assert found[2].time - found[1].time >= 0.03


def test_what_is_sent_again_counts_once_and_what_is_missing_is_told():
    stream, first, other = Stream(), control(OPEN), control(COMMIT)
    start = (1 << 32) - 20  # the numbers begin anew within the first message but one
    assert [*stream.take(start, first + other[:4])] == [first]
    assert [*stream.take(start + 16, other[:4])] == []
    assert [*stream.take(start + 19, other[3:4])] == []
    assert [*stream.take(start + 16, other)] == [other]
    assert [*stream.take(12, PORT)] == [PORT]
    with pytest.raises(RuntimeError, match="7 bytes"):
        [*stream.take(12 + len(PORT) + 7, first)]
