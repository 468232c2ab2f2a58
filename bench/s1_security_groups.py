"""S1: Flows of a protected port with ten rules, and of one more member of its remote group, against Neutron's."""

from __future__ import annotations

from apps.port_security import PortSecurity
from bench import groups
from bench.cloud import Cloud, Place
from bench.engine import Inside
from bench.row import Row, figures, main, number, progress
from controller.core.events import Changed
from controller.core.net import Change

PER_PORT, PER_MEMBER = 55.0, 20.0
"""Neutron 29 with its Open vSwitch firewall, as measured: all flows of br-int for each port, with the four rules of the
default group, in ten networks; and for each member of the group, wherever it is."""
GOAL = 0.5


def run(quick: bool) -> Row:
    """Flows for each port and for each member of a remote group, counted; no switch is needed."""
    sizes = (20, 40) if quick else (250, 500)
    row = Row("S1", "flows per port with ten rules, and per member", f"<= {GOAL}x", "flows/port")
    row.compared = (
        "all flows of br-int that one more plugged port adds, in ten networks, protected, in a group with ten rules",
        f"Neutron 29 (measured): {number(PER_PORT)} per port with four rules, {number(PER_MEMBER)} per member",
    )
    counted = [_Switch(size) for size in sizes]
    progress("S1", f"{', '.join(map(str, sizes))} ports are plugged in")
    before, after = (switch.flows for switch in counted)
    port = (after - before) / (sizes[1] - sizes[0])
    members = counted[0].more_members(sizes[0]) / sizes[0]
    row.ours, row.other = figures([port]), figures([PER_PORT])
    row.ratio = port / PER_PORT
    row.note(
        "flows per member of the remote group on another host", figures([members]), f"(Neutron: {number(PER_MEMBER)})"
    )
    row.note("flows of port security and security groups among those of a port", figures([port - _without(sizes)]))
    row.note("flows that the group's ten rules take on a switch, whatever is in it", figures([counted[0].of_group()]))
    row.met = row.ratio <= GOAL and members <= GOAL * PER_MEMBER
    return row


class _Switch:
    """One host with `size` ports plugged in, all of them in one group with ten rules, or (`protected`) in none."""

    def __init__(self, size: int, protected: bool = True) -> None:
        self.cloud = Cloud(hosts=2, networks=10, ports=0)
        for n in range(size):
            self._place(n, 0)
        self.cloud.ports = size
        rows = [*self.cloud.rows(), *(groups.group_rows(0) if protected else ())]
        rows = [groups.member(row.port_id, 0) if protected and isinstance(row, PortSecurity) else row for row in rows]
        self.inside = Inside(self.cloud, rows)
        self.inside.connect()

    @property
    def flows(self) -> int:
        return len(self.inside.machine.ledgers[1].desired)

    def more_members(self, count: int) -> int:
        """The flows that so many members more cost, which are on another host."""
        before, rows = self.flows, []
        for n in range(count):
            place = self._place(n, 1)
            rows += [self.cloud.port_row(place), groups.member(self.cloud.port_id(place.number), 0)]
        self.inside.settle([Changed(1, tuple(Change(None, row) for row in rows))])
        return self.flows - before

    def _place(self, number: int, host: int) -> Place:
        """One more port, of the networks in turn, on a host."""
        network = number % 10
        return self.cloud.place(network, next(step for step in (0, 1) if self.cloud.host(network, step) == host))

    def of_group(self) -> int:
        units = self.inside.machine.engine.units.values()
        return sum(
            len(unit.items) for unit in units if unit.renderer.name in ("security_groups.rules", "security_groups.met")
        )


def _without(sizes: tuple[int, int]) -> float:
    """What a port that is not protected costs, in the same cloud."""
    before, after = (_Switch(size, protected=False).flows for size in sizes)
    return (after - before) / (sizes[1] - sizes[0])


if __name__ == "__main__":
    main(run)
