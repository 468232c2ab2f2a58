"""The observed rows of the core: what switches, hosts and guests reported.  They live in memory."""

from __future__ import annotations

import re

from controller.core.model import TUNNEL_TYPES
from controller.core.row import index, quiet, row


@row(key="dpid", indexes=[index("address")])
class Session:
    """An OpenFlow connection of a bridge: `address` is the peer's IP address."""

    dpid: int
    address: str
    connected: bool = True


@row(key="host")
class Presence:
    """A host whose OVSDB has told us all it has; `address` is where it dialled in from.

    What it told stands while it is away (`connected` False).  `local_ip_mtu` is the MTU where its tunnel address is (0:
    it does not say), `local_ip_interface` the interface in Open vSwitch that has the address ("": none is named).
    """

    host: str
    address: str = quiet(default="")
    connected: bool = quiet(default=True)
    local_ip_mtu: int = quiet(default=0)
    local_ip_interface: str = quiet(default="")


@row(key="dpid")
class ForeignDefault:
    """A provider bridge whose lowest flow (table 0, priority 0, any packet) is somebody else's: it stays theirs."""

    dpid: int


@row(key="dpid")
class NoMeters:
    """A bridge whose datapath has no meters: nothing that needs a limit is offered there."""

    dpid: int


def tunnel_type(name: str) -> str | None:
    """The tunnel type that a port's name tells (`vxlan0`, `pb-gre`), where no OVSDB does."""
    bare = name.removeprefix("pb-")
    return next((type for type in TUNNEL_TYPES if bare.startswith(type)), None)


NIC = re.compile(r"(eth|em|bond|team)[0-9]+|en[ospx][0-9a-z]+|p[0-9]+p[0-9]+")
"""What Linux calls network cards (systemd.net-naming-scheme(7), biosdevname), and no hypervisor a guest's interface."""


NIC_TYPES = ("", "system", "dpdk", "afxdp", "dummy")
"""The types of interface that a network card can be of ("dummy" is for Open vSwitch's own tests)."""


def is_nic(name: str) -> bool:
    """Whether a port is a network card, by its name."""
    return NIC.fullmatch(name) is not None


@row(
    key=("dpid", "number"),
    indexes=[
        index("nic", each=lambda port: [port.dpid] if is_nic(port.name) else []),
        index("dpid"),
        index("dpid", "name"),
        index("name"),
        index("tunnel", each=lambda port: ((port.dpid, tunnel_type(port.name)),) if tunnel_type(port.name) else ()),
    ],
)
class OfPort:
    """An OpenFlow port of a bridge."""

    dpid: int
    number: int
    name: str
    mac: str = quiet(default="")


@row(
    key=("host", "name"),
    indexes=[
        index("iface_id"),
        index("host"),
        index("host", "bridge"),
        index("trunk", each=lambda one: [(one.host, one.bridge)] if one.may_be_trunk else []),
    ],
)
class Interface:
    """An OVSDB Interface row of a host: `iface_id` says whose VIF it is ('' if nobody's), a port's id or what its
    Attachment names; `mac` is what the VIF's owner says of the guest's; `mtu` the one that it has (0 where that is not
    known); `peer` is that of a patch port, `error` why it has no OpenFlow port, and `bond` the port that it shares with
    other interfaces ('' if it has one of its own)."""

    host: str
    name: str
    bridge: str
    type: str = ""
    iface_id: str = ""
    mac: str = quiet(default="")
    error: str = quiet(default="")
    tag: int | None = quiet(default=None)
    mtu: int = quiet(default=0)
    peer: str = ""
    bond: str = ""

    @property
    def may_be_trunk(self) -> bool:
        """Whether it can be meant as the way to a physical network without being named: a NIC, or a patch port of the
        operator's own (not ours, and not that to the tunnel bridge of a Neutron agent that was there before).

        One with an error or of a bond is looked at, too: it may be what its operator took for such a way.
        """
        if (self.error or self.bond) and not self.iface_id:
            return True
        if self.type == "patch":
            return not self.name.startswith("int-") and self.name != "patch-tun"
        return self.type in NIC_TYPES and is_nic(self.name)


@row(
    key=("dpid", "network_id", "mac"),
    indexes=[index("network_id", "mac"), index("dpid", "network_id"), index("dpid")],
)
class WantedMac:
    """A switch's VIFs send to this MAC, which is elsewhere: its exact flow is wanted there."""

    dpid: int
    network_id: str
    mac: str


@row(
    key=("dpid", "network_id", "ip"),
    indexes=[index("network_id", "ip"), index("dpid", "network_id"), index("dpid")],
)
class WantedAddress:
    """A switch's VIFs ask for this address, which is elsewhere: its ARP or ND responder flow is wanted there."""

    dpid: int
    network_id: str
    ip: str


@row(key="port_id")
class SeenMac:
    """The MAC address that a VIF sends by, where the port names the VIF and nobody has told its address."""

    port_id: str
    mac: str


@row(key=("network_id", "ip"), indexes=[index("port_id")])
class Holder:
    """The port that holds an address which it is allowed beside its own: of those that are, the one that last said so.

    It goes before the port that has the address as its own.  It is `inferred`, where nothing is known of what it said
    but that another switch answers with its MAC address.
    """

    network_id: str
    ip: str
    port_id: str
    mac: str
    inferred: bool = quiet(default=False)


@row(key="port_id")
class Heard:
    """The guest of a port that migrates was heard on the host that it goes to."""

    port_id: str
    host: str


@row(key="nonce")
class Probe:
    """A packet of ours on its way from one port to another (their ids), for somebody who asked whether it gets there.

    `caught` is the switch and the OpenFlow port that it was to be delivered to, () while it is under way.
    """

    nonce: int
    source: str
    target: str
    caught: tuple[int, ...] = ()
