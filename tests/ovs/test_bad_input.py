"""Peers that are no switches and no hosts: the connection ends, one line says why, and everything else goes on."""

from __future__ import annotations

import os
import random
import re
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core.events import PortDesc
from tests.ovs.controller import Controller
from tests.ovs.sandbox import Sandbox
from tests.unit import bridge_messages as bridge

HTTP = b"GET / HTTP/1.1\r\nHost: patchbay\r\n\r\n"
TLS = bytes.fromhex("16030100c8010000c40303") + bytes(40)
HALF_A_HELLO = bridge.hello()[:5]


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("h1")) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def controller(tmp_path_factory: pytest.TempPathFactory, host: Sandbox) -> Iterator[Controller]:
    with Controller(tmp_path_factory.mktemp("controller")) as controller:
        controller.join(host, "h1", "192.0.2.1")
        yield controller


@pytest.fixture(autouse=True)
def everything_goes_on(controller: Controller, host: Sandbox) -> Iterator[None]:
    """After every test a new port is still wired, and the host never left."""
    yield
    network = controller.make("network")
    port = controller.make("port", network_id=network["id"])
    host.add_vif("br-int", "probe", port["id"], port["mac_address"])
    controller.wait(lambda: controller.status(port["id"]) == "ACTIVE", "a port to be wired")
    host.vsctl("del-port", "probe")
    controller.rest("DELETE", f"/v2.0/ports/{port['id']}")
    controller.rest("DELETE", f"/v2.0/networks/{network['id']}")
    assert not re.findall(r"bridge (?!000000000000)[0-9a-f]{16} from .* ended", controller.log)
    assert "Traceback" not in controller.log


def lines(controller: Controller) -> list[str]:
    return controller.log.splitlines()


def dial(controller: Controller, port: str) -> socket.socket:
    sock = socket.create_connection((controller.address, controller.ports[port]))
    sock.settimeout(15)
    return sock


def ended(sock: socket.socket) -> bool:
    """Whether the controller has closed the connection (what it says before is passed over)."""
    with suppress(ConnectionResetError):
        while sock.recv(65536):
            pass
    return True


# ---------------------------------------------------------------------------------------------------------------------
# Garbage


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (HTTP, "not OpenFlow: the first message is no hello"),
        (TLS, "not OpenFlow: the first message is no hello"),
        (bytes(64), "not OpenFlow: a message of 0 bytes"),
        (bridge.hello(4), "the bridge does not offer OpenFlow 1.4"),
        (bridge.hello() + bridge.features(0), "its dpid is 0000000000000000"),
        (bridge.hello() + b"\x05\x06\x00\x09\0\0\0\0x", "malformed OpenFlow message"),
    ],
)
def test_garbage_on_the_openflow_port(controller: Controller, data: bytes, reason: str) -> None:
    before = len(lines(controller))
    with dial(controller, "openflow") as sock:
        sock.sendall(data)
        assert ended(sock)
    controller.wait(lambda: len(lines(controller)) > before, "the line")
    (line,) = lines(controller)[before:]
    assert "a connection from 127.0.0.1 ended: " in line
    assert reason in line


def test_a_bridge_of_an_older_version_is_told_before_it_is_closed(controller: Controller) -> None:
    with dial(controller, "openflow") as sock:
        sock.sendall(bridge.hello(1))
        heard = b""
        while data := sock.recv(4096):
            heard += data
    (_, (kind, _, error)) = bridge.split(heard)
    assert (kind, struct.unpack_from("!HH", error, 8)) == (ofp.OFPT_ERROR, (ofp.OFPET_HELLO_FAILED, 0))


@pytest.mark.parametrize(
    "data", [HTTP, TLS, bytes(64), b'{"method": 5}', b'{"id":1,"result":[],"error":null}' * 50, b"[" * 9999]
)
def test_garbage_on_the_ovsdb_port(controller: Controller, data: bytes) -> None:
    before = len(lines(controller))
    with dial(controller, "ovsdb") as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        assert ended(sock)
    controller.wait(lambda: len(lines(controller)) > before, "the line")
    (line,) = lines(controller)[before:]
    assert "OVSDB connection of a host" in line


def test_a_crowd_of_strangers(controller: Controller) -> None:
    """200 at once, half on each port, each with its own garbage; most of them leave in the middle of a word."""
    dice = random.Random(1)
    before = len(lines(controller))
    crowd = [dial(controller, ("openflow", "ovsdb")[n % 2]) for n in range(200)]
    for sock in crowd:
        sock.sendall(dice.choice([HTTP, TLS, HALF_A_HELLO, dice.randbytes(dice.randrange(1, 400))]))
    for sock in crowd[::3]:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # a reset instead of an end
        sock.close()
    for sock in crowd:
        sock.close()
    controller.wait(lambda: len(lines(controller)) >= before + 200, "200 lines")
    time.sleep(0.3)
    assert len(lines(controller)) == before + 200


# ---------------------------------------------------------------------------------------------------------------------
# Silence


def test_who_says_nothing_is_shown_out(controller: Controller) -> None:
    """On both ports: not a byte, or half a hello.  Others are served meanwhile."""
    before = len(lines(controller))
    silent = [dial(controller, "openflow"), dial(controller, "openflow"), dial(controller, "ovsdb")]
    silent[1].sendall(HALF_A_HELLO)
    started = time.monotonic()
    network = controller.make("network")
    controller.rest("DELETE", f"/v2.0/networks/{network['id']}")
    assert time.monotonic() - started < 2
    assert all(ended(sock) for sock in silent)
    controller.wait(lambda: len(lines(controller)) >= before + 3, "three lines")
    said = lines(controller)[before:]
    assert len(said) == 3
    assert len([line for line in said if "no answer to the handshake in 10 s" in line]) == 2


class Mute:
    """A switch that does the handshake and then reads nothing more."""

    def __init__(self, controller: Controller, dpid: int) -> None:
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.connect((controller.address, controller.ports["openflow"]))
        contents = [
            *bridge.multipart(ofp.OFPMP_PORT_DESC, [bridge.port(PortDesc(1, "tap1", "fa:16:3e:00:00:01"))]),
            *bridge.multipart(ofp.OFPMP_METER_CONFIG, [b""]),
            *bridge.multipart(ofp.OFPMP_FLOW, [b""]),
        ]
        self.sock.sendall(bridge.hello() + bridge.features(dpid))
        time.sleep(0.3)
        self.sock.sendall(b"".join(contents))


def test_a_switch_that_reads_nothing_holds_nobody_up(controller: Controller, host: Sandbox) -> None:
    """Echo requests fill what little it takes; the others' ports are wired as ever."""
    mute = Mute(controller, 0xDEAD)
    controller.wait(lambda: "bridge 000000000000dead connected" in controller.log, "the mute switch")
    flood = bridge.message(ofp.OFPT_ECHO_REQUEST, os.urandom(60000)) * 20
    mute.sock.settimeout(2)
    for _ in range(10):
        mute.sock.sendall(flood)  # each is answered, and the answers pile up at the controller
    network = controller.make("network")
    for number in range(5):
        started = time.monotonic()
        port = controller.make("port", network_id=network["id"])
        host.add_vif("br-int", f"many{number}", port["id"], port["mac_address"])
        controller.wait(lambda p=port: controller.status(p["id"]) == "ACTIVE", "a port beside the mute switch")
        assert time.monotonic() - started < 2
        host.vsctl("del-port", f"many{number}")
        controller.rest("DELETE", f"/v2.0/ports/{port['id']}")
    mute.sock.close()
    controller.wait(lambda: "bridge 000000000000dead from 127.0.0.1 ended" in controller.log, "its end")


def test_a_switch_that_is_dead_gives_way_to_its_successor(controller: Controller) -> None:
    """The same dpid again: the first does not answer a probe any more (a host that lost power, say)."""
    first = Mute(controller, 0xBEEF)
    controller.wait(lambda: controller.log.count("bridge 000000000000beef connected") == 1, "the first")
    second = Mute(controller, 0xBEEF)
    controller.wait(lambda: controller.log.count("bridge 000000000000beef connected") == 2, "the second")
    ended = "bridge 000000000000beef from 127.0.0.1 ended: another connection has its dpid, and it does not answer"
    assert ended in controller.log
    first.sock.close()
    second.sock.close()
