"""What happens: everything that enters `Machine.step`, as frozen values that can be recorded and replayed.

Times are seconds of a monotonic clock, given by the loop; the machine has no clock of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from controller.core.net import Change

# ---------------------------------------------------------------------------------------------------------------------
# From the store


@dataclass(frozen=True, slots=True)
class Changed:
    """A committed transaction."""

    revision: int
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passes: sent by the loop about once a second."""

    now: float


# ---------------------------------------------------------------------------------------------------------------------
# From people


@dataclass(frozen=True, slots=True)
class ProbeWanted:
    """Somebody asks whether packets get from one port to another (their ids); `nonce` tells this probe from others."""

    nonce: int
    source: str
    target: str


@dataclass(frozen=True, slots=True)
class ProbeOver:
    """Nobody waits for that probe any more."""

    nonce: int


# ---------------------------------------------------------------------------------------------------------------------
# From switches, over OpenFlow


class PortDesc(NamedTuple):
    """An OpenFlow port (OpenFlow 1.4, 7.2.1)."""

    number: int
    name: str
    mac: str


class Installed(NamedTuple):
    """A flow found on a switch: its match is kept only where it matters (as OXM bytes, in hex).

    `match` is set for flows that are not ours; `fields` (register and header fields by name, whole values) for flows
    with an idle timeout in tables declared reactive; `digest` tells what a flow of ours does, as the bytes of its
    instructions do.
    """

    table: int
    priority: int
    cookie: int
    match: str = ""
    fields: tuple[tuple[str, int], ...] = ()
    digest: int | None = None


@dataclass(frozen=True, slots=True)
class SwitchUp:
    """A bridge connected and was read: its ports, the flows that stand in it, and its meters as (id, rate); or its
    datapath can have none (`has_meters` False)."""

    dpid: int
    address: str
    ports: tuple[PortDesc, ...]
    installed: tuple[Installed, ...]
    meters: tuple[tuple[int, int], ...] = ()
    suspect: tuple[int, ...] = ()
    has_meters: bool = True


@dataclass(frozen=True, slots=True)
class SwitchDown:
    """The connection is gone (the bridge's flows stand)."""

    dpid: int


@dataclass(frozen=True, slots=True)
class Reread:
    """The flows of a connected bridge, read again because somebody else changed them.

    `suspect` holds cookies of ours whose actions were seen changed; `serial` is the last bundle before the reading.
    """

    dpid: int
    installed: tuple[Installed, ...]
    suspect: tuple[int, ...] = ()
    meters: tuple[tuple[int, int], ...] = ()
    serial: int = 0


@dataclass(frozen=True, slots=True)
class PortStatus:
    """A port was added or changed (`removed` False), or removed."""

    dpid: int
    port: PortDesc
    removed: bool


@dataclass(frozen=True, slots=True)
class PacketIn:
    """A packet punted by a table: `fields` are the registers and in_port that came with it, by Field name."""

    dpid: int
    table: int
    fields: tuple[tuple[str, int], ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class FlowRemoved:
    """A flow of ours ended by its idle timeout."""

    dpid: int
    table: int
    priority: int
    cookie: int


@dataclass(frozen=True, slots=True)
class SwitchError:
    """A switch refused a bundle: none of it was done.

    `serial` is the bundle's, `cookie` that of the refused flow (0: another message), `reason` the error's name.
    """

    dpid: int
    serial: int
    cookie: int
    reason: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A switch has carried out everything up to `serial` (see effects.FlowMods)."""

    dpid: int
    serial: int


# ---------------------------------------------------------------------------------------------------------------------
# From hosts, over OVSDB


class BridgeRow(NamedTuple):
    """A bridge as OVSDB has it; `dpid` is 0 while unknown."""

    name: str
    dpid: int
    datapath_type: str = ""
    fail_mode: str = ""
    protocols: tuple[str, ...] = ()
    controllers: tuple[str, ...] = ()
    disable_in_band: bool = False
    connected: bool = False


class InterfaceRow(NamedTuple):
    """An interface as OVSDB has it.  Its OpenFlow port is told over OpenFlow, by name; `error` says why it has none.
    `mtu` is 0 where Open vSwitch does not tell it; `peer` is that of a patch port; `bond` is the port that it shares
    with other interfaces."""

    name: str
    bridge: str
    type: str = ""
    iface_id: str = ""
    mac: str = ""
    error: str = ""
    tag: int | None = None
    ours: bool = False
    mtu: int = 0
    peer: str = ""
    bond: str = ""


@dataclass(frozen=True, slots=True)
class HostUp:
    """A host dialled in and its whole description is here."""

    connection: str
    name: str
    local_ip: str = ""
    bridge_mappings: tuple[tuple[str, str], ...] = ()
    datapath_type: str = ""
    integration_bridge: str = ""
    bridges: tuple[BridgeRow, ...] = ()
    interfaces: tuple[InterfaceRow, ...] = ()
    problem: str = ""
    zone: str = ""
    local_ip_mtu: int = 0
    local_ip_interface: str = ""


@dataclass(frozen=True, slots=True)
class HostChanged:
    """A host describes itself anew (external_ids or bridges changed)."""

    name: str
    local_ip: str = ""
    bridge_mappings: tuple[tuple[str, str], ...] = ()
    datapath_type: str = ""
    integration_bridge: str = ""
    bridges: tuple[BridgeRow, ...] = ()
    problem: str = ""
    zone: str = ""
    local_ip_mtu: int = 0
    local_ip_interface: str = ""


@dataclass(frozen=True, slots=True)
class HostDown:
    """A host's OVSDB connection is gone."""

    name: str


@dataclass(frozen=True, slots=True)
class InterfacesChanged:
    """Interfaces of a host that came or changed, and the names of those that went."""

    name: str
    changed: tuple[InterfaceRow, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OvsdbDone:
    """A transaction that we asked for ended; `error` is empty when it succeeded."""

    name: str
    error: str = ""


Event = (
    Changed
    | Tick
    | ProbeWanted
    | ProbeOver
    | SwitchUp
    | SwitchDown
    | Reread
    | PortStatus
    | PacketIn
    | FlowRemoved
    | SwitchError
    | Acknowledged
    | HostUp
    | HostChanged
    | HostDown
    | InterfacesChanged
    | OvsdbDone
)
