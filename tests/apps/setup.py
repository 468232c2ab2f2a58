"""A small cloud for the apps' tests: two hosts with a port each in one network, and flows as text."""

from __future__ import annotations

from typing import Any, NamedTuple

from controller.core.inspect import Inspector
from controller.core.model import Network, Port
from controller.core.pipeline import LAYOUT
from tests.world.hypervisor import Hypervisor
from tests.world.world import SETTINGS, World

BEHIND_ADMIT = LAYOUT.next(LAYOUT.by_name["tunnel_in"]).name
"""The table that admitted packets enter."""
MAC1, MAC2, MAC3 = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "fa:16:3e:00:00:03"


class Small(NamedTuple):
    """`one` is plugged into `here` (and gets network key 1, port key 1), `two` into `there`."""

    world: World
    here: Hypervisor
    there: Hypervisor
    network: Network
    one: Port
    two: Port


def small(
    type: str = "vxlan", cidrs: tuple[str, ...] = ("10.0.0.0/24",), settings: Any = SETTINGS, **values: Any
) -> Small:
    world = World(settings)
    here, there = world.host(), world.host()
    world.settle()
    network = world.network(type, **values)
    for cidr in cidrs:
        world.subnet(network, cidr)
    one, two = world.port(network, mac_address=MAC1), world.port(network, mac_address=MAC2)
    world.plug(one, here)
    world.plug(two, there)
    world.settle()
    return Small(world, here, there, network, one, two)


def flows(world: World, hypervisor: Hypervisor, unit: str, bridge: str = "br-int") -> list[str]:
    """The flows of an app function on a bridge, as text with table names."""
    found = Inspector(world.machine).flows(f"{hypervisor.name}/{bridge}")
    return [flow["flow"] for flow in found if flow["unit"] == unit]


def ofport(hypervisor: Hypervisor, name: str, bridge: str = "br-int") -> int:
    number = hypervisor.bridges[bridge].number(name)
    assert number is not None
    return number
