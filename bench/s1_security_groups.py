"""S1: Flows of a protected port with ten rules, and of one more member of its remote group, against Neutron's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apps.port_security import PortSecurity
from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule
from bench.cloud import Cloud
from bench.engine import Inside
from bench.row import Row, figures, main, number, progress
from controller.core.events import Changed
from controller.core.net import Change

PER_PORT, PER_MEMBER = 55.0, 20.0
"""Neutron 29 with its Open vSwitch firewall, as measured: all flows of br-int for each port, with the four rules of the
default group, in ten networks; and for each member of the group, wherever it is."""
GOAL = 0.5
GROUP = "00000000-0000-4000-8000-0000000000f0"
RULES: tuple[dict[str, Any], ...] = (
    {"direction": "egress"},
    {"direction": "egress", "ethertype": "IPv6"},
    {"remote_group_id": GROUP},
    {"remote_group_id": GROUP, "ethertype": "IPv6"},
    {"protocol": "icmp"},
    {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22, "remote_ip_prefix": "192.0.2.0/24"},
    {"protocol": "tcp", "port_range_min": 80, "port_range_max": 80},
    {"protocol": "tcp", "port_range_min": 443, "port_range_max": 443},
    {"protocol": "tcp", "port_range_min": 8000, "port_range_max": 8099, "remote_group_id": GROUP},
    {"protocol": "udp", "port_range_min": 53, "port_range_max": 53},
)
"""Neutron's default group's four, and what a web server has."""


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
    row.note("flows of security groups among those of a port", figures([port - _without(sizes)]))
    row.note("flows that the group's ten rules take on a switch, whatever is in it", figures([counted[0].of_group()]))
    row.met = row.ratio <= GOAL and members <= GOAL * PER_MEMBER
    return row


class _Switch:
    """One host with `size` ports plugged in, all of them in one group with ten rules, or (`protected`) in none."""

    def __init__(self, size: int, protected: bool = True) -> None:
        self.cloud = Cloud(hosts=2, networks=10, ports=0)
        for n in range(size):
            self.cloud.place(n % 10, 10 - n % 10 if self.cloud.host(n % 10, 0) else 0)
        self.cloud.ports = size
        rows = [*self.cloud.rows(), *(_rules() if protected else ())]
        rows = [_joined(row) if protected and isinstance(row, PortSecurity) else row for row in rows]
        self.inside = Inside(self.cloud, rows)
        self.inside.connect()

    @property
    def flows(self) -> int:
        return len(self.inside.machine.ledgers[1].desired)

    def more_members(self, count: int) -> int:
        """The flows that so many members more cost, which are on another host."""
        before, rows = self.flows, []
        for n in range(count):
            place = self.cloud.place(n % 10, 1)
            rows += [self.cloud.port_row(place), Membership(self.cloud.port_id(place.number), (GROUP,))]
        self.inside.settle([Changed(1, tuple(Change(None, row) for row in rows))])
        return self.flows - before

    def of_group(self) -> int:
        units = self.inside.machine.engine.units.values()
        return sum(
            len(unit.items) for unit in units if unit.renderer.name in ("security_groups.rules", "security_groups.met")
        )


def _rules() -> Iterator[Any]:
    yield SecurityGroup(GROUP, key=1)
    for n, values in enumerate(RULES):
        yield SecurityGroupRule(f"{n:08x}-0000-4000-8000-00000000000e", security_group_id=GROUP, **values)


def _joined(row: PortSecurity) -> Membership:
    return Membership(row.port_id, (GROUP,))


def _without(sizes: tuple[int, int]) -> float:
    """What a port that is not protected costs, in the same cloud."""
    before, after = (_Switch(size, protected=False).flows for size in sizes)
    return (after - before) / (sizes[1] - sizes[0])


if __name__ == "__main__":
    main(run)
