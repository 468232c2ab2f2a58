"""Law: what is said to be acknowledged is there.  If all have acknowledged revision N, then each switch holds just what
it was to hold at some moment since N was taken in; and when everything has come to rest, all have acknowledged all.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given

from controller.core.events import SwitchDown
from controller.core.inspect import Inspector
from controller.core.model import Host
from tests import strategies as s
from tests.world.world import World

Table = frozenset[Any]


class Watch:
    """Steps a world, and keeps what each switch was to hold after each step, with the revision of then."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.moments: list[tuple[int, dict[int, Table]]] = []
        self.checked = 0

    def run(self, bursts: list[int]) -> None:
        while self.world.events:
            self.world.step(bursts.pop() if bursts else 1)
            self.look()

    def look(self) -> None:
        machine, world = self.world.machine, self.world
        wanted = {dpid: _lasting(ledger.desired.values()) for dpid, ledger in machine.ledgers.items()}
        self.moments.append((machine.revision, wanted))
        known = {dpid for host in machine.net.all(Host) for _, dpid in host.bridges}
        for dpid in known:
            acknowledged = machine.convergence.acknowledged(dpid)
            if dpid not in world.connected() or not acknowledged or self._broken(dpid):
                continue
            since = next(n for n, (revision, _) in enumerate(self.moments) if revision >= acknowledged)
            held = _lasting(world.bridge(dpid).switch.flows)
            assert held in [wanted.get(dpid, frozenset()) for _, wanted in self.moments[since:]]
            self.checked += 1
        self._agree(known)

    def _broken(self, dpid: int) -> bool:
        """Whether its connection has gone and the machine has yet to hear of it: what it sends may go anywhere."""
        return any(isinstance(event, SwitchDown) and event.dpid == dpid for event in self.world.events)

    def _agree(self, known: set[int]) -> None:
        """What is said of all switches is what is said of each."""
        machine = self.world.machine
        least = [machine.convergence.acknowledged(dpid) for dpid in known]
        here = all(not machine.convergence.away(dpid) for dpid in known)
        for revision in {machine.revision, *least}:
            assert machine.convergence.converged(revision) == (here and all(revision <= one for one in least))


def _lasting(flows: Any) -> Table:
    """Flows without those that a switch itself ends when they are idle."""
    return frozenset((flow.slot, flow.cookie) for flow in flows if not flow.idle_timeout)


@given(s.clouds(), s.bursts, s.outcomes)
def test_what_is_acknowledged_is_on_the_switch(cloud, bursts, outcomes):
    world = World(outcomes=outcomes)
    watch = Watch(world)
    for managed in cloud[0]:
        world.host(managed)
    watch.run(bursts)
    for action in cloud[1]:
        s.perform(world, action)
        if len(world.events) > 8:
            watch.run(bursts)
    watch.run(bursts)
    answer = Inspector(world.machine).convergence(world.store.revision)
    away = [switch for switch in answer["switches"] if switch["state"] == "away"]
    assert answer["switches"] == away
    assert answer["converged"] == (not away)
    assert answer["known"]
    assert watch.checked
