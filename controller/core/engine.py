"""The engine: applies app functions to rows, records what each one read, and renders again only what a change touches.

A *unit* is one function applied to one row (or, for a shared function, to one value that several rows have).  Its
items are flows for switches or OVSDB operations for a host; its *targets* are those switches or that host.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

from controller.core.app import FLOWS, Renderer
from controller.core.flow import Meter, Metered
from controller.core.net import Change, Net
from controller.core.observed import NoMeters
from controller.core.row import Index, changes_flows
from controller.core.settings import Settings

UnitId = tuple[Renderer, Any]


class View:
    """The Net as a renderer sees it: every look-up is recorded, so that a change of what was seen renders again.

    `reads` is what the function that is being applied has looked up so far.
    """

    __slots__ = ("_get", "_net", "reads", "settings")

    def __init__(self, net: Net, settings: Settings) -> None:
        self._net = net
        self._get = net.get
        self.settings = settings
        self.reads: set[tuple[Any, ...]] = set()

    def get(self, row_type: type, key: Any) -> Any:
        self.reads.add((row_type, key))
        return self._get(row_type, key)

    def find(self, row_type: type, index: str, value: Any) -> list[Any]:
        self.reads.add((row_type, index, value))
        return self._net.find(row_type, index, value)

    def has(self, row_type: type, index: str, value: Any) -> bool:
        self.reads.add((row_type, index, value))
        return self._net.has(row_type, index, value)


NOWHERE: frozenset[Any] = frozenset()
_alone = lru_cache(maxsize=1 << 12)(lambda target: frozenset((target,)))
"""The set of one target: the same for all units that have just that one."""


class Unit:
    """What a function gave for a row: `items` for every target; `reads` is what it depended on.

    `moved` holds the targets that came or went since the last refresh, with whether they had the items before.  There
    are several units for every port of a cloud, so what most of them have in common they share.  The row that a unit
    is applied to is not among its `reads`: a change of it is a change of the unit.
    """

    __slots__ = ("fault", "id", "items", "moved", "reads", "rendered", "targets")

    def __init__(self, id: UnitId) -> None:
        self.id = id
        self.items: tuple[Any, ...] = ()
        self.reads: tuple[tuple[Any, ...], ...] = ()
        self.targets: AbstractSet[Any] = NOWHERE
        self.moved: dict[Any, bool] | None = None
        self.rendered = False
        self.fault = ""

    @property
    def renderer(self) -> Renderer:
        return self.id[0]


class Delta(NamedTuple):
    """A unit's items on one target (a dpid or a host's name), before and after."""

    unit: Unit
    target: Any
    old: tuple[Any, ...]
    new: tuple[Any, ...]


class Engine:
    """Units, and who reads what.  `renders` counts calls of app functions, for the cost laws."""

    def __init__(self, renderers: Iterable[Renderer], settings: Settings) -> None:
        self.settings = settings
        self.units: dict[UnitId, Unit] = {}
        self.renders = 0
        self._scopes: dict[type, list[Renderer]] = {}
        self._readers: dict[tuple[Any, ...], dict[Unit, None]] = {}
        self._watched: dict[type, list[Index]] = {}
        for renderer in renderers:
            self._scopes.setdefault(renderer.scope, []).append(renderer)

    def update(self, net: Net, changes: Iterable[Change]) -> tuple[list[Delta], list[Unit]]:
        """Take in changes that `net` already has.

        Returns what became different, unit by unit and target by target, and the units whose fault came or went.
        """
        dirty: dict[Unit, bool] = {}
        for change in changes:
            old, new = change
            row_type, key = change.row_type, change.key
            for renderer in self._scopes.get(row_type, ()):
                if old is not None:
                    self._place(renderer, key, old, False, dirty)
                if new is not None:
                    self._place(renderer, key, new, True, dirty)
            if changes_flows(old, new):
                self._touch(row_type, key, change, dirty)
        # One function for all its rows, then the next one: what a function needs is then in the processor's caches.
        groups: dict[Renderer, list[Unit]] = {}
        for unit in dirty:
            groups.setdefault(unit.renderer, []).append(unit)
        deltas: list[Delta] = []
        faulty: list[Unit] = []
        view = View(net, self.settings)
        for unit in chain.from_iterable(groups.values()):
            fault = unit.fault
            self._refresh(net, view, unit, dirty[unit], deltas)
            if unit.fault != fault:
                faulty.append(unit)
        return deltas, faulty

    def _place(self, renderer: Renderer, key: Any, row: Any, present: bool, dirty: dict[Unit, bool]) -> None:
        """Take a renderer's unit to the target of a row of its scope, or away from there."""
        id = (renderer, getattr(row, renderer.shared) if renderer.shared else key)
        unit = self.units.get(id)
        if unit is None:
            unit = self.units[id] = Unit(id)
        target = row.dpid if renderer.face == FLOWS else _host(row)
        if unit.moved is None:
            unit.moved = {target: target in unit.targets}
        else:
            unit.moved.setdefault(target, target in unit.targets)
        unit.targets = _aimed(unit.targets, target, present)
        dirty[unit] = not renderer.shared or not unit.rendered or dirty.get(unit, False)

    def _touch(self, row_type: type, key: Any, change: Change, dirty: dict[Unit, bool]) -> None:
        """Mark the units that read what a change is of."""
        readers = self._readers.get((row_type, key))
        if readers:
            dirty.update(dict.fromkeys(readers, True))
        for index in self._watched.get(row_type, ()):
            for row in change:
                if row is not None:
                    for value in index.values(row):
                        readers = self._readers.get((row_type, index.name, value))
                        if readers:
                            dirty.update(dict.fromkeys(readers, True))

    def _refresh(self, net: Net, view: View, unit: Unit, render: bool, deltas: list[Delta]) -> None:
        """Render a unit again where that is due, and say what changed, also on targets that it came to or left."""
        old = unit.items
        moved, unit.moved = unit.moved or {}, None
        if not unit.targets:
            self._read(unit, set())
            del self.units[unit.id]
            unit.items, unit.fault = (), ""
        elif render:
            self._render(net, view, unit)
        new = unit.items
        for target, had in moved.items():
            before, now = (old if had else ()), (new if target in unit.targets else ())
            if before != now:
                deltas.append(Delta(unit, target, before, now))
        if old != new:
            for target in unit.targets:
                if target not in moved:
                    deltas.append(Delta(unit, target, old, new))

    def _render(self, net: Net, view: View, unit: Unit) -> None:
        renderer, key = unit.id
        view.reads = set()
        self.renders += 1
        unit.rendered = True
        try:
            subject: Any = key if renderer.shared else net.get(renderer.scope, key)
            items = tuple(renderer.function(view, subject))
            metered = Meter in map(type, items) and not renderer.shared
            unit.items = _offered(view, subject.dpid, items) if metered else items
            unit.fault = ""
        except Exception as error:  # noqa: BLE001  (an app's bug becomes a fault of its own rows, no more)
            unit.items = ()
            unit.fault = f"{renderer.name}: {type(error).__name__}: {error}"
        self._read(unit, view.reads)

    def _read(self, unit: Unit, reads: set[tuple[Any, ...]]) -> None:
        """Note what a unit depends on from now on."""
        before = unit.reads
        for key in before:
            if key not in reads:
                left = self._readers[key]
                del left[unit]
                if not left:
                    del self._readers[key]
        for key in reads.difference(before) if before else reads:
            readers = self._readers.get(key)
            if readers is None:
                self._readers[key] = {unit: None}
                if len(key) == 3:
                    self._watch(*key[:2])
            else:
                readers[unit] = None
        unit.reads = tuple(reads)

    def _watch(self, row_type: Any, name: str) -> None:
        """Some function reads this index: changes of its rows are followed by its values from now on."""
        watched = self._watched.setdefault(row_type, [])
        if all(index.name != name for index in watched):
            watched.extend(index for index in row_type.ROW.indexes if index.name == name)


def _offered(view: View, dpid: int, items: tuple[Any, ...]) -> tuple[Any, ...]:
    """What a switch is to have: where its datapath has no meters, nothing that uses one.  Guests could flood the
    controller by what has no limit, so it is not offered there."""
    if view.get(NoMeters, dpid) is None:
        return items
    return tuple(
        item for item in items if not (isinstance(item, Meter) or isinstance(next(iter(item.actions), None), Metered))
    )


def _aimed(targets: AbstractSet[Any], target: Any, present: bool) -> AbstractSet[Any]:
    """The targets with one more or one less.  A set of several is changed in place."""
    if not present:
        if isinstance(targets, set):
            targets.discard(target)
            return targets
        return NOWHERE if target in targets else targets
    if isinstance(targets, set):
        targets.add(target)
        return targets
    return {*targets, target} if targets else _alone(target)


def _host(row: Any) -> str:
    """The host an OVSDB renderer's row is about (a Host row is its own)."""
    return str(row.host if hasattr(row, "host") else row.name)


def subject(unit: Unit) -> tuple[str, str] | None:
    """The configured object a unit speaks for, as (kind, id): where its faults are shown.  None: the switch itself."""
    renderer, key = unit.id
    fields = renderer.scope.ROW.key_fields  # type: ignore[attr-defined]
    keys = key if len(fields) > 1 else (key,)
    values = {renderer.shared: key} if renderer.shared else dict(zip(fields, keys, strict=True))
    for name, kind in (("port_id", "Port"), ("network_id", "Network"), ("host", "Host"), ("name", "Host")):
        if name in values:
            return kind, values[name]
    return None
