"""Hosts: what OVSDB and OpenFlow connections say about hypervisors, as rows; and what we want of each host's OVSDB.

A host with OVSDB describes itself.  Where only `set-controller` was done, bridges that connect from one address are
one host, unless a `[host:NAME]` section names their dpids.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from controller.core.effects import (
    EnsureBridge,
    EnsurePatch,
    EnsureTunnel,
    OvsdbOperation,
    OvsdbOps,
    Propose,
    RemovePort,
    SetTag,
)
from controller.core.engine import Delta
from controller.core.events import HostChanged, HostUp, InterfaceRow, InterfacesChanged, PortDesc, SwitchUp
from controller.core.flow import LOCAL
from controller.core.model import Host
from controller.core.net import Change, Net
from controller.core.observed import Interface, NoMeters, OfPort, Presence, Session
from controller.core.settings import HostSettings, Settings
from controller.core.trunks import bridge_of, joined

GRACE = 2.0
"""Seconds that a bridge's host has to dial in over OVSDB before the bridge counts as one without."""

TICKS_HELD = 5
"""Ticks that tags are held back at most, on a host where new ones come in every second."""

_ORDER = (EnsureBridge, EnsurePatch, EnsureTunnel, RemovePort, SetTag)


class Hosts:
    """Follows hosts.  Methods return changes of observed rows and proposals for stored ones."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._waiting: dict[int, float] = {}
        self._told: dict[str, HostUp | HostChanged] = {}

    # -- over OVSDB ---------------------------------------------------------------------------------------------------

    def described(self, net: Net, event: HostUp | HostChanged) -> Iterable[Change | Propose]:
        """A host told, anew, what it is."""
        self._told[event.name] = event
        known = net.get(Host, event.name)
        integration, mappings = self.integration_bridge(event), self.mappings(event)
        # A bridge that is mapped no more stays in our care: its traffic goes on by our NORMAL flow.
        before = {name for name, _ in (known.bridges if known else ())}
        mapped = {bridge_of(at) for _, at in mappings}
        theirs = {bridge for bridge in mapped if joined(net, event.name, integration, bridge)}
        managed = {integration, *(mapped - theirs), *before}
        host = Host(
            name=event.name,
            local_ip=event.local_ip,
            bridge_mappings=mappings,
            datapath_type=event.datapath_type,
            integration_bridge=integration,
            bridges=tuple(sorted((b.name, b.dpid) for b in event.bridges if b.name in managed and b.dpid)),
            managed=True,
            zone=event.zone,
        )
        if host != known:
            yield Propose("describe_host", host)
        presence = net.get(Presence, event.name)
        if presence is not None:
            yield Change(presence, replace(presence, **_underlay(event)))

    def integration_bridge(self, event: HostUp | HostChanged) -> str:
        return event.integration_bridge or self.settings.integration_bridge

    def mappings(self, event: HostUp | HostChanged) -> tuple[tuple[str, str], ...]:
        """A host's own, else those of the configuration; none when what it says can't be read."""
        return event.bridge_mappings or (() if event.problem else self.settings.bridge_mappings)

    def problem(self, event: HostUp | HostChanged) -> str:
        """What is wrong with a host's description of itself ("": nothing)."""
        # The integration bridge is made when it is missing.
        there = {*(bridge.name for bridge in event.bridges), self.integration_bridge(event)}
        missing = [f"{physnet}:{mapped}" for physnet, mapped in event.bridge_mappings if bridge_of(mapped) not in there]
        if event.problem or not missing:
            return event.problem
        return f"bridge_mappings names bridges that are not there: {', '.join(missing)}"

    def down(self, net: Net, name: str) -> Iterable[Change]:
        """A host's OVSDB can't be heard any more."""
        presence = net.get(Presence, name)
        if presence is not None:
            yield Change(presence, replace(presence, connected=False))

    def up(self, net: Net, event: HostUp) -> Iterable[Change | Propose]:
        """A host's first complete description since it dialled in."""
        named = {interface.name for interface in event.interfaces}
        gone = [known.name for known in net.find(Interface, "host", event.name) if known.name not in named]
        yield from self._interfaces(net, InterfacesChanged(event.name, event.interfaces, tuple(gone)))
        yield from self.described(net, event)
        yield net.change(Presence(event.name, _address(event.connection), **_underlay(event)))

    def interfaces(self, net: Net, event: InterfacesChanged) -> Iterable[Change | Propose]:
        """Interfaces came, changed or went.  Which bridges are ours depends on the patches of the operator."""
        touched = False
        for change in self._interfaces(net, event):
            touched = touched or any(row is not None and row.type == "patch" for row in change)
            yield change
        told = self._told.get(event.name)
        if touched and told is not None:
            yield from self.described(net, told)

    def _interfaces(self, net: Net, event: InterfacesChanged) -> Iterable[Change]:
        for interface in event.changed:
            yield net.change(_interface(event.name, interface))
        for name in event.removed:
            change = net.removal(Interface, (event.name, name))
            if change is not None:
                yield change

    # -- over OpenFlow alone ------------------------------------------------------------------------------------------

    def connected(self, net: Net, event: SwitchUp) -> Iterable[Change | Propose]:
        """A bridge connected: what it can, its ports, and its host if that can be told at once."""
        yield net.change(Session(event.dpid, event.address, True))
        without = net.get(NoMeters, event.dpid)
        if event.has_meters == (without is not None):
            yield Change(without, None) if without is not None else Change(None, NoMeters(event.dpid))
        numbers = {port.number for port in event.ports}
        for known in net.find(OfPort, "dpid", event.dpid):
            if known.number not in numbers:
                yield Change(known, None)
        for port in event.ports:
            yield net.change(_ofport(event.dpid, port))
        if self._section(event.dpid) is not None:
            yield from self.unmanaged(net, event.dpid)
        else:
            self._waiting.setdefault(event.dpid, 0.0)

    def tick(self, net: Net, now: float) -> Iterable[Propose]:
        """Bridges whose host did not dial in over OVSDB in time are taken as they are."""
        for dpid, since in list(self._waiting.items()):
            session = net.get(Session, dpid)
            if session is None or not session.connected or _is_managed(net, dpid):
                del self._waiting[dpid]
            elif not since:
                self._waiting[dpid] = now
            elif now - since >= GRACE:
                del self._waiting[dpid]
                yield from self.unmanaged(net, dpid)

    def unmanaged(self, net: Net, dpid: int) -> Iterable[Propose]:
        """Describe the host of a bridge that has no OVSDB with us: its bridges are those of its address.

        A bridge that a host with OVSDB does not describe as one of ours is not ours, though it connects to us.
        """
        session, section = net.get(Session, dpid), self._section(dpid)
        if session is None or _is_managed(net, dpid):
            return
        if section is None and any(p.connected and p.address == session.address for p in net.all(Presence)):
            return
        if section is not None:
            dpids = [known for known in section.dpids if net.get(Session, known) is not None]
        else:
            here = [other.dpid for other in net.find(Session, "address", session.address)]
            dpids = [known for known in here if self._section(known) is None and not _is_managed(net, known)]
        name = section.name if section else session.address
        bridges = tuple(sorted((_bridge_name(net, known), known) for known in dpids))
        host = Host(
            name=name,
            local_ip=(section.local_ip if section else "") or session.address,
            bridge_mappings=(section.bridge_mappings if section else ()) or self.settings.bridge_mappings,
            integration_bridge=self.settings.integration_bridge,
            bridges=bridges,
            managed=False,
        )
        known_host = net.get(Host, name)
        if known_host is not None and not known_host.managed:
            host = replace(host, bridges=tuple(sorted({*known_host.bridges, *bridges})))
        if host != known_host:
            yield Propose("describe_host", host)

    def _section(self, dpid: int) -> HostSettings | None:
        return next((host for host in self.settings.hosts if dpid in host.dpids), None)


def _underlay(event: HostUp | HostChanged) -> dict[str, Any]:
    """What a host says of where its tunnel address is, as fields of Presence."""
    return {"local_ip_mtu": event.local_ip_mtu, "local_ip_interface": event.local_ip_interface}


def _address(connection: str) -> str:
    """The IP address of "tcp:10.0.0.1:43210" or "tcp:[fd00::1]:43210"."""
    bare = connection.split(":", 1)[1] if connection.split(":", 1)[0] in ("tcp", "ssl") else connection
    return bare.rpartition(":")[0].strip("[]") or bare


def _is_managed(net: Net, dpid: int) -> bool:
    """Whether a bridge is described by a host with OVSDB."""
    return any(host.managed for host in net.find(Host, "bridge", dpid))


def _bridge_name(net: Net, dpid: int) -> str:
    local = net.get(OfPort, (dpid, LOCAL))
    return local.name if local else f"{dpid:016x}"


def _ofport(dpid: int, port: PortDesc) -> OfPort:
    return OfPort(dpid, port.number, port.name, port.mac)


def _interface(host: str, row: InterfaceRow) -> Interface:
    return Interface(
        host, row.name, row.bridge, row.type, row.iface_id, row.mac, row.error, row.tag, row.mtu, row.peer, row.bond
    )


class OvsdbWants:
    """What we want of hosts' OVSDBs: operations that units rendered, counted, for a host may hear one from several.

    Tags are for people: they are held back and sent together (HeldTags).
    """

    def __init__(self) -> None:
        self._wanted: dict[str, dict[OvsdbOperation, int]] = {}
        self._dirty: dict[str, dict[OvsdbOperation, None]] = {}
        self._tags: dict[str, HeldTags] = {}
        self._bridges: dict[str, set[str]] = {}
        self._hearing: set[str] = set()

    def described(self, host: str, bridges: Iterable[str]) -> None:
        """Which bridges a host has or shall get.  A provider bridge that is missing is for its operator to make."""
        self._bridges[host] = set(bridges)

    def change(self, delta: Delta) -> None:
        wanted = self._wanted.setdefault(delta.target, {})
        dirty = self._dirty.setdefault(delta.target, {}) if delta.target in self._hearing else {}
        for operation in delta.new:
            wanted[operation] = wanted.get(operation, 0) + 1
            if wanted[operation] == 1:
                dirty[operation] = None
        for operation in delta.old:
            wanted[operation] -= 1
            if not wanted[operation]:
                del wanted[operation]
                dirty.pop(operation, None)
                if isinstance(operation, SetTag) and delta.target in self._tags:
                    self._tags[delta.target].drop(operation)
                if isinstance(operation, EnsureTunnel) and not self._has_tunnel(wanted, operation):
                    dirty[RemovePort(operation.bridge, operation.port)] = None

    @staticmethod
    def _has_tunnel(wanted: dict[Any, int], gone: EnsureTunnel) -> bool:
        """A tunnel port that is wanted with another local address is changed in place, not removed."""
        return any(isinstance(o, EnsureTunnel) and (o.bridge, o.port) == (gone.bridge, gone.port) for o in wanted)

    def everything(self, host: str) -> None:
        """The host dialled in: tell it all we want (the edge sets only what differs)."""
        self._hearing.add(host)
        self._dirty[host] = dict.fromkeys(self._wanted.get(host, ()))

    def away(self, host: str) -> None:
        """The host can't hear us: it is told everything when it is back."""
        self._hearing.discard(host)
        self._dirty.pop(host, None)
        self._tags.pop(host, None)

    def flush(self) -> Iterable[OvsdbOps]:
        """The operations that are due now, for hosts that can hear us."""
        for host, operations in list(self._dirty.items()):
            del self._dirty[host]
            there = self._bridges.get(host, set())
            now = [o for o in operations if not isinstance(o, SetTag) and _bridges_of(o) <= there]
            tags = [o for o in operations if isinstance(o, SetTag)]
            if tags:
                self._tags.setdefault(host, HeldTags()).hold(tags)
            if now:
                yield OvsdbOps(host, tuple(sorted(now, key=lambda o: _ORDER.index(type(o)))))

    def flush_tags(self, net: Net) -> Iterable[OvsdbOps]:
        """The tags that are due at this tick and differ from what their hosts show."""
        for host, tags in list(self._tags.items()):
            due = tags.take(net, host)
            if not tags.held:
                del self._tags[host]
            if due:
                yield OvsdbOps(host, tuple(due))


class HeldTags:
    """The tags of one host that are yet to be sent.

    Every OVSDB transaction costs ovs-vswitchd a reconfiguration of the whole bridge, and meanwhile it takes no flows.
    So tags wait until a whole tick has passed in which no more came: a burst of new ports is over then.
    """

    def __init__(self) -> None:
        self.held: dict[tuple[str, str], SetTag] = {}
        self._ticks = 0
        self._grew = False

    def hold(self, tags: Iterable[SetTag]) -> None:
        self.held.update(((tag.bridge, tag.port), tag) for tag in tags)
        self._grew = True

    def drop(self, tag: SetTag) -> None:
        """It is wanted no more."""
        if self.held.get((tag.bridge, tag.port)) == tag:
            del self.held[tag.bridge, tag.port]

    def take(self, net: Net, host: str) -> list[SetTag]:
        """What is due at this tick, and is held no more from now on."""
        self._ticks += 1
        if self._grew and self._ticks < TICKS_HELD:
            self._grew = False
            return []
        self._ticks, due = 0, []
        for key, tag in list(self.held.items()):
            interface = net.get(Interface, (host, tag.port))
            if interface is None:  # a port may be told over OpenFlow before OVSDB tells of it
                continue
            del self.held[key]
            if interface.tag != tag.tag:
                due.append(tag)
        return due


def _bridges_of(operation: OvsdbOperation) -> set[str]:
    match operation:
        case EnsureBridge(name):
            return {name}
        case EnsurePatch(bridge, _, peer_bridge):
            return {bridge, peer_bridge}
        case _:
            return {operation.bridge}
