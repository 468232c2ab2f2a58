"""A DHCPv6 client of a VM's: options in, options out, with os-ken's frames around them."""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from os_ken.lib.packet import ethernet, ipv6, packet, udp

from controller.core.derived import LocalPort
from controller.core.model import Port
from tests.apps.dhcp_client import punted
from tests.world.world import World

SOLICIT, ADVERTISE, REQUEST, CONFIRM, RENEW, REBIND, REPLY, RELEASE, DECLINE, RECONFIGURE, INFORM, RELAY = range(1, 13)
CLIENT, SERVER, IA_NA, IA_TA, IAADDR, ORO, PREFERENCE, STATUS, RAPID, IA_PD = 1, 2, 3, 4, 5, 6, 7, 13, 14, 25
DUID = b"\x00\x03\x00\x01\x02\x00\x00\x00\x00\x43"
"""The server's."""
ME = (CLIENT, b"\x00\x04client")
AGENTS = "ff02::1:2"
LINK_LOCAL = "fe80::f816:3eff:fe00:1"

Option = tuple[int, bytes]


def ip(text: str) -> bytes:
    return ipv6.addrconv.ipv6.text_to_bin(text)


def tlv(*options: Option) -> bytes:
    return b"".join(struct.pack("!HH", number, len(data)) + data for number, data in options)


def ia(kind: int = IA_NA, number: int = 7, *addresses: str) -> Option:
    """An identity association, with the addresses that the client has or wants."""
    held = tlv(*((IAADDR, ip(address) + bytes(8)) for address in addresses))
    return kind, struct.pack("!I", number) + (b"" if kind == IA_TA else bytes(8)) + held


def frame(mac: str, kind: int, *options: Option, src: str = LINK_LOCAL, dst: str = AGENTS) -> bytes:
    """A client's message in an Ethernet frame."""
    made = packet.Packet()
    made.add_protocol(ethernet.ethernet("33:33:00:01:00:02", mac, 0x86DD))
    made.add_protocol(ipv6.ipv6(src=src, dst=dst, nxt=17))
    made.add_protocol(udp.udp(546, 547))
    made.add_protocol(bytes((kind,)) + b"xid" + tlv(*options))
    made.serialize()
    return bytes(made.data)


class Said(NamedTuple):
    """An identity association of an answer: number, T1, T2, {address: (preferred, valid)}, status (None: none)."""

    number: int
    t1: int
    t2: int
    addresses: dict[str, tuple[int, int]]
    status: int | None


class Answer:
    """What came back to a port."""

    def __init__(self, data: bytes) -> None:
        read = packet.Packet(data)
        self.eth, self.ip, self.udp = (read.get_protocol(kind) for kind in (ethernet.ethernet, ipv6.ipv6, udp.udp))
        payload = data[14 + 40 + 8 :]
        self.type, self.transaction = payload[0], payload[1:4]
        self.listed = options(payload[4:])

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.listed]

    def __getitem__(self, number: int) -> bytes:
        (data,) = (data for other, data in self.listed if other == number)
        return data

    @property
    def status(self) -> int | None:
        return status(self.listed)

    def identities(self, kind: int = IA_NA) -> list[Said]:
        return [_said(kind, data) for number, data in self.listed if number == kind]


def options(data: bytes) -> list[Option]:
    found = []
    while data:
        number, size = struct.unpack_from("!HH", data)
        assert len(data) >= 4 + size, "an option is cut off"
        found.append((number, data[4 : 4 + size]))
        data = data[4 + size :]
    return found


def status(listed: list[Option]) -> int | None:
    return next((struct.unpack_from("!H", data)[0] for number, data in listed if number == STATUS), None)


def _said(kind: int, data: bytes) -> Said:
    number, t1, t2 = struct.unpack_from("!III", data) if kind != IA_TA else (*struct.unpack_from("!I", data), 0, 0)
    inside = options(data[4 if kind == IA_TA else 12 :])
    held = [data for option, data in inside if option == IAADDR]
    addresses = {ipv6.addrconv.ipv6.bin_to_text(one[:16]): struct.unpack_from("!II", one, 16) for one in held}
    return Said(number, t1, t2, addresses, status(inside))


def ask(world: World, port: Port, kind: int, *said: Option, **more: Any) -> Answer | None:
    """Let a port's VM say something, and read what comes back to its port (None: nothing)."""
    before = len(world.sent)
    world.events.append(punted(world, port, frame(more.pop("mac", port.mac_address), kind, *said, **more)))
    world.settle()
    sent = world.sent[before:]
    if not sent:
        return None
    (out,) = sent
    local = world.machine.net.get(LocalPort, port.id)
    assert (out.dpid, [action.port for action in out.actions]) == (local.dpid, [local.ofport])
    return Answer(out.data)
