"""What the machine wants done: everything that leaves `Machine.step`, carried out by the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controller.core.net import Change

if TYPE_CHECKING:
    from controller.core.flow import Flow, Meter
    from controller.core.model import ServerEvent

# ---------------------------------------------------------------------------------------------------------------------
# To switches


@dataclass(frozen=True, slots=True)
class FlowMods:
    """One atomic, ordered bundle: meters first, then `add` (an add replaces what is in its slot), then `remove`.

    `remove` names flows of ours as (table, cookie): a delete by cookie can't touch what is not ours.
    `foreign` are flows that are not ours in a table space that is, as (table, priority, cookie, match's OXM in hex):
    with its cookie, a removal can't hit a flow of ours that has replaced it in its slot.
    The switch's acknowledgement comes back as events.Acknowledged with `serial`, which grows per switch.
    """

    dpid: int
    serial: int
    add: tuple[Flow, ...] = ()
    remove: tuple[tuple[int, int], ...] = ()
    foreign: tuple[tuple[int, int, int, str], ...] = ()
    meters: tuple[Meter, ...] = ()
    stale_meters: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class PacketOut:
    """Send a packet: `actions` as in a flow."""

    dpid: int
    data: bytes
    actions: tuple[Any, ...]
    in_port: int = 0


@dataclass(frozen=True, slots=True)
class FlushConnections:
    """End connections of a zone: all, or those that began as is said here ("" and 0: whatever it was).

    Addresses as text.  A zone is flushed by Open vSwitch 2.6 or newer, a part of it by 3.1 or newer; the others answer
    with an error (events.SwitchError of serial 0).  Sent behind the FlowMods before it, and not acknowledged.
    """

    dpid: int
    zone: int
    ip_proto: int = 0
    src: str = ""
    dst: str = ""
    src_port: int = 0
    dst_port: int = 0

    @property
    def whole(self) -> bool:
        """Whether all of the zone is meant."""
        return not (self.ip_proto or self.src or self.dst or self.src_port or self.dst_port)


@dataclass(frozen=True, slots=True)
class Read:
    """Read a switch's flows again (answered by events.Reread)."""

    dpid: int


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close a switch's connection."""

    dpid: int
    reason: str


# ---------------------------------------------------------------------------------------------------------------------
# To hosts


@dataclass(frozen=True, slots=True)
class EnsureBridge:
    """Make a bridge if it is missing and set what differs; an existing bridge keeps its datapath_type."""

    name: str
    datapath_type: str = ""
    fail_mode: str | None = None
    protocols: tuple[str, ...] = ()
    disable_in_band: bool = True
    controller: str = ""
    controller_type: str = ""


@dataclass(frozen=True, slots=True)
class EnsurePatch:
    """Make both ends of a patch pair where they are missing or wrong."""

    bridge: str
    port: str
    peer_bridge: str
    peer_port: str


@dataclass(frozen=True, slots=True)
class EnsureTunnel:
    """Make a tunnel port whose remote address and key are set by flows."""

    bridge: str
    port: str
    type: str
    local_ip: str


@dataclass(frozen=True, slots=True)
class RemovePort:
    """Remove a port that we made."""

    bridge: str
    port: str


@dataclass(frozen=True, slots=True)
class SetTag:
    """Show a VLAN in a port's `tag` column (forwarding does not depend on it)."""

    bridge: str
    port: str
    tag: int | None


OvsdbOperation = EnsureBridge | EnsurePatch | EnsureTunnel | RemovePort | SetTag


@dataclass(frozen=True, slots=True)
class OvsdbOps:
    """One OVSDB transaction on a host."""

    host: str
    operations: tuple[OvsdbOperation, ...]


# ---------------------------------------------------------------------------------------------------------------------
# To the store


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask the store to run a wiring plan (a function of `core.plans.wiring`) with an argument, `after` some seconds."""

    plan: str
    argument: Any
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Observe:
    """What a packet handler saw: a change of an observed row (carried out by the machine itself)."""

    change: Change


# ---------------------------------------------------------------------------------------------------------------------
# To Nova


@dataclass(frozen=True, slots=True)
class TellServers:
    """Tell Nova what became of its servers' ports, in this order."""

    events: tuple[ServerEvent, ...]


SwitchEffect = FlowMods | PacketOut | FlushConnections | Read | Disconnect
"""What is done to one switch: all have its dpid."""
Effect = SwitchEffect | OvsdbOps | Propose | TellServers
