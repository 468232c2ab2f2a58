"""Bindings: where ports are, and when they are ACTIVE, as proposals to the store.

A port that is found is bound; it is ACTIVE when every switch that got flows with it has acknowledged them; it is DOWN
when its VIF goes.  A host or a switch that merely can't be reached changes nothing: its flows stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from controller.core.effects import Propose
from controller.core.faults import Faults
from controller.core.ledger import UNKNOWN, Ledger
from controller.core.model import (
    INT,
    TUNNEL_TYPES,
    Binding,
    Fault,
    Host,
    LocalPort,
    Port,
    Switch,
    TunnelPort,
    Uplink,
)
from controller.core.net import Change, Net
from controller.core.segments import segments_of
from controller.core.trunks import bridge_of

NO_WAY = -1
"""In the place of a dpid: the way out of the host is still being made."""


class Bindings:
    """Compares observed places of ports with stored ones, and waits for acknowledgements."""

    def __init__(self, faults: Faults) -> None:
        self.faults = faults
        self._waiting: dict[str, dict[int, int]] = {}
        self._by_switch: dict[int, dict[str, None]] = {}
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
        bind: dict[str, str] = {}
        unbind: dict[str, str] = {}
        for port_id in self._concerned(net, changes):
            local, binding = net.get(LocalPort, port_id), net.get(Binding, port_id)
            self._waiting.pop(port_id, None)
            if local is not None:
                if binding is None or binding.host != local.host:
                    bind[port_id] = local.host
                elif self._due(net, binding):
                    self._wait(net, port_id, local, busy, ledgers)
            elif binding is not None and net.has(Switch, "host+role", (binding.host, INT)):
                unbind[port_id] = binding.host
        proposals = [Propose(plan, tuple(rows.items())) for plan, rows in (("bind", bind), ("unbind", unbind)) if rows]
        return proposals + self.arrived(net)

    def _concerned(self, net: Net, changes: Iterable[Change]) -> dict[str, None]:
        found: dict[str, None] = {}
        for change in changes:
            row = change.old if change.new is None else change.new
            match row:
                case LocalPort() | Binding():
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
        """Whether acknowledgements would change anything: the port is to become ACTIVE, or to lose an old fault."""
        port, faulty = net.get(Port, binding.port_id), net.get(Fault, ("Port", binding.port_id)) is not None
        return port is not None and port.admin_state_up and (faulty or not binding.active)

    def _wait(self, net: Net, port_id: str, local: LocalPort, busy: list[int], ledgers: Any) -> None:
        """Wait for the port's own switch, its host's provider bridges, and all that are still to acknowledge."""
        own = [switch.dpid for switch in net.find(Switch, "host", local.host)]
        due = {dpid: ledgers[dpid].goal for dpid in (*own, *busy) if dpid in ledgers and not ledgers[dpid].settled}
        for dpid in own:
            if dpid in ledgers and not ledgers[dpid].open:
                due[dpid] = ledgers[dpid].sent + 1
        for dpid in due:
            self._by_switch.setdefault(dpid, {})[port_id] = None
        if _lacks_way(net, local):
            due[NO_WAY] = 0
            self._by_way.setdefault(local.dpid, {})[port_id] = None
        self._waiting[port_id] = due

    def acknowledged(self, dpid: int, serial: int) -> None:
        for port_id in list(self._by_switch.get(dpid, ())):
            due = self._waiting.get(port_id, {})
            if due.get(dpid, 0) <= serial:
                due.pop(dpid, None)
                del self._by_switch[dpid][port_id]

    def refused(self, dpid: int) -> None:
        """A switch refused a bundle: what was in it comes again, in one that has no number yet."""
        self._refusing[dpid] = None
        self._wait_until(dpid, UNKNOWN)

    def _wait_until(self, dpid: int, serial: int) -> None:
        for port_id in self._by_switch.get(dpid, ()):
            due = self._waiting.get(port_id, {})
            if dpid in due:
                due[dpid] = serial

    def lost(self, net: Net, dpid: int) -> None:
        """A switch went away: only ports of its own host go on waiting for it."""
        switch = net.get(Switch, dpid)
        for port_id in list(self._by_switch.get(dpid, ())):
            local = net.get(LocalPort, port_id)
            if local is None or switch is None or local.host != switch.host:
                self._waiting.get(port_id, {}).pop(dpid, None)
                del self._by_switch[dpid][port_id]

    def settled(self, dpid: int) -> None:
        """A switch has all its flows and nothing more to acknowledge."""
        for port_id in self._by_switch.pop(dpid, ()):
            self._waiting.get(port_id, {}).pop(dpid, None)

    def arrived(self, net: Net) -> list[Propose]:
        """The ports that wait for nothing any more are ACTIVE, and rid of a fault that only is stored."""
        ready = [id for id, due in self._waiting.items() if not due and not self.faults.has(("Port", id))]
        for port_id in ready:
            del self._waiting[port_id]
        sound = tuple(port_id for port_id in ready if self._present(net, port_id))
        over = [Propose("clear_fault", ("Port", id)) for id in sound if net.get(Fault, ("Port", id)) is not None]
        return [*over, Propose("activate", sound)] if sound else []

    @staticmethod
    def _present(net: Net, port_id: str) -> bool:
        binding = net.get(Binding, port_id)
        return binding is not None and net.get(LocalPort, port_id) is not None and Bindings._due(net, binding)


def _lacks_way(net: Net, local: LocalPort) -> bool:
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
