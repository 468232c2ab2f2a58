"""Which events Nova is told of which changes, and that they come after the switches' acknowledgements."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from apps import port_bindings
from controller.core.effects import TellServers
from controller.core.model import Binding, Fault, FixedIp, Port, PortBinding, ServerEvent
from controller.core.net import Change, Net
from controller.core.plan import Draft
from controller.core.plans import allocate
from controller.core.server_events import CHANGED, COMPLETED, DELETED, FAILED, PLUGGED, UNPLUGGED, forget, note, told
from controller.core.settings import Settings
from tests.world.world import HELD, SETTINGS, World

SERVER = "00000000-0000-4000-8000-000000000001"
PORT = Port("p", "n", device_owner="compute:nova", device_id=SERVER, mac_address="m1", fixed_ips=(FixedIp("s", "a"),))
BOUND = Binding("p", "n", "h1")
ACTIVE = replace(BOUND, active=True)
ARRIVING = replace(ACTIVE, arriving="h2")
WIRED = replace(ARRIVING, wired=True)
TELLING = replace(SETTINGS, tells_servers=True)
FAULT = Fault("Port", "p", "why")


def noted(rows, *changes, settings=TELLING):
    """The events that a plan leaves behind which changes rows so."""
    draft = Draft(Net(rows), settings, "2026-11-20T10:00:00Z", lambda: "")
    for old, new in changes:
        draft.put(new) if new is not None else draft.remove(old)
    note(draft)
    return draft.all(ServerEvent)


def names(old, new, port=PORT):
    rows = [row for row in (old, port if not isinstance(old or new, Port) else None) if row is not None]
    return [event.name for event in noted(rows, (old, new))]


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
    assert names(old, new) == wanted


@pytest.mark.parametrize("other", [{"device_owner": "network:dhcp"}, {"device_id": "no server"}, {"device_id": ""}])
def test_only_ports_of_servers_are_told_of(other):
    port = replace(PORT, **other)
    assert names(BOUND, ACTIVE, port) == names(port, None) == names(port, replace(port, mac_address="m2")) == []


@pytest.mark.parametrize(
    ("rows", "wanted"),
    [
        ([PORT], []),
        ([replace(PORT, host_id="h1")], [FAILED]),
        ([replace(PORT, host_id="h1"), BOUND], [FAILED]),
        ([replace(PORT, host_id="h1"), ACTIVE], []),
        ([replace(PORT, host_id="h1"), ACTIVE, PortBinding("p", "h2")], [FAILED]),
        ([replace(PORT, host_id="h1"), ARRIVING, PortBinding("p", "h2")], [FAILED]),
        ([replace(PORT, host_id="h1"), WIRED, PortBinding("p", "h2")], []),
        ([replace(PORT, host_id="h2"), replace(ACTIVE, host="h2"), PortBinding("p", "h1", former=True)], []),
        ([replace(PORT, host_id="h1", device_owner="network:dhcp")], []),
    ],
)
def test_a_fault_of_a_port_whose_vif_is_awaited_is_told_as_failed(rows, wanted):
    assert [(one.name, one.status) for one in noted(rows, (None, FAULT))] == [(PLUGGED, status) for status in wanted]
    assert noted([*rows, FAULT], (FAULT, replace(FAULT, reason="another"))) == []
    assert noted([*rows, FAULT], (FAULT, None)) == []


def test_a_port_that_is_deleted_with_its_binding_is_told_of_once():
    assert noted([PORT, ACTIVE], (ACTIVE, None), (PORT, None)) == [ServerEvent(1, DELETED, SERVER, "p")]


def test_events_are_numbered_and_told_as_they_are_committed_and_forgotten_by_number():
    rows = [PORT, BOUND]
    first, second = noted(rows, (BOUND, ACTIVE), (PORT, replace(PORT, fixed_ips=())))
    assert (first, second) == (ServerEvent(1, PLUGGED, SERVER, "p", COMPLETED), ServerEvent(2, CHANGED, SERVER, "p"))
    changes = [Change(None, first), Change(BOUND, ACTIVE), Change(None, second)]
    assert list(told(changes)) == [TellServers((first, second))]
    assert list(told([Change(first, None)])) == []
    draft = Draft(Net([first, second]), TELLING, "2026-11-20T10:00:00Z", lambda: "")
    forget(draft, (1, 7))
    assert draft.all(ServerEvent) == [second]


def test_nothing_is_noted_where_there_is_no_nova():
    assert noted([PORT, BOUND], (BOUND, ACTIVE), settings=Settings()) == []


class Cloud:
    """Two hosts, and a server's port that is plugged on the first."""

    def __init__(self):
        self.world = World(TELLING)
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


def test_a_destination_without_a_local_vlan_is_a_fault_and_told_as_failed(monkeypatch):
    monkeypatch.setattr(allocate, "VLANS", (1, 1))
    cloud = Cloud()
    world, port = cloud.world, cloud.port
    world.plug(port, cloud.hosts[0])
    other = world.port(world.network())
    world.plug(other, cloud.hosts[1])
    world.settle()
    cloud.events()
    world.write(port_bindings.create, {"port_id": port.id, "host": "h2"})
    world.plug(port, cloud.hosts[1])
    world.settle()
    why = Fault("Port", port.id, "no local VLAN is left on host h2")
    assert world.store.net.get(Fault, ("Port", port.id)) == why
    assert cloud.events() == [(PLUGGED, FAILED)]
    assert world.store.net.get(Binding, port.id) == Binding(port.id, port.network_id, "h1", active=True)
    world.unplug(port, cloud.hosts[1])
    world.settle()
    assert world.store.net.get(Fault, ("Port", port.id)) is None

    world.unplug(other, cloud.hosts[1])
    world.plug(port, cloud.hosts[1])
    world.settle()
    assert world.store.net.count(Fault) == 0
    assert cloud.events() == [(PLUGGED, COMPLETED)], "of the second VIF"
