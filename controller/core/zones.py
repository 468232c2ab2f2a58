"""Zones of connections: a port's connections are tracked in a zone of its own, whose number is its OpenFlow port's.

A flow that takes a zone for a port (it writes ZONE) names the port; so that one is new on a switch is all there is to
know of who had the zone before.  It stands while the controller is away, and nothing is flushed when that is back.
"""

from __future__ import annotations

from functools import lru_cache

from controller.core.effects import FlowMods, FlushConnections
from controller.core.flow import Load
from controller.core.model import INT
from controller.core.pipeline import LAYOUT, ZONE


@lru_cache(maxsize=1)
def _tables(declared: int) -> frozenset[int]:
    return frozenset(table.id for table in LAYOUT.tables(INT) if ZONE.name in table.writes)


def taken(mods: FlowMods) -> list[FlushConnections]:
    """The flushes that go before a bundle: whoever takes a zone finds no connection of another port in it."""
    tables = _tables(len(LAYOUT.by_name))
    writes = (action for flow in mods.add if flow.table in tables for action in flow.actions)
    zone = ZONE.wire, ZONE.offset, ZONE.bits
    zones = {write.value: None for write in writes if isinstance(write, Load) and write[:3] == zone}
    return [FlushConnections(mods.dpid, zone) for zone in zones]
