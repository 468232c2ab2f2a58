"""Which events Nova is told of which changes, and that they come after the switches' acknowledgements."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from apps import port_bindings
from controller.core.effects import TellServers
from controller.core.model import Binding, FixedIp, Port
from controller.core.net import Change, Net
from controller.core.server_events import CHANGED, COMPLETED, DELETED, PLUGGED, UNPLUGGED, ServerEvent, told
from tests.world.world import HELD, World

SERVER = "00000000-0000-4000-8000-000000000001"
PORT = Port("p", "n", device_owner="compute:nova", device_id=SERVER, mac_address="m1", fixed_ips=(FixedIp("s", "a"),))
BOUND = Binding("p", "n", "h1")
ACTIVE = replace(BOUND, active=True)
ARRIVING = replace(ACTIVE, arriving="h2")
WIRED = replace(ARRIVING, wired=True)


def names(old, new, port=PORT):
    net = Net([port] if port is not None else [])
    return [event.name for effect in told(net, [Change(old, new)]) for event in effect.events]


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        (None, BOUND, []),
        (BOUND, ACTIVE, [PLUGGED]),
        (None, ACTIVE, [PLUGGED]),
        (ACTIVE, None, [UNPLUGGED]),
        (BOUND, None, []),
        (ACTIVE, Binding("p", "n", "h2"), [UNPLUGGED]),
        (ACTIVE, ARRIVING, []),
        (ARRIVING, WIRED, [PLUGGED]),
        (WIRED, Binding("p", "n", "h2", active=True, moved=True), []),
        (WIRED, ACTIVE, []),
        (Binding("p", "n", "h2", active=True, moved=True), Binding("p", "n", "h2", active=True), []),
        (PORT, replace(PORT, mac_address="m2"), [CHANGED]),
        (PORT, replace(PORT, fixed_ips=()), [CHANGED]),
        (PORT, replace(PORT, name="another", device_owner=""), []),
        (None, PORT, []),
        (PORT, None, [DELETED]),
    ],
)
def test_what_follows_from_a_change(old, new, wanted):
    now = new if isinstance(new, Port) else PORT
    assert names(old, new, now) == wanted


@pytest.mark.parametrize("other", [{"device_owner": "network:dhcp"}, {"device_id": "no server"}, {"device_id": ""}])
def test_only_ports_of_servers_are_told_of(other):
    port = replace(PORT, **other)
    assert names(BOUND, ACTIVE, port) == names(port, None, None) == []
    assert names(port, replace(port, mac_address="m2"), replace(port, mac_address="m2")) == []


def test_a_port_that_is_deleted_with_its_binding_is_told_of_once():
    changes = [Change(ACTIVE, None), Change(PORT, None)]
    assert list(told(Net(), changes)) == [TellServers((ServerEvent(DELETED, SERVER, "p"),))]


class Cloud:
    """Two hosts, and a server's port that is plugged on the first."""

    def __init__(self):
        self.world = World()
        self.hosts = self.world.host(), self.world.host()
        network = self.world.network()
        self.world.subnet(network)
        self.world.settle()
        self.port = self.world.port(network, device_owner="compute:nova", device_id=SERVER, host_id="h1")
        self.world.settle()

    def events(self):
        told, self.world.told = self.world.told, []
        assert {(event.server_uuid, event.tag) for event in told} <= {(SERVER, self.port.id)}
        return [(event.name, event.status) for event in told]

    def acknowledge(self):
        """Let the acknowledgements come one by one; nothing is told before the last of them."""
        assert self.world.held
        while self.world.held:
            assert self.events() == []
            self.world.events.append(self.world.held.pop(0))
            self.world.settle()


def test_a_vif_is_plugged_when_all_is_acknowledged_and_not_before():
    cloud = Cloud()
    cloud.world.outcomes = itertools.repeat(HELD)
    cloud.world.plug(cloud.port, cloud.hosts[0])
    cloud.world.settle()
    cloud.acknowledge()
    assert cloud.events() == [(PLUGGED, COMPLETED)]
    cloud.world.outcomes = iter(())
    cloud.world.restart()
    for host in cloud.hosts:
        cloud.world.join(host)
        for bridge in host.bridges.values():
            cloud.world.connect(bridge)
    cloud.world.settle()
    assert cloud.events() == [], "what was told before a restart is not told again"
    cloud.world.change_port(cloud.port, mac_address="fa:16:3e:00:00:99")
    cloud.world.unplug(cloud.port, cloud.hosts[0])
    cloud.world.settle()
    cloud.world.delete_port(cloud.port)
    cloud.world.settle()
    assert cloud.events() == [(CHANGED, ""), (UNPLUGGED, COMPLETED), (DELETED, "")]


def test_the_vif_of_a_migration_is_plugged_when_all_is_acknowledged_and_told_of_once():
    cloud = Cloud()
    cloud.world.plug(cloud.port, cloud.hosts[0])
    cloud.world.settle()
    cloud.events()
    cloud.world.write(port_bindings.create, {"port_id": cloud.port.id, "host": "h2"})
    cloud.world.settle()
    cloud.world.outcomes = itertools.repeat(HELD)
    cloud.world.plug(cloud.port, cloud.hosts[1])
    cloud.world.settle()
    cloud.acknowledge()
    assert cloud.events() == [(PLUGGED, COMPLETED)]
    cloud.world.outcomes = iter(())
    cloud.world.write(port_bindings.activate, (cloud.port.id, "h2"), {})
    cloud.world.settle()
    cloud.world.unplug(cloud.port, cloud.hosts[0])
    cloud.world.settle()
    assert cloud.events() == []
