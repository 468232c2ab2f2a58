"""The derived rows of the core: functions of the others, kept by `placement`.  Most functions of apps are applied to
these."""

from __future__ import annotations

from controller.core.row import index, row


@row(key="dpid", indexes=[index("host"), index("host", "role")])
class Switch:
    """A bridge we program.  `physical_network` is that of an ETH bridge."""

    dpid: int
    host: str
    bridge: str
    role: str
    physical_network: str = ""


@row(key=("dpid", "physical_network"), indexes=[index("dpid")])
class Uplink:
    """The patch port of a switch: on `br-int` the way to a physical network, on `br-eth*` the way to `br-int`.

    A `trunk` of `br-int` leads to the physical network itself, by a NIC or by a bridge that is not ours: there the VLAN
    of a frame is the provider's.
    """

    dpid: int
    physical_network: str
    ofport: int
    trunk: bool = False


@row(key=("dpid", "type"), indexes=[index("dpid")])
class TunnelPort:
    """The one tunnel port of a type on a switch (its remote address is set by flows)."""

    dpid: int
    type: str
    ofport: int


CHUNK_BITS = 6
"""A flood set is cut into chunks of 2**6 OpenFlow port numbers, so one more port rewrites one small flow."""


@row(
    key="port_id",
    indexes=[
        index("dpid"),
        index("dpid", "network_id"),
        index("chunk", each=lambda port: ((port.dpid, port.network_id, port.ofport >> CHUNK_BITS),)),
        index("ofport", each=lambda port: ((port.dpid, port.ofport),)),
    ],
)
class LocalPort:
    """A port whose VIF is plugged into a switch we know."""

    port_id: str
    dpid: int
    ofport: int
    network_id: str
    host: str


@row(
    key="port_id",
    indexes=[
        index("dpid"),
        index("chunk", each=lambda port: ((port.dpid, port.network_id, port.ofport >> CHUNK_BITS),)),
        index("ofport", each=lambda port: ((port.dpid, port.ofport),)),
    ],
)
class ArrivingPort:
    """The VIF of a port on the host that its guest migrates to, beside its LocalPort on the one where it still is.

    Whatever is rendered for a LocalPort is rendered for it, too.
    """

    port_id: str
    dpid: int
    ofport: int
    network_id: str
    host: str


@row(key=("port_id", "dpid"), indexes=[index("port_id"), index("dpid", "network_id")])
class PortOnSwitch:
    """A port on an INT bridge: its VIF is there, or the port is bound to the host (`binding:host_id`) and its VIF will
    be.

    What does not depend on the VIF's OpenFlow port is there before it, so that it waits for the rest alone.
    """

    port_id: str
    dpid: int
    network_id: str


@row(key=("dpid", "network_id", "chunk"), indexes=[index("dpid", "network_id")])
class FloodChunk:
    """Local ports of a network with neighbouring OpenFlow port numbers (see CHUNK_BITS)."""

    dpid: int
    network_id: str
    chunk: int


@row(key=("host", "network_id"), indexes=[index("network_id"), index("host")])
class NetworkOnHost:
    """A network that has at least one bound port on a host, its local VLAN there, and where its tunnels end."""

    host: str
    network_id: str
    vid: int
    local_ip: str = ""


@row(key=("dpid", "network_id"), indexes=[index("network_id"), index("dpid")])
class NetworkOnSwitch:
    """A network present on a switch: an INT bridge of a host that has it, or the ETH bridge of its physical network.

    An INT bridge has it from the network's first PortOnSwitch on, when the host's local VLAN for it (NetworkOnHost) may
    have yet to be given.
    """

    dpid: int
    network_id: str
    host: str
    role: str


@row(key=("dpid", "port_id"), indexes=[index("port_id"), index("dpid", "network_id")])
class RemotePort:
    """A port elsewhere that a switch needs an exact flow for."""

    dpid: int
    port_id: str
    network_id: str


@row(key=("dpid", "network_id", "ip"), indexes=[index("port_id"), index("dpid", "network_id")])
class RemoteAddress:
    """An address of a port elsewhere that a switch answers ARP or ND for."""

    dpid: int
    network_id: str
    ip: str
    port_id: str

    @property
    def address(self) -> tuple[str, str]:
        """What all switches that answer for it share: (network_id, ip)."""
        return self.network_id, self.ip
