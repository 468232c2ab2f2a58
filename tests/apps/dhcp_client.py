"""A DHCPv4 client of a VM's, with os-ken's codec: an answer is read by other code than made it."""

from __future__ import annotations

from typing import Any

from os_ken.lib.packet import dhcp, ethernet, ipv4, packet, udp

from controller.core.derived import LocalPort
from controller.core.events import PacketIn
from controller.core.model import Port
from controller.core.pipeline import LAYOUT
from tests.world.world import World

DISCOVER, OFFER, REQUEST, DECLINE, ACK, NAK, RELEASE, INFORM = range(1, 9)
ANY, ALL = "0.0.0.0", "255.255.255.255"
XID = 0x12345678


def frame(mac: str, *options: tuple[int, bytes], ciaddr: str = ANY, dst: str = ALL, **more: Any) -> bytes:
    """A client's message in an Ethernet frame; `more` are fields of BOOTP (flags, giaddr, chaddr...)."""
    listed = dhcp.options([dhcp.option(number, data, len(data)) for number, data in options])
    fields = {"chaddr": mac, "options": listed, "xid": XID, "ciaddr": ciaddr, **more}
    made = packet.Packet()
    made.add_protocol(ethernet.ethernet("ff:ff:ff:ff:ff:ff" if dst == ALL else "fa:16:3e:ff:ff:ff", mac, 0x0800))
    made.add_protocol(ipv4.ipv4(src=ciaddr, dst=dst, proto=17))
    made.add_protocol(udp.udp(68, 67))
    made.add_protocol(dhcp.dhcp(dhcp.DHCP_BOOT_REQUEST, **fields))
    made.serialize()
    return bytes(made.data)


def message(kind: int, *options: tuple[int, bytes]) -> tuple[tuple[int, bytes], ...]:
    """The options of a message of a type."""
    return ((53, bytes((kind,))), *options)


def ip(text: str) -> bytes:
    return bytes(map(int, text.split(".")))


class Answer:
    """What came back to a port: frame, addresses, BOOTP's fields, and the options in their order."""

    def __init__(self, data: bytes) -> None:
        read = packet.Packet(data)
        self.eth, self.ip, self.udp = (read.get_protocol(kind) for kind in (ethernet.ethernet, ipv4.ipv4, udp.udp))
        at = 14 + 20 + 8
        self.payload = data[at:]
        self.bootp, _, _ = dhcp.dhcp.parser(self.payload)
        self.listed: list[tuple[int, bytes]] = []
        at = 240
        while self.payload[at] != 255:
            size = self.payload[at + 1]
            self.listed.append((self.payload[at], self.payload[at + 2 : at + 2 + size]))
            at += 2 + size

    @property
    def type(self) -> int:
        return self[53][0]

    @property
    def numbers(self) -> list[int]:
        return list(dict.fromkeys(number for number, _ in self.listed))

    def __getitem__(self, number: int) -> bytes:
        return b"".join(data for other, data in self.listed if other == number)

    def __contains__(self, number: int) -> bool:
        return number in self.numbers


def punted(world: World, port: Port, data: bytes) -> PacketIn:
    """A frame of a port's VM, as its switch hands it to the controller."""
    local = world.machine.net.get(LocalPort, port.id)
    return PacketIn(local.dpid, LAYOUT.by_name["dhcp"].id, (("in_port", local.ofport),), data)


def ask(world: World, port: Port, *options: tuple[int, bytes], **more: Any) -> Answer | None:
    """Let a port's VM say something, and read what comes back to its port (None: nothing)."""
    before = len(world.sent)
    world.events.append(punted(world, port, frame(more.pop("mac", port.mac_address), *options, **more)))
    world.settle()
    sent = world.sent[before:]
    if not sent:
        return None
    (out,) = sent
    local = world.machine.net.get(LocalPort, port.id)
    assert (out.dpid, [action.port for action in out.actions]) == (local.dpid, [local.ofport])
    return Answer(out.data)
