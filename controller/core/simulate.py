"""A model of one switch: where would this packet go?  Pure, and equal to Open vSwitch in what our flows can say.

Used by the laws and by tests.  Semantics: OpenFlow 1.4, section 5, with Open vSwitch's resubmit:
what the resubmitted-to flows change of the packet stays changed behind it (ovs-actions(7)).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterable, Mapping
from contextlib import suppress
from typing import NamedTuple

from controller.core import flow as f
from controller.core.effects import FlowMods
from controller.core.events import Installed
from controller.core.packet import INNER_VLAN, Packet
from controller.core.prerequisites import MAX_PORT, refusal
from controller.core.simulate_connections import Connections
from controller.core.simulate_tables import Ambiguous, FlowTable

__all__ = ["Ambiguous", "Loop", "ModelSwitch", "Refused", "Result", "Step"]

MAX_DEPTH = 64
"""Resubmits inside resubmits that Open vSwitch follows."""
MAX_LOOKUPS = 4096
"""Table lookups that Open vSwitch makes for one packet, anew for each copy that comes from the connection tracker."""
MAX_TRACKED = 64
"""Copies of a packet that come from the connection tracker here: a switch follows a loop of them without end."""


class Loop(Exception):
    """The flows send a packet round and round (a switch gives up and drops it)."""


class Refused(Exception):
    """The switch would answer a flow-mod with an error; nothing was changed."""


class _MeterClosed(Exception):
    """A meter dropped the packet: whatever would have happened to it after that does not."""


class Step(NamedTuple):
    """One table lookup: the flow that matched (None: a miss, which drops) and its actions that were carried out."""

    table: int
    flow: f.Flow | None
    actions: f.Actions
    depth: int


class Result(NamedTuple):
    """What became of a packet: copies per output port, copies punted as (table id, packet), and the lookups.

    `tracked` is the ct_state of each copy that came back from the connection tracker.
    """

    outputs: tuple[tuple[int, Packet], ...]
    controller: tuple[tuple[int, Packet], ...]
    path: tuple[Step, ...]
    tracked: tuple[int, ...] = ()

    @property
    def ports(self) -> tuple[int, ...]:
        """The ports that got a copy, in the order of the outputs."""
        return tuple(port for port, _ in self.outputs)


class ModelSwitch:
    """A bridge's flow tables, meters and connections.

    `ports` are its OpenFlow ports by number, with their names; an output to a port that is not among them goes nowhere.
    None: every port is there. `foreign` are flows of somebody else, as (table, priority,
    cookie, OXM hex); they match nothing.
    """

    def __init__(
        self,
        flows: Iterable[f.Flow] = (),
        ports: Mapping[int, str] | None = None,
        foreign: Iterable[tuple[int, int, int, str]] = (),
        meters: Iterable[f.Meter] = (),
    ) -> None:
        self.ports = ports
        self.foreign = set(foreign)
        self.meters = {meter.id: meter.rate for meter in meters}
        self.connections = Connections()
        self._slots: dict[f.Slot, f.Flow] = {}
        self._cookies: dict[tuple[int, int], dict[f.Slot, f.Flow]] = {}
        self._tables: dict[int, FlowTable] = {}
        self.apply(FlowMods(0, 0, add=tuple(flows)))

    @property
    def flows(self) -> tuple[f.Flow, ...]:
        """All flows of ours, by table, highest priority first."""
        return tuple(sorted(self._slots.values(), key=lambda flow: (flow.table, -flow.priority, repr(flow.match))))

    def installed(self, reactive: Container[int] = ()) -> tuple[Installed, ...]:
        """What a read of the flow tables reports; with their fields where the table is among `reactive` and they end
        when they are idle."""
        ours = [
            Installed(flow.table, flow.priority, flow.cookie, "", _fields(flow) if reads else ())
            for flow in self.flows
            for reads in (flow.idle_timeout and flow.table in reactive,)
        ]
        return (*ours, *(Installed(*entry) for entry in sorted(self.foreign)))

    def apply(self, mods: FlowMods) -> None:
        """Carry out a bundle as a switch does: all of it, or (Refused) nothing.

        Meters first, then adds (an add replaces what is in its slot), then removals by table and cookie, then strict
        removals of foreign flows, then stale meters, which take the flows along that use them (OpenFlow 1.4, 6.4).
        """
        meters = self.meters | {meter.id: meter.rate for meter in mods.meters}
        for flow in mods.add:
            self._check(flow, meters)
        self.meters = meters
        for flow in mods.add:
            self._add(flow)
        for table_and_cookie in mods.remove:
            for found in list(self._cookies.get(table_and_cookie, {}).values()):
                self._remove(found)
        self.foreign -= set(mods.foreign)
        for meter in mods.stale_meters:
            self._remove_meter(meter)

    def _check(self, flow: f.Flow, meters: Mapping[int, int]) -> None:
        reason = refusal(flow)
        if reason is None:
            missing = [a.meter for a in flow.actions if isinstance(a, f.Metered) and a.meter not in meters]
            reason = f"meter {missing[0]} is not there" if missing else None
        if reason:
            raise Refused(f"{flow}: {reason}")

    def _add(self, flow: f.Flow) -> None:
        old = self._slots.get(flow.slot)
        if old is not None:
            self._remove(old)
        self._slots[flow.slot] = flow
        self._cookies.setdefault((flow.table, flow.cookie), {})[flow.slot] = flow
        self._tables.setdefault(flow.table, FlowTable()).add(flow)

    def _remove(self, flow: f.Flow) -> None:
        del self._slots[flow.slot]
        same = self._cookies[flow.table, flow.cookie]
        del same[flow.slot]
        if not same:
            del self._cookies[flow.table, flow.cookie]
        self._tables[flow.table].remove(flow)

    def _remove_meter(self, meter: int) -> None:
        if self.meters.pop(meter, None) is None:
            return
        for flow in [flow for flow in self._slots.values() if f.Metered(meter) in flow.actions]:
            self._remove(flow)

    def run(self, packet: Packet, *, meters_open: bool = True) -> Result:
        """Follow a packet (its in_port is a field of it) from table 0.  Raises Ambiguous or Loop.

        Copies that come back from the connection tracker go on when all else is done, each by itself.
        `meters_open=False`: every meter drops what it meets.  NORMAL is reported as an output to port NORMAL.
        """
        walk = _Walk(self, packet.fields(), meters_open)
        walk.all()
        return Result(tuple(walk.outputs), tuple(walk.controller), tuple(walk.path), tuple(walk.tracked))

    def has_port(self, port: int) -> bool:
        """Whether an output to that port goes anywhere."""
        return port in self.ports if self.ports is not None else 0 < port <= MAX_PORT

    def lookup(self, table: int, fields: Mapping[str, int]) -> f.Flow | None:
        """The flow of a table that matches, None for a miss.  Raises Ambiguous."""
        found = self._tables.get(table)
        return found.lookup(fields) if found else None


def _fields(flow: f.Flow) -> tuple[tuple[str, int], ...]:
    return tuple((name, value) for name, value, _ in flow.match)


class _Walk:
    """One packet on its way: its fields as they are now, and what was done so far."""

    __slots__ = ("_begun", "_fields", "_meters_open", "_switch", "_waiting", "controller", "outputs", "path", "tracked")

    def __init__(self, switch: ModelSwitch, fields: dict[str, int], meters_open: bool) -> None:
        self._switch = switch
        self._fields = fields
        self._waiting: deque[tuple[int, dict[str, int]]] = deque([(0, fields)])
        self._begun = 0
        self._meters_open = meters_open
        self.outputs: list[tuple[int, Packet]] = []
        self.controller: list[tuple[int, Packet]] = []
        self.path: list[Step] = []
        self.tracked: list[int] = []

    def all(self) -> None:
        """Follow the packet, then each copy that the connection tracker has sent on to a table."""
        for _ in range(MAX_TRACKED):
            if not self._waiting:
                return
            start, self._fields = self._waiting.popleft()
            self._begun = len(self.path)
            with suppress(_MeterClosed):
                self.table(start, 0)
        raise Loop(f"the connection tracker sent the packet on more than {MAX_TRACKED} times")

    def table(self, start: int, depth: int) -> None:
        """Look up in a table, carry the flow's actions out, go on where it says."""
        table: int | None = start
        while table is not None:
            if depth > MAX_DEPTH or len(self.path) - self._begun >= MAX_LOOKUPS:
                raise Loop(f"table {table} is reached at depth {depth}, after {len(self.path) - self._begun} lookups")
            flow = self._switch.lookup(table, self._fields)
            self.path.append(Step(table, flow, flow.actions if flow else (), depth))
            table = self._carry_out(flow, depth) if flow else None

    def _carry_out(self, flow: f.Flow, depth: int) -> int | None:
        """Carry out a flow's actions; the result is the table that it goes on to."""
        mine = len(self.path) - 1
        for n, action in enumerate(flow.actions):
            match action:
                case f.Goto(table):
                    return table
                case f.Resubmit(table):
                    self.table(table, depth + 1)
                case f.Controller() | f.Output(f.CONTROLLER):
                    self.controller.append((flow.table, Packet.of(dict(self._fields))))
                case f.Metered() if not self._meters_open:
                    self.path[mine] = self.path[mine]._replace(actions=flow.actions[: n + 1])
                    raise _MeterClosed
                case f.Output(port):
                    self._output(port)
                case f.OutputReg(name, offset, bits):
                    self._output_register(self._fields.get(name, 0) >> offset & (1 << bits) - 1)
                case f.Ct():
                    self._track(action)
                case _:
                    rewrite(self._fields, action)
        return None

    def _track(self, ct: f.Ct) -> None:
        """Send a copy through the connection tracker; the packet itself goes on untracked."""
        copy = dict(self._fields)
        zone = ct.zone if isinstance(ct.zone, int) else copy.get(ct.zone.field, 0) >> ct.zone.offset & 0xFFFF
        connections = self._switch.connections
        told = connections.track(copy, zone)
        made = connections.commit(copy, zone, told["ct_state"], ct.force) if ct.commit else None
        if made is not None:
            values = {**copy, "ct_mark": made.mark, "ct_label": made.label}
            for write in ct.sets:
                rewrite(values, write)
            made.mark, made.label = values.get("ct_mark", 0), values.get("ct_label", 0)
            told |= {"ct_mark": made.mark, "ct_label": made.label}
        if ct.table is not None:
            for name, value in told.items():
                _set(copy, name, value)
            self._waiting.append((ct.table, copy))
            self.tracked.append(told["ct_state"])
        rewrite(self._fields, f.CtClear())

    def _output_register(self, number: int) -> None:
        """Port numbers in registers are Open vSwitch's own, of 16 bits; the reserved ones are the highest."""
        if number <= 0xFFFF:
            self._output(number | 0xFFFF0000 if number > MAX_PORT else number)

    def _output(self, port: int) -> None:
        in_port = self._fields.get("in_port", 0)
        if port == f.IN_PORT:
            port = in_port
        elif port == in_port:
            return
        if port in (f.NORMAL, f.LOCAL) or self._switch.has_port(port):
            self.outputs.append((port, Packet.of(dict(self._fields))))


def rewrite(fields: dict[str, int], action: f.Action) -> None:
    """Change a packet's fields as an action does; an action that changes none is let be."""
    match action:
        case f.SetField(name, value):
            _set(fields, name, value)
        case f.Load(name, offset, bits, value):
            _set(fields, name, fields.get(name, 0) & ~((1 << bits) - 1 << offset) | value << offset)
        case f.Move(source, target):
            _set(fields, target, fields.get(source, 0))
        case f.PushVlan():
            _set(fields, INNER_VLAN, fields.get("vlan_vid", 0))
            _set(fields, "vlan_vid", f.VLAN_PRESENT)
        case f.CtClear():
            for name in ("ct_state", "ct_zone", "ct_mark", "ct_label"):
                fields.pop(name, None)
        case f.PopVlan():
            _set(fields, "vlan_vid", fields.get(INNER_VLAN, 0))
            _set(fields, INNER_VLAN, 0)
        case _:
            pass


def _set(fields: dict[str, int], name: str, value: int) -> None:
    if value:
        fields[name] = value
    else:
        fields.pop(name, None)
