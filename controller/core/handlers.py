"""Handlers: the functions of apps that are called for a packet, for a flow that stood on a switch or ended there, or
when it is a row's turn.

One that raises becomes a fault of the switch's host, as a renderer becomes one of its object; everything else goes on.
Guests make the packets, so nothing is written when a handler is called: faults begin and end with the ticks, and one
that has begun lasts a while.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from controller.core.app import App
from controller.core.derived import Switch
from controller.core.effects import Propose
from controller.core.events import PacketIn
from controller.core.faults import Faults
from controller.core.model import INT
from controller.core.net import Net
from controller.core.settings import Settings
from controller.core.turns import Turns

CALM = 60.0
"""Seconds without a failure before the fault of a handler may end."""
REASON_LIMIT = 500
"""Characters of an error's text that are shown; a guest may have a say in it."""

Named = dict[tuple[str, int], tuple[str, Callable[..., Iterable[Any]]]]
Take = Callable[[Any], None]


@dataclass(slots=True)
class Failure:
    """A handler that raised for a switch: the first error's text, and whether it is shown.

    `since` is the first tick after the last error; `well` tells that the handler has done its work after that.
    """

    reason: str
    shown: bool = False
    since: float | None = None
    well: bool = False


class Rows:
    """The Net as a handler sees it: look-ups, the changes of observed rows, and the operator's settings."""

    __slots__ = ("change", "find", "get", "has", "settings")

    def __init__(self, net: Net, settings: Settings) -> None:
        self.get, self.find, self.has, self.change = net.get, net.find, net.has, net.change
        self.settings = settings


class Handlers:
    """Calls packet handlers and restorers.  What they give is handed to `take`, one by one; an error that `take` raises
    is the handler's as well, which gave what nobody can take."""

    def __init__(self, apps: Iterable[App], faults: Faults, settings: Settings) -> None:
        apps = tuple(apps)
        self._faults = faults
        self._settings = settings
        self._packets = _named((app.name, app.packet_handlers) for app in apps)
        self._restorers = _named((app.name, app.restorers) for app in apps)
        self._failures: dict[tuple[str, int], Failure] = {}
        self.turns = Turns(apps)

    def packet(self, net: Net, event: PacketIn, take: Take) -> None:
        """Hand a punted packet to the app whose table punted it."""
        handler = self._packets.get((INT, event.table))
        if handler is not None:
            self._call(handler, event.dpid, take, Rows(net, self._settings), event)

    def restore(self, net: Net, dpid: int, table: int, fields: dict[str, int], take: Take) -> None:
        """Take the rows that a flow of a reactive table stands, or stood, for."""
        handler = self._restorers.get((INT, table))
        if handler is not None:
            self._call(handler, dpid, take, Rows(net, self._settings), dpid, fields)

    def take_turns(self, net: Net, now: float, take: Take) -> None:
        """Take what the functions give whose turn it is."""
        for turn, row, before in self.turns.tick(net, now):
            self._call((turn.name, turn.function), row.dpid, take, Rows(net, self._settings), row, before)

    def _call(self, handler: tuple[str, Callable[..., Iterable[Any]]], dpid: int, take: Take, *about: Any) -> None:
        name, function = handler
        try:
            for result in function(*about):
                take(result)
        except Exception as error:  # noqa: BLE001  (an app's bug becomes a fault of the switch's host, no more)
            failure = self._failures.setdefault((name, dpid), Failure(_reason(name, error)))
            failure.since, failure.well = None, False
            return
        known = self._failures.get((name, dpid)) if self._failures else None
        if known is not None and known.since is not None:
            known.well = True

    def tick(self, net: Net, now: float) -> Iterator[Propose]:
        """Show what has failed, and that it is over where a handler does its work again and has not failed for long."""
        for cause, failure in list(self._failures.items()):
            switch = net.get(Switch, cause[1])
            calm = failure.well and failure.since is not None and now - failure.since >= CALM
            if calm or (failure.shown and switch is None):
                del self._failures[cause]
                yield from self._faults.end(cause)
            elif switch is not None and not failure.shown:
                failure.shown = True
                yield from self._faults.begin(cause, ("Host", switch.host), failure.reason)
            if failure.since is None:
                failure.since = now


def _named(handlers: Iterable[tuple[str, dict[tuple[str, int], Callable[..., Iterable[Any]]]]]) -> Named:
    return {key: (f"{app}.{f.__name__}", f) for app, functions in handlers for key, f in functions.items()}


def _reason(name: str, error: Exception) -> str:
    """What to show of an error: its text may hold bytes of a packet, so only what can be printed."""
    text = f"{name}: {type(error).__name__}: {error}"[:REASON_LIMIT]
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
