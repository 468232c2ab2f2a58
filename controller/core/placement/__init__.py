"""Placement: which rows matter on which switch.  Keeps the derived rows equal to functions of the others, by deltas.

Each class of derived rows is a layer: a resolver, a pure function of the Net that says what a row should be, and
triggers, which say for a change which rows to resolve again.  Layers run in order, each seeing the rows of the ones
before; a change touches the derived rows that can depend on it, and never all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from controller.core.net import Change, Net
from controller.core.placement.layer import Layer
from controller.core.placement.networks import NETWORKS_ON_HOSTS, NETWORKS_ON_SWITCHES
from controller.core.placement.ports import ARRIVING_PORTS, FLOOD_CHUNKS, LOCAL_PORTS, PORTS_ON_SWITCHES
from controller.core.placement.remotes import REMOTE_ADDRESSES, REMOTE_PORTS
from controller.core.placement.switches import SWITCHES, TUNNEL_PORTS, UPLINKS
from controller.core.settings import Settings

LAYERS = (
    SWITCHES,
    UPLINKS,
    TUNNEL_PORTS,
    LOCAL_PORTS,
    ARRIVING_PORTS,
    PORTS_ON_SWITCHES,
    FLOOD_CHUNKS,
    NETWORKS_ON_HOSTS,
    NETWORKS_ON_SWITCHES,
    REMOTE_PORTS,
    REMOTE_ADDRESSES,
)


class Placement:
    """Keeps the derived rows of one Net up to date: the core's, then those of apps (`layers`).

    `resolved` counts resolutions, for the cost laws.  Which layers follow a class, and which are due, is a number with
    a bit for each layer, by its place: most steps concern few of them.
    """

    def __init__(self, settings: Settings, layers: Iterable[Layer] = ()) -> None:
        self.settings = settings
        self._layers = (*LAYERS, *layers)
        self._followers: dict[type, int] = {}
        for place, layer in enumerate(self._layers):
            for followed in layer.follows:
                self._followers[followed] = self._followers.get(followed, 0) | 1 << place
        self.resolved = 0

    def update(self, net: Net, changes: Iterable[Change]) -> list[Change]:
        """Apply the derived changes that follow from changes already in `net`; returns all, the given ones first."""
        done = list(changes)
        by_type: dict[type, list[Change]] = {}
        for change in done:
            by_type.setdefault(change.row_type, []).append(change)
        due = 0
        for row_type in by_type:
            due |= self._followers.get(row_type, 0)
        while due:
            first = due & -due
            layer = self._layers[first.bit_length() - 1]
            derived = self._derive(net, layer, by_type)
            if derived:
                done += derived
                by_type.setdefault(layer.row_type, []).extend(derived)
                due |= self._followers.get(layer.row_type, 0)
            due &= -first << 1  # those behind it
        return done

    def _derive(self, net: Net, layer: Layer, by_type: Mapping[type, list[Change]]) -> list[Change]:
        """Resolve the rows of one layer that can depend on the changes, and apply what became different."""
        keys: dict[object, None] = {}
        for followed in layer.follows:
            for change in by_type.get(followed, ()):
                for key in layer.triggers(net, self.settings, change):
                    keys[key] = None
        derived: list[Change] = []
        for key in keys:
            self.resolved += 1
            old, new = net.get(layer.row_type, key), layer.resolve(net, self.settings, key)
            if old != new:
                change = Change(old, new)
                net.apply(change)
                derived.append(change)
        return derived
