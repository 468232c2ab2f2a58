"""TLS under a listener: which files it takes, who is let in, and that nobody waits for a peer."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import eventlet
import pytest
from eventlet.green import socket, ssl

from controller.core.effects import FlowMods
from controller.core.flow import Flow, Goto, match
from controller.io import tls
from controller.io.openflow.server import OpenFlowServer
from tests.certificates import Authority, Pair, encrypted
from tests.unit import bridge_messages as bridge
from tests.unit.bridge_peer import Bridge as Answers

PATIENCE = 5.0


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("certificates") / "ca")


@pytest.fixture(scope="module")
def ours(ca: Authority) -> Pair:
    return ca.signs("controller", "127.0.0.1")


# ---------------------------------------------------------------------------------------------------------------------
# Files


def unusable(*files: str) -> str:
    with pytest.raises(tls.Unusable) as failed:
        tls.context(*files)
    assert "\n" not in str(failed.value)
    return str(failed.value)


def test_good_files_are_taken(ca: Authority, ours: Pair) -> None:
    assert tls.context(*ours).verify_mode == ssl.CERT_NONE
    context = tls.context(*ours, ca.certificate)
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_files_that_are_not_there_are_named(ca: Authority, ours: Pair) -> None:
    why = "No such file or directory"
    assert unusable("/nowhere/a.pem", ours.key, ca.certificate) == f"tls_certificate: /nowhere/a.pem: {why}"
    assert unusable(ours.certificate, "/nowhere/b.pem", ca.certificate) == f"tls_key: /nowhere/b.pem: {why}"
    assert unusable(*ours, "/nowhere/c.pem") == f"tls_ca: /nowhere/c.pem: {why}"
    assert unusable("/proc", ours.key) == "tls_certificate: /proc: Is a directory"


def test_files_that_hold_something_else_are_named(tmp_path: Path, ca: Authority, ours: Pair) -> None:
    letter = tmp_path / "letter"
    letter.write_text("Dear Sir\n")
    no_certificate = f"{letter}: it holds no certificate in PEM form"
    assert unusable(str(letter), ours.key) == f"tls_certificate: {no_certificate}"
    assert unusable(ours.key, ours.key).startswith("tls_certificate: ")
    assert unusable(ours.certificate, str(letter)) == f"tls_key: {letter}: it holds no private key in PEM form"
    assert unusable(ours.certificate, ours.certificate).endswith("it holds no private key in PEM form")
    assert unusable(*ours, str(letter)) == f"tls_ca: {no_certificate}"
    assert unusable(*ours, ours.certificate).endswith("the certificate in it is not that of a CA")


def test_a_key_that_can_not_be_used_is_named(tmp_path: Path, ca: Authority, ours: Pair) -> None:
    other = ca.signs("other")
    assert unusable(ours.certificate, other.key) == f"tls_key: {other.key}: it is not the key of {ours.certificate}"
    locked = encrypted(ours.key, tmp_path / "locked.pem")
    assert unusable(ours.certificate, locked).startswith(f"tls_key: {locked}: it is encrypted")


# ---------------------------------------------------------------------------------------------------------------------
# Handshakes


class Bench:
    """A listener over TLS whose connections echo, and what it logs."""

    def __init__(self, context: ssl.SSLContext, log: pytest.LogCaptureFixture) -> None:
        self.log = log
        self.listener = tls.Listener(eventlet.listen(("127.0.0.1", 0)), context, "OpenFlow")
        self.address = self.listener.getsockname()
        self.accepted = 0
        eventlet.spawn(self._serve)

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            eventlet.spawn(self._echo, sock)

    @staticmethod
    def _echo(sock: Any) -> None:
        while data := sock.recv(65536):
            sock.sendall(data)
        sock.close()

    def connect(self, context: ssl.SSLContext) -> Any:
        return context.wrap_socket(socket.create_connection(self.address))

    def refused(self, context: ssl.SSLContext) -> str:
        """Connect and be refused; the log's line about it."""
        before = len(self.log.messages)
        with suppress(OSError):  # in TLS 1.3 the refusal comes with the first bytes that are read
            assert self.connect(context).recv(1) == b""
        return self.line(before)

    def line(self, number: int) -> str:
        wait(lambda: len(self.log.messages) > number)
        return self.log.messages[number]


def wait(condition: Callable[[], object]) -> None:
    for _ in range(round(PATIENCE / 0.01)):
        if condition():
            return
        eventlet.sleep(0.01)
    raise AssertionError("waited in vain")


def client(ca: Authority, pair: Pair | None = None) -> ssl.SSLContext:
    """A peer's side, as Open vSwitch has it: it trusts a CA and does not look at names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(ca.certificate)
    if pair is not None:
        context.load_cert_chain(*pair)
    return context


@pytest.fixture
def bench(ca: Authority, ours: Pair, caplog: pytest.LogCaptureFixture) -> Iterator[Bench]:
    caplog.set_level(logging.WARNING, "patchbay.tls")
    bench = Bench(tls.context(*ours, ca.certificate), caplog)
    yield bench
    bench.listener.close()


def test_a_peer_with_a_certificate_of_the_ca_is_let_in(bench: Bench, ca: Authority) -> None:
    sock = bench.connect(client(ca, ca.signs("h1")))
    sock.sendall(b"x" * 1_000_000)
    assert len(sock.recv(65536)) > 0
    assert sock.version() == "TLSv1.3"
    sock.close()
    assert bench.log.messages == []


def test_tls_1_2_is_enough_and_1_1_is_not(bench: Bench, ca: Authority) -> None:
    context = client(ca, ca.signs("h1"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    sock = bench.connect(context)
    sock.sendall(b"hello")
    assert sock.recv(5) == b"hello"
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert bench.refused(context).endswith("refused: it speaks neither TLS 1.2 nor newer")


def test_who_has_no_certificate_of_the_ca_is_refused_and_named(bench: Bench, ca: Authority, tmp_path: Path) -> None:
    assert bench.refused(client(ca)).endswith("refused: it shows no certificate")
    other = Authority(tmp_path / "other")
    line = bench.refused(client(ca, other.signs("h1")))
    assert line.startswith("OpenFlow connection of ssl:127.0.0.1:")
    assert "refused: its certificate is not accepted: unable to get local issuer certificate" in line
    assert bench.refused(client(ca, ca.signs("old", days=0))).endswith("not accepted: certificate has expired")
    assert bench.accepted == 0


def test_who_does_not_speak_tls_is_refused(bench: Bench) -> None:
    with socket.create_connection(bench.address) as sock:
        sock.sendall(bridge.hello())
        assert bench.line(0).endswith("refused: it does not speak TLS")
    with socket.create_connection(bench.address) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert bench.line(1).endswith("refused: it does not speak TLS")
    socket.create_connection(bench.address).close()
    assert bench.line(2).endswith("refused: it closed the connection")


def test_who_does_not_trust_us_is_told_apart(bench: Bench, ca: Authority, tmp_path: Path) -> None:
    other = Authority(tmp_path / "other")
    assert bench.refused(client(other, ca.signs("h1"))).endswith("refused: it does not trust our certificate")


def test_the_silent_keep_nobody_waiting_and_are_dropped(
    bench: Bench, ca: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls, "PATIENCE", 1.0)
    silent = [socket.create_connection(bench.address) for _ in range(100)]
    slow = socket.create_connection(bench.address)
    slow.sendall(b"\x16\x03\x01\x02\x00")  # the beginning of a ClientHello, and then one byte now and then
    sock = bench.connect(client(ca, ca.signs("h1")))
    sock.sendall(b"hello")
    assert sock.recv(5) == b"hello"
    assert bench.log.messages == [], "the others are yet to be dropped"
    for _ in range(5):
        eventlet.sleep(0.3)
        try:
            slow.sendall(b"\x01")
        except OSError:
            break
    wait(lambda: len(bench.log.messages) == 101)
    assert {line.rpartition(": ")[2] for line in bench.log.messages} == {"no TLS handshake in 1 s"}
    assert [peer.recv(1) for peer in silent] == [b""] * 100
    sock.sendall(b"again")
    assert sock.recv(5) == b"again"


def test_who_waits_in_accept_hears_of_the_end(ca: Authority, ours: Pair) -> None:
    listener = tls.Listener(eventlet.listen(("127.0.0.1", 0)), tls.context(*ours), "REST")
    waiting = eventlet.spawn(listener.accept)
    eventlet.sleep(0.01)
    listener.close()
    with pytest.raises(OSError, match="the listener is closed"):
        waiting.wait()
    with pytest.raises(OSError, match="the listener is closed"):
        listener.accept()


def test_a_reader_finds_the_end_of_a_connection_that_is_shut_down(ca: Authority, ours: Pair) -> None:
    listener = tls.Listener(eventlet.listen(("127.0.0.1", 0)), tls.context(*ours), "OpenFlow")
    dialled = eventlet.spawn(lambda: client(ca).wrap_socket(socket.create_connection(listener.getsockname())))
    sock, _ = listener.accept()
    reader = eventlet.spawn(sock.recv, 10)
    eventlet.sleep(0.01)
    sock.shutdown(socket.SHUT_RDWR)
    assert reader.wait() == b""
    with pytest.raises(OSError):  # noqa: PT011  (a broken pipe, in one form or another; never clear text)
        sock.sendall(b"secret")
    assert dialled.wait().recv(10) == b""
    listener.close()


# ---------------------------------------------------------------------------------------------------------------------
# OpenFlow over TLS


@pytest.fixture
def served(ca: Authority, ours: Pair) -> Iterator[tuple[OpenFlowServer, list[Any]]]:
    context = tls.context(*ours, ca.certificate)
    events: list[Any] = []
    server = OpenFlowServer(
        "127.0.0.1:0", events.append, frozenset(), lambda listener: tls.Listener(listener, context, "OpenFlow")
    )
    server.start()
    yield server, events
    server.stop()


def test_a_bundle_waits_for_a_bridge_that_does_not_read(
    served: tuple[OpenFlowServer, list[Any]], ca: Authority
) -> None:
    """Megabytes towards a peer that reads late, while what it says itself is heard; then all of it arrives, whole."""
    server, events = served
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    plain.connect(server.address)
    sock = client(ca, ca.signs("h1")).wrap_socket(plain)
    sock.sendall(bridge.hello() + bridge.features(7))
    wait(lambda: server._readings)
    sock.sendall(b"".join(Answers.contents()))
    wait(lambda: events)
    (up,) = events
    server.taken_in(up)
    flows = tuple(Flow(0, 1, match({"in_port": n}), [Goto(16)]) for n in range(1, 60_001))
    (connection,) = server._connections
    connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)  # or a kernel may take all of it
    server.carry_out(FlowMods(7, 1, flows))
    eventlet.sleep(0.2)
    assert connection.queued > 4_000_000, "the rest waits with us"
    heard = connection.session.heard
    sock.sendall(bridge.message(bridge.ofp.OFPT_ECHO_REQUEST))
    wait(lambda: connection.session.heard > heard)
    kinds: list[int] = []
    buffer = bytearray()
    while bridge.ofp.OFPT_ECHO_REPLY not in kinds:
        data = sock.recv(256 * 1024)
        assert data
        buffer += data
        while len(buffer) >= 8 and len(buffer) >= (size := int.from_bytes(buffer[2:4], "big")):
            kinds.append(buffer[1])
            del buffer[:size]
    assert kinds.count(bridge.ofp.OFPT_BUNDLE_ADD_MESSAGE) == len(flows)
    assert connection.queued == 0
    sock.close()
    wait(lambda: len(events) == 2)
