"""A write costs what it touches: the same rows read and written among 10, 100 and 1000 others, and nothing scanned."""

from __future__ import annotations

import pytest

from controller.core.net import Net
from controller.core.plans import networks, ports, subnets, wiring
from controller.core.settings import Settings
from tests.unit.planning import Cloud


class CountingNet(Net):
    """A Net that counts the rows it gave out and refuses to list a whole class."""

    __slots__ = ("read",)

    def __init__(self):
        self.read = 0
        super().__init__()

    def get(self, row_type, key):
        self.read += 1
        return super().get(row_type, key)

    def find(self, row_type, index, value):
        found = super().find(row_type, index, value)
        self.read += 1 + len(found)
        return found

    def all(self, row_type):
        raise AssertionError(f"a plan lists every {row_type.__name__}")


def cost(cloud, plan, *args):
    cloud.net.read = 0
    draft = cloud.draft()
    plan(draft, *args)
    return cloud.net.read, len(draft.changes())


def cloud_of(size):
    """`size` networks, and one with a subnet and `size` bound ports."""
    cloud = Cloud(Settings(), CountingNet())
    for _ in range(size):
        cloud.network()
    network = cloud.network()
    subnet = cloud.subnet(network, "10.0.0.0/16")
    made = [cloud.port(network) for _ in range(size)]
    cloud.run(wiring.bind, [(port.id, f"h{place % 10}") for place, port in enumerate(made)])
    return cloud, network, subnet, made


@pytest.fixture(scope="module")
def clouds():
    return [cloud_of(size) for size in (10, 100, 1000)]


PLANS = {
    "network create": lambda network, subnet, made: (networks.create, {}),
    "network update": lambda network, subnet, made: (networks.change, network.id, {"name": "x", "mtu": 1400}),
    "subnet create": lambda network, subnet, made: (
        subnets.create,
        {"network_id": network.id, "cidr": "10.9.0.0/16", "ip_version": 4},
    ),
    "port create": lambda network, subnet, made: (ports.create, {"network_id": network.id}),
    "port update": lambda network, subnet, made: (ports.change, made[0].id, {"host_id": "h3", "mac_address": None}),
    "port delete": lambda network, subnet, made: (ports.delete, made[0].id),
    "bind": lambda network, subnet, made: (wiring.bind, [(made[0].id, "h77")]),
    "activate": lambda network, subnet, made: (wiring.activate, [made[0].id]),
}


@pytest.mark.parametrize("name", PLANS)
def test_the_cost_of_a_write_does_not_grow_with_the_cloud(clouds, name):
    small, *larger = [cost(cloud, *PLANS[name](*rest)) for cloud, *rest in clouds]
    assert larger == [small, small]
    assert small[0] <= 40
    assert 1 <= small[1] <= 4
