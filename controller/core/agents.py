"""Agents: which hosts are connected, as proposals to the store.

What came and went is told at the next tick, all of it together, so a thousand hosts that come back at once are few
transactions, and one that was away for less than that is none.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.effects import Propose
from controller.core.model import Agent, Host
from controller.core.net import Change, Net
from controller.core.observed import Presence, Session

GRACE = 30.0
"""Seconds that hosts have to come back after a start, before those that were connected count as gone."""

_FOLLOWED = frozenset({Agent, Host, Presence, Session})


class Agents:
    """Compares which hosts are connected with what their agents say."""

    def __init__(self) -> None:
        self._concerned: dict[str, None] = {}
        self._started: float | None = None
        self._now: float | None = None
        self._starting = True

    def tick(self, now: float) -> None:
        """It is time to tell: the step that this is in will."""
        self._started = now if self._started is None else self._started
        self._now = now

    def follow(self, net: Net, changes: Iterable[Change]) -> Iterable[Propose]:
        """Note the hosts that the changes of one step concern; after a tick, what has to be written."""
        for change in changes:
            if change.row_type in _FOLLOWED:
                row = change.old if change.new is None else change.new
                self._concerned.update(dict.fromkeys(_hosts(net, row)))
        if self._now is not None:
            yield from self._tell(net, self._now)
            self._now = None

    def _tell(self, net: Net, now: float) -> Iterable[Propose]:
        if self._starting and self._started is not None and now - self._started >= GRACE:
            self._starting = False
            self._concerned.update((agent.host, None) for agent in net.all(Agent))
        seen = {host: _is_connected(net, host) for host in self._concerned}
        self._concerned.clear()
        told = tuple((host, alive) for host, alive in seen.items() if self._is_news(net, host, alive))
        if told:
            yield Propose("tell_agents", told)

    def _is_news(self, net: Net, host: str, alive: bool) -> bool:
        known = any(agent.alive for agent in net.find(Agent, "host", host))
        return known != alive and not (self._starting and not alive)


def _hosts(net: Net, row: Agent | Host | Presence | Session) -> Iterable[str]:
    match row:
        case Host():
            return (row.name,)
        case Session():
            return [host.name for host in net.find(Host, "bridge", row.dpid)]
        case _:
            return (row.host,)


def _is_connected(net: Net, name: str) -> bool:
    """Over OVSDB, or by any of its bridges."""
    host, presence = net.get(Host, name), net.get(Presence, name)
    if host is None:
        return False
    sessions = (net.get(Session, dpid) for _, dpid in host.bridges)
    return bool(presence and presence.connected) or any(session and session.connected for session in sessions)
