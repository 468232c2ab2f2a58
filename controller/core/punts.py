"""Punts: what a port's packets have sent to the controller, each port within a rate of its own.

All copies that a port makes share one meter, whose id is the OpenFlow port, so that no VIF can drown the others'.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from controller.core.derived import ArrivingPort, LocalPort
from controller.core.flow import Action, Controller, Flow, Meter, Metered
from controller.core.pipeline import Table, resubmit, resubmit_onward

WHOLE = 65535
"""Bytes of a packet that the controller sees, when it is to see all."""


def to_controller(
    net: Any, local: LocalPort | ArrivingPort, table: Table, match: dict[Any, Any], length: int = WHOLE
) -> Iterator[Flow | Meter]:
    """What of a port's packets a table sends to the controller, so many bytes of each, within the port's rate.

    On a switch without meters neither is there (see engine): nothing is sent without a limit."""
    yield Meter(local.ofport, net.settings.punt_rate)
    yield table.flow(100, {"in_port": local.ofport, **match}, [Metered(local.ofport), Controller(length)])


def onward_and(table: Table, punting: Table) -> list[Action]:
    """A packet goes on from a table as ever, and a copy of it to the one that punts.

    In this order, for a meter that drops ends all that comes behind it."""
    return [*resubmit_onward(table), resubmit(punting.name)]
