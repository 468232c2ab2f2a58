"""Bindings: where ports are, and when they are ACTIVE, as proposals to the store.

A port that is found is bound; it is ACTIVE when every switch that got flows with it has acknowledged them; it is DOWN
when its VIF goes.  A host or a switch that merely can't be reached changes nothing: its flows stand.

A VIF that is found where the port's guest will come to is arriving, and wired when all have acknowledged that; when
the guest was heard there, the port is bound there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from controller.core.derived import ArrivingPort, LocalPort, Switch, TunnelPort, Uplink
from controller.core.effects import Propose
from controller.core.faults import Faults
from controller.core.ledger import UNKNOWN, Ledger
from controller.core.model import INT, TUNNEL_TYPES, Binding, Fault, Host, Port, PortBinding
from controller.core.net import Change, Net
from controller.core.observed import Heard
from controller.core.placement.ports import destinations
from controller.core.segments import segments_of
from controller.core.trunks import bridge_of

NO_WAY = -1
"""In the place of a dpid: the way out of the host is still being made."""


class Vif(NamedTuple):
    """One of the VIFs of a port: the one where its guest is, or the one of class ArrivingPort."""

    port_id: str
    row_type: type[LocalPort] | type[ArrivingPort] = LocalPort


class Bindings:
    """Compares observed places of ports with stored ones, and waits for acknowledgements."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._waiting: dict[Vif, dict[int, int]] = {}
        self._by_switch: dict[int, dict[Vif, None]] = {}
        self._by_way: dict[int, dict[str, None]] = {}
        self._refusing: dict[int, None] = {}

    def follow(
        self, net: Net, changes: Iterable[Change], ledgers: Mapping[int, Ledger], busy: list[int]
    ) -> list[Propose]:
        """What the changes of one step mean for bindings.  Call it after the step's flows were sent; `busy` are the
        switches that have yet to answer."""
        while self._refusing:
            dpid, _ = self._refusing.popitem()
            self._wait_until(dpid, ledgers[dpid].goal)
        proposed: dict[str, dict[str, str]] = {}
        for port_id in self._concerned(net, changes):
            for row_type in (LocalPort, ArrivingPort):
                self._waiting.pop(Vif(port_id, row_type), None)
            local, binding = net.get(LocalPort, port_id), net.get(Binding, port_id)
            if local is not None and (binding is None or binding.host != local.host):
                proposed.setdefault("bind", {})[port_id] = local.host
                continue
            if binding is None:
                continue
            if local is not None:
                if self._due(net, binding):
                    self._wait(net, Vif(port_id), local, busy, ledgers)
            elif net.has(Switch, "host+role", (binding.host, INT)):
                proposed.setdefault("unbind", {})[port_id] = binding.host
                continue
            for plan, host in self._migration(net, binding, busy, ledgers):
                proposed.setdefault(plan, {})[port_id] = host
        return [Propose(plan, tuple(rows.items())) for plan, rows in proposed.items()] + self.arrived(net)

    def _migration(
        self, net: Net, binding: Binding, busy: list[int], ledgers: Mapping[int, Ledger]
    ) -> Iterator[tuple[str, str]]:
        """What a bound port's VIF on another host means: a plan, and the host that it is to be told."""
        port_id, coming = binding.port_id, net.get(ArrivingPort, binding.port_id)
        heard = net.get(Heard, port_id)
        if coming is None:
            if binding.arriving and self._is_off(net, binding):
                yield "arrive", ""
        elif binding.arriving != coming.host:
            yield "arrive", coming.host
        elif heard is not None and heard.host == coming.host:
            yield "cut_over", coming.host
        elif not binding.wired:
            self._wait(net, Vif(port_id, ArrivingPort), coming, busy, ledgers)

    @staticmethod
    def _is_off(net: Net, binding: Binding) -> bool:
        """Whether a guest will not come any more: its VIF is gone from a bridge that is there, or nobody waits."""
        here = net.has(Switch, "host+role", (binding.arriving, INT))
        return here or binding.arriving not in destinations(net, binding.port_id)

    def _concerned(self, net: Net, changes: Iterable[Change]) -> dict[str, None]:
        found: dict[str, None] = {}
        for change in changes:
            row = change.old if change.new is None else change.new
            match row:
                case LocalPort() | ArrivingPort() | Binding() | PortBinding() | Heard():
                    found[row.port_id] = None
                case Port():
                    found[row.id] = None
                case Fault(kind="Port"):
                    found[row.id] = None
                case TunnelPort() | Uplink():
                    found.update(self._by_way.pop(row.dpid, {}))
                case Switch() if change.new is not None and row.role == INT:
                    found.update((b.port_id, None) for b in net.find(Binding, "host", row.host))
                case _:
                    pass
        return found

    @staticmethod
    def _due(net: Net, binding: Binding) -> bool:
        """Whether acknowledgements would change anything: the port is to become ACTIVE, or to lose an old fault (which
        stays where its guest is to come to a host that has no room for it)."""
        port, coming = net.get(Port, binding.port_id), net.get(ArrivingPort, binding.port_id)
        full = coming is not None and coming.host != binding.arriving
        faulty = net.get(Fault, ("Port", binding.port_id)) is not None and not full
        return port is not None and port.admin_state_up and (faulty or not binding.active)

    def _wait(self, net: Net, vif: Vif, local: LocalPort | ArrivingPort, busy: list[int], ledgers: Any) -> None:
        """Wait for the VIF's own switch, its host's provider bridges, and all that are still to acknowledge."""
        own = [switch.dpid for switch in net.find(Switch, "host", local.host)]
        due = {dpid: ledgers[dpid].goal for dpid in (*own, *busy) if dpid in ledgers and not ledgers[dpid].settled}
        for dpid in own:
            if dpid in ledgers and not ledgers[dpid].open:
                due[dpid] = ledgers[dpid].sent + 1
        for dpid in due:
            self._by_switch.setdefault(dpid, {})[vif] = None
        if _lacks_way(net, local):
            due[NO_WAY] = 0
            self._by_way.setdefault(local.dpid, {})[vif.port_id] = None
        self._waiting[vif] = due

    def acknowledged(self, dpid: int, serial: int) -> None:
        for vif in list(self._by_switch.get(dpid, ())):
            due = self._waiting.get(vif, {})
            if due.get(dpid, 0) <= serial:
                due.pop(dpid, None)
                del self._by_switch[dpid][vif]

    def refused(self, dpid: int) -> None:
        """A switch refused a bundle: what was in it comes again, in one that has no number yet."""
        self._refusing[dpid] = None
        self._wait_until(dpid, UNKNOWN)

    def _wait_until(self, dpid: int, serial: int) -> None:
        for vif in self._by_switch.get(dpid, ()):
            due = self._waiting.get(vif, {})
            if dpid in due:
                due[dpid] = serial

    def lost(self, net: Net, dpid: int) -> None:
        """A switch went away: only VIFs of its own host go on waiting for it."""
        switch = net.get(Switch, dpid)
        for vif in list(self._by_switch.get(dpid, ())):
            local = net.get(vif.row_type, vif.port_id)
            if local is None or switch is None or local.host != switch.host:
                self._waiting.get(vif, {}).pop(dpid, None)
                del self._by_switch[dpid][vif]

    def settled(self, dpid: int) -> None:
        """A switch has all its flows and nothing more to acknowledge."""
        for vif in self._by_switch.pop(dpid, ()):
            self._waiting.get(vif, {}).pop(dpid, None)

    def arrived(self, net: Net) -> list[Propose]:
        """The ports that wait for nothing any more are ACTIVE, or wired, and rid of a fault that only is stored."""
        ready = [vif for vif, due in self._waiting.items() if not due and not self.faults.has(("Port", vif.port_id))]
        for vif in ready:
            del self._waiting[vif]
        sound = tuple(port_id for port_id, kind in ready if kind is LocalPort and self._present(net, port_id))
        over = [Propose("clear_fault", ("Port", id)) for id in sound if net.get(Fault, ("Port", id)) is not None]
        coming = (net.get(ArrivingPort, port_id) for port_id, kind in ready if kind is ArrivingPort)
        wired = tuple((vif.port_id, vif.host) for vif in coming if vif is not None)
        active = [*over, Propose("activate", sound)] if sound else []
        return [*active, Propose("wire", wired)] if wired else active

    @staticmethod
    def _present(net: Net, port_id: str) -> bool:
        binding = net.get(Binding, port_id)
        return binding is not None and net.get(LocalPort, port_id) is not None and Bindings._due(net, binding)


def _lacks_way(net: Net, local: LocalPort | ArrivingPort) -> bool:
    """Whether the port of the way to other hosts that we make, tunnel or patch, is not there yet."""
    host = net.get(Host, local.host)
    if host is None or not host.managed:
        return False
    there = {name for name, _ in host.bridges}
    for segment in segments_of(net, local.network_id):
        if segment.network_type in TUNNEL_TYPES:
            return bool(host.local_ip) and net.get(TunnelPort, (local.dpid, segment.network_type)) is None
        if bridge_of(dict(host.bridge_mappings).get(segment.physical_network or "", "")) in there:
            return net.get(Uplink, (local.dpid, segment.physical_network)) is None
    return False
