"""App and its decorators: how a feature says what it declares and what it renders.

An app has at most six faces, all optional and in this order: rows, plan rules, tables, flows, packets, ovsdb.  What it
does again and again belongs to its packets.
Functions are pure: they get a view of the Net and rows, and return flows, effects or OVSDB operations.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from controller.core import pipeline
from controller.core.derived import ArrivingPort, LocalPort, Switch
from controller.core.model import ETH, INT
from controller.core.placement.layer import Layer
from controller.core.resource import Action, Computed, Extension, Filter, Resource, Source
from controller.core.row import row
from controller.core.settings import Settings

FLOWS = "flows"
OVSDB = "ovsdb"


@dataclass(frozen=True, slots=True, eq=False)
class Renderer:
    """One app function and the row class it is applied to.

    `face` is FLOWS or OVSDB.  A `shared` renderer is applied once per value of that field of its scope's rows, and its
    flows are placed on every switch that has such a row.
    """

    name: str
    face: str
    scope: type
    function: Callable[..., Iterable[Any]]
    shared: str = ""

    def __repr__(self) -> str:
        return self.name


class Turn(NamedTuple):
    """A function that is called for each row of a class once in `seconds`, and soon for those of a network of which a
    row of class `soon` came, changed or went."""

    name: str
    scope: type
    seconds: float
    function: Callable[..., Iterable[Any]]
    soon: type | None = None


class Extended(NamedTuple):
    """What an app adds to the resource that shows rows of a class."""

    row_type: type
    computed: Callable[[Settings], Iterable[Computed]]
    sources: tuple[Source, ...]
    filters: tuple[Filter, ...]
    actions: tuple[Action, ...]


class App:
    """One feature.  Instances register themselves; `load` returns them all."""

    def __init__(self, name: str) -> None:
        if name in APPS:
            raise pipeline.LayoutError(f"app {name} is declared twice")
        self.name = name
        self.extensions: list[Extension] = []
        self.resources: list[Resource] = []
        self.extended: list[Extended] = []
        self.policies: list[tuple[str, str, str]] = []
        self.rules: list[tuple[type, Callable[..., None]]] = []
        self.preparations: list[tuple[type, Callable[..., None]]] = []
        self.list_preparations: list[tuple[type, Callable[..., Any]]] = []
        self.onces: list[tuple[str, Callable[[Any], None]]] = []
        self.layers: list[Layer] = []
        self.starts: list[Callable[[Any], None]] = []
        self.interims: list[type] = []
        self.renderers: list[Renderer] = []
        self.packet_handlers: dict[tuple[str, int], Callable[..., Iterable[Any]]] = {}
        self.restorers: dict[tuple[str, int], Callable[..., Iterable[Any]]] = {}
        self.turns: list[Turn] = []
        APPS[name] = self

    # -- rows and what clients see of them ----------------------------------------------------------------------------

    def extension(self, alias: str, name: str, description: str, updated: str) -> None:
        """Tell clients of a Neutron API extension whose behaviour this app is; `updated` is its definition's date."""
        self.extensions.append(Extension(alias, name, description, updated))

    def row(self, **declared: Any) -> Callable[[type], type]:
        """Declare a configured row class (see core.row.row); `extends=Port` makes its attributes the port's."""
        return row(store=True, **declared)

    def resource(self, *declared: Any, **options: Any) -> Resource:
        """Declare a resource (see core.resource.Resource): name, collection, row class, and what is not usual."""
        made = Resource(*declared, **options)
        self.resources.append(made)
        return made

    def extend(
        self,
        row_type: type,
        computed: Iterable[Computed] | Callable[[Settings], Iterable[Computed]] = (),
        sources: Iterable[Source] = (),
        filters: Iterable[Filter] = (),
        actions: Iterable[Action] = (),
    ) -> None:
        """Add to the resource that shows rows of a class: attributes computed from other rows (a function of the
        settings, where they depend on those), where those are, filters and actions.  Attributes that clients give and
        that are stored are those of a side row (`row`)."""
        made = computed if callable(computed) else lambda settings, kept=tuple(computed): kept
        self.extended.append(Extended(row_type, made, tuple(sources), tuple(filters), tuple(actions)))

    def policy(self, rule: str, check: str, description: str) -> None:
        """Declare a policy rule and its default, in oslo.policy's language."""
        self.policies.append((rule, check, description))

    # -- plan rules ---------------------------------------------------------------------------------------------------

    def prepare(self, row_type: type) -> Callable[[Any], Any]:
        """Run before rows of a class are made (`old` is None) or changed: `f(draft, old, values)`.

        It may refuse, and may change `values` (by field)."""
        return self._plan_rule(self.preparations, row_type)

    def rule(self, row_type: type) -> Callable[[Any], Any]:
        """Run after rows of a class were made (`old` is None), changed or removed (`new` is None), in the same plan.

        `f(draft, old, new, values)` may refuse, and may write rows; `values` (by field) is what was asked for."""
        return self._plan_rule(self.rules, row_type)

    def before_list(self, row_type: type) -> Callable[[Any], Any]:
        """Ask before rows of a class are listed: `f(net, caller, filters)` gives a plan to carry out first, or None.

        `filters` are the values asked for, by attribute.  It is for rows that are made when they are first looked
        for; None costs no SQL."""
        return self._plan_rule(self.list_preparations, row_type)

    def once(self, name: str) -> Callable[[Any], Any]:
        """Run a plan, `f(draft)`, once in the life of a database: when it is first opened with this app.

        It writes rows that are there from the start and may be changed or removed like others.  `name` says which plan
        it is, in all databases and for good."""

        def register(function: Any) -> Any:
            self.onces.append((name, function))
            return function

        return register

    def at_start(self, function: Any) -> Any:
        """Run a plan, `f(draft)`, at each start: it brings rows up to date that follow from the configuration."""
        self.starts.append(function)
        return function

    def _plan_rule(self, rules: list[tuple[type, Any]], row_type: type) -> Callable[[Any], Any]:
        def register(function: Any) -> Any:
            rules.append((row_type, function))
            return function

        return register

    # -- derived rows, tables, flows, packets, OVSDB ------------------------------------------------------------------

    def derive(self, *declared: Any) -> Layer:
        """Keep derived rows of a class (see core.placement.layer.Layer), behind the core's, in the order of this."""
        made = Layer(*declared)
        self.layers.append(made)
        return made

    def interim(self, row_type: type) -> type:
        """Declare that rows of a stored class end when all switches have acknowledged what follows from them (see
        core.interim)."""
        self.interims.append(row_type)
        return row_type

    def table(self, name: str, **declared: Any) -> pipeline.Table:
        """Declare a table of this app (see pipeline.table)."""
        return pipeline.table(name, self.name, **declared)

    def flows(self, scope: type, *, shared: str = "") -> Callable[[Any], Any]:
        """Render flows per row of `scope`, which has a `dpid`: `f(net, row)`.

        With `shared="port_id"` the function is *logical*: rendered once per port_id as `f(net, port_id)`, and placed on
        every switch that has a row of the scope with it.
        """
        return self._renderer(FLOWS, scope, shared)

    def ovsdb(self, scope: type) -> Callable[[Any], Any]:
        """Render OVSDB operations per row of `scope`, which names a host: `f(net, row)`."""
        return self._renderer(OVSDB, scope, "")

    def packets(self, table: pipeline.Table) -> Callable[[Any], Any]:
        """Handle what a table punts: `f(net, packet) -> effects` (PacketOut, Observe).  It never writes flows.

        `net` is a handlers.Rows: look-ups by key or index, and `settings`."""
        return self._handler(self.packet_handlers, table)

    def restore(self, table: pipeline.Table) -> Callable[[Any], Any]:
        """Tell what a flow of a reactive table stood for: `f(net, dpid, fields) -> rows`, so it survives a restart.

        `fields` is what it matches, by name, and its `cookie` when it was found on a switch that connects; when it has
        ended, and the rows are taken back, it has none."""
        return self._handler(self.restorers, table)

    def periodic(self, scope: type, seconds: float, soon: type | None = None) -> Callable[[Any], Any]:
        """Send something for each row of `scope`, which has a `dpid`, once in so many seconds: `f(net, row, before) ->
        effects` (PacketOut).  The turns of rows whose switches are connected are spread evenly over that time; `net` is
        that of a packet handler.

        With `soon=Subnet` those of a network are served within seconds when a subnet of it comes, changes or goes, or
        when their switch is back, if it was away then; `before` has those subnets as they were (else it is empty)."""

        def register(function: Any) -> Any:
            self.turns.append(Turn(f"{self.name}.{function.__name__}", scope, seconds, function, soon))
            return function

        return register

    def _renderer(self, face: str, scope: type, shared: str) -> Callable[[Any], Any]:
        def register(function: Any) -> Any:
            self.renderers.append(Renderer(f"{self.name}.{function.__name__}", face, scope, function, shared))
            return function

        return register

    def _handler(self, handlers: dict[tuple[str, int], Any], table: pipeline.Table) -> Callable[[Any], Any]:
        def register(function: Any) -> Any:
            if table.owner != self.name or (table.role, table.id) in handlers:
                raise pipeline.LayoutError(f"table {table.name} has one owner and one handler, {table.owner}")
            handlers[table.role, table.id] = function
            return function

        return register

    def misses(self, net: Any, switch: Switch) -> list[Any]:
        """The miss flows of this app's tables on a switch."""
        mine = (table for table in pipeline.LAYOUT.tables(switch.role) if table.owner == self.name)
        return [flow for flow in map(pipeline.miss_flow, mine) if flow is not None]


APPS: dict[str, App] = {}


ENTRY_POINTS = "patchbay.apps"
"""The group of entry points under which other packages offer apps; each names a module."""


def load(package: str = "apps") -> tuple[App, ...]:
    """Import every module of a package and those that other packages offer, check the layout as a whole, and return all
    apps, sorted by name."""
    root = importlib.import_module(package)
    for module in sorted(info.name for info in pkgutil.iter_modules(root.__path__)):
        importlib.import_module(f"{package}.{module}")
    for offered in sorted(entry_points(group=ENTRY_POINTS)):
        offered.load()
    pipeline.check_layout()
    return tuple(APPS[name] for name in sorted(APPS))


def renderers(apps: Iterable[App]) -> tuple[Renderer, ...]:
    """Every app's renderers, its tables' miss flows among them; those of LocalPort are ArrivingPort's, too."""
    found: list[Renderer] = []
    for app in apps:
        owned = any(table.owner == app.name for role in (INT, ETH) for table in pipeline.LAYOUT.tables(role))
        if owned:
            found.append(Renderer(f"{app.name}.misses", FLOWS, Switch, app.misses))
        for renderer in app.renderers:
            found.append(renderer)
            if renderer.scope is LocalPort:
                found.append(replace(renderer, name=f"{renderer.name} (arriving)", scope=ArrivingPort))
    return tuple(found)
