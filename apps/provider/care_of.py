"""How a guest is reached while it migrates in a VLAN or flat network, whatever the switches between the hosts know.

They lead packets for a MAC address where they last heard it, so before its first word on the other host the guest gets
nothing there, and after that what they have learnt late goes astray.  So it has a second address for that time, which
is only ever heard from the host that it goes to: its care-of address, as Mobile IP calls it (RFC 5944, 1.6).  The
other switches send a copy to that, which has the guest's own address again when it gets there; and when the guest is on
that host, all.  Nothing depends on where the guest was heard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.provider.tables import PROVIDER_IN, PROVIDER_OUT, Carrier, app, carrier
from controller.core.address import mac
from controller.core.derived import ArrivingPort, LocalPort, NetworkOnSwitch
from controller.core.effects import PacketOut
from controller.core.flow import Action, Flow, SetField
from controller.core.model import INT, Binding, Port, PortBinding
from controller.core.net import Change, Net
from controller.core.packet import BROADCAST
from controller.core.pipeline import NET, load, resubmit
from controller.core.placement.layer import Keys, both
from controller.core.row import index, row
from controller.core.settings import Settings

LOCALLY_ADMINISTERED = 0x02 << 40
"""What a MAC address begins with that no manufacturer gave out (IEEE 802, 8.4)."""
RARP = 0x8035
REQUEST_REVERSE = bytes.fromhex("0001080006040003")
"""Ethernet, IPv4, the lengths of their addresses, and "request reverse" (RFC 903)."""
ANNOUNCED = 1.0
"""Seconds between two announcements."""

# ---------------------------------------------------------------------------------------------------------------------
# Which switches it concerns


@row(key=("dpid", "port_id"), indexes=[index("port_id"), index("dpid")])
class Forwarding:
    """A switch that sends packets for a port to its care-of address: any but that of the guest's destination."""

    dpid: int
    port_id: str
    network_id: str


@row(key="port_id", indexes=[index("dpid")])
class CareOf:
    """The VIF that a port's care-of address leads to: the one that its guest comes to.  It stays so when the migration
    is over, for something may be on its way."""

    port_id: str
    dpid: int
    network_id: str


@row(key="port_id", indexes=[index("dpid")])
class Destination:
    """That VIF, while the migration lasts."""

    port_id: str
    dpid: int
    network_id: str


def destination(net: Any, binding: Binding) -> str:
    """The host that a port's guest goes to, or has come to: until the binding that it had is given up; else ""."""
    if binding.arriving:
        return binding.arriving
    waiting = net.find(PortBinding, "port_id", binding.port_id) if binding.migrated else ()
    return binding.host if binding.migrated and (binding.moved or any(w.former for w in waiting)) else ""


def _forwarding_keys(net: Net, settings: Settings, change: Change) -> Keys:
    if change.row_type is NetworkOnSwitch:
        dpid, network_id = change.key
        yield from ((dpid, binding.port_id) for binding in net.find(Binding, "migration", network_id))
        return
    port_id = change.key if change.row_type is Binding else change.key[0]
    binding = net.get(Binding, port_id)
    if binding is not None and destination(net, binding):
        yield from ((on.dpid, port_id) for on in net.find(NetworkOnSwitch, "network_id", binding.network_id))
    yield from ((known.dpid, port_id) for known in net.find(Forwarding, "port_id", port_id))


def _forwarding(net: Net, settings: Settings, key: tuple[int, str]) -> Forwarding | None:
    dpid, port_id = key
    binding = net.get(Binding, port_id)
    on = net.get(NetworkOnSwitch, (dpid, binding.network_id)) if binding is not None else None
    if binding is None or on is None or on.role != INT:
        return None
    host = destination(net, binding) if settings.care_of_addresses else ""
    return Forwarding(dpid, port_id, on.network_id) if host and host != on.host else None


def _care_of_keys(net: Net, settings: Settings, change: Change) -> Keys:
    for each in both(change):
        binding = net.get(Binding, each.port_id)
        migrates = net.get(ArrivingPort, each.port_id) is not None or (binding is not None and binding.migrated)
        if migrates or net.get(CareOf, each.port_id) is not None:
            yield each.port_id


def _care_of(net: Net, settings: Settings, port_id: str) -> CareOf | None:
    coming, local, binding = net.get(ArrivingPort, port_id), net.get(LocalPort, port_id), net.get(Binding, port_id)
    if not settings.care_of_addresses:
        return None
    if coming is not None:
        return CareOf(port_id, coming.dpid, coming.network_id)
    if local is None or binding is None or binding.arriving or not binding.migrated or binding.host != local.host:
        return None
    return CareOf(port_id, local.dpid, local.network_id)


def _destination_keys(net: Net, settings: Settings, change: Change) -> Keys:
    for each in both(change):
        if net.get(CareOf, each.port_id) is not None or net.get(Destination, each.port_id) is not None:
            yield each.port_id


def _destination(net: Net, settings: Settings, port_id: str) -> Destination | None:
    care_of, binding = net.get(CareOf, port_id), net.get(Binding, port_id)
    if care_of is None or binding is None or not destination(net, binding):
        return None
    return Destination(port_id, care_of.dpid, care_of.network_id)


app.derive(Forwarding, (Binding, PortBinding, NetworkOnSwitch), _forwarding_keys, _forwarding)
app.derive(CareOf, (Binding, LocalPort, ArrivingPort), _care_of_keys, _care_of)
app.derive(Destination, (Binding, PortBinding, CareOf), _destination_keys, _destination)

# ---------------------------------------------------------------------------------------------------------------------
# Flows, and what makes switches learn


def address(port: Port) -> int:
    """A port's care-of address: 02 and the last ten digits of its id."""
    return LOCALLY_ADMINISTERED | int(port.id[-10:], 16)


def _carried(net: Any, at: Forwarding | CareOf | Destination) -> Carrier | None:
    on = net.get(NetworkOnSwitch, (at.dpid, at.network_id))
    return carrier(net, on) if on is not None else None


@app.flows(Forwarding)
def forward(net: Any, to: Forwarding) -> Iterable[Flow]:
    """br-int: a copy to the care-of address; the packet itself goes where the guest still is, unless that is here."""
    port, binding, carried = net.get(Port, to.port_id), net.get(Binding, to.port_id), _carried(net, to)
    if port is None or binding is None or carried is None:
        return
    still: list[Action] = carried.leave() if binding.arriving and binding.host != carried.on.host else []
    there = [SetField("eth_dst", address(port)), *carried.leave()]
    yield PROVIDER_OUT.flow(110, {NET: carried.network.key, "eth_dst": mac(port.mac_address)}, [*still, *there])


@app.flows(CareOf)
def accept(net: Any, at: CareOf) -> Iterable[Flow]:
    """br-int: what comes for the care-of address is for the guest."""
    port, carried = net.get(Port, at.port_id), _carried(net, at)
    if port is not None and carried is not None:
        match = {**carried.entering, "eth_dst": address(port)}
        yield PROVIDER_IN.flow(110, match, [SetField("eth_dst", mac(port.mac_address)), *carried.enter()])


@app.periodic(Destination, ANNOUNCED)
def announce(net: Any, to: Destination, before: tuple[Any, ...]) -> Iterable[PacketOut]:
    """Let switches learn where the care-of address is, and the guest's own when it is there: as QEMU announces it, for
    those who do not know of care-of addresses, and for when nobody needs them any more."""
    port, binding, carried = net.get(Port, to.port_id), net.get(Binding, to.port_id), _carried(net, to)
    if port is None or binding is None or carried is None:
        return
    own = () if binding.arriving else (mac(port.mac_address),)
    for hardware in (address(port), *own):
        into = (load(NET, carried.network.key), resubmit("provider_out"))
        yield PacketOut(to.dpid, _announcement(hardware), into)


def _announcement(hardware: int) -> bytes:
    """A RARP request (RFC 903) of a MAC address for itself, with Ethernet's shortest length."""
    sender = hardware.to_bytes(6, "big")
    head = bytes.fromhex(BROADCAST.replace(":", "")) + sender + RARP.to_bytes(2, "big")
    return (head + REQUEST_REVERSE + 2 * (sender + bytes(4))).ljust(60, b"\0")
