"""Live migration: a port's packets go to both hosts until its guest is heard, or bound, on the one it goes to."""

from __future__ import annotations

import itertools

import pytest

from apps import port_bindings
from controller.core.model import ArrivingPort, Binding, Heard, LocalPort
from controller.core.packet import BROADCAST, ethernet
from tests.world.frames import encode
from tests.world.world import HELD, SETTINGS, World, desired, installed, name_of

MACS = {name: f"fa:16:3e:00:00:0{n}" for n, name in enumerate(("guest", "beside", "there", "else"), 1)}
PROACTIVE = SETTINGS.__class__(
    vlan_ranges=SETTINGS.vlan_ranges, bridge_mappings=SETTINGS.bridge_mappings, proactive=True
)


class Migration:
    """Hosts h1 (a guest, and one beside it), h2 (where the guest goes; another one is there) and h3 (one more)."""

    def __init__(self, type="vxlan", settings=SETTINGS):
        self.world = World(settings)
        self.source, self.target, self.other = (self.world.host() for _ in range(3))
        self.world.settle()
        self.network = self.world.network(type)
        self.ports = {}
        for name, host in zip(MACS, (self.source, self.source, self.target, self.other), strict=True):
            port = self.world.port(self.network, mac_address=MACS[name], device_owner="compute:nova", host_id=host.name)
            self.ports[name] = port
            self.world.plug(port, host)
        self.world.settle()
        self.guest = self.ports["guest"]

    def prepare(self):
        """What Nova does before: a second binding, and a VIF for it."""
        self.world.write(port_bindings.create, {"port_id": self.guest.id, "host": self.target.name})
        self.world.settle()
        self.world.plug(self.guest, self.target)
        self.world.settle()
        return self

    def activate(self, host):
        self.world.write(port_bindings.activate, (self.guest.id, host.name), {})

    @property
    def binding(self):
        return self.world.store.net.get(Binding, self.guest.id)

    def at(self, host):
        """(dpid, OpenFlow port) of the guest's VIF on a host."""
        return host.vif(name_of(self.guest))

    def reached(self, name):
        """Which of the guest's VIFs a packet for it reaches, and how often."""
        delivery = self.world.send(self.ports[name], ethernet(MACS[name], MACS["guest"]))
        self.world.settle()
        places = {self.at(host): host.name for host in (self.source, self.target) if self.at(host)}
        return sorted(places[arrival.dpid, arrival.ofport] for arrival in delivery.reached)

    def speak(self, host, mac=MACS["guest"]):
        """The guest says something where it is; the controller may have copies of it."""
        delivery = self.world.wiring().send(*self.at(host), ethernet(mac, BROADCAST))
        self.world._punted(delivery, encode)
        return delivery


OTHERS = ("beside", "there", "else")


@pytest.mark.parametrize("settings", [SETTINGS, PROACTIVE], ids=["reactive", "proactive"])
@pytest.mark.parametrize("type", ["vxlan", "vlan"])
def test_packets_go_to_both_hosts_and_after_the_first_word_to_one(type, settings):
    made = Migration(type, settings)
    assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h1"])
    made.prepare()
    guest = made.guest.id
    assert made.binding == Binding(guest, made.network.id, "h1", active=True, arriving="h2", wired=True)
    for _ in range(2):  # as long as switches know of no exact flow, and then
        assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h1", "h2"])

    made.speak(made.source)
    made.world.settle()
    assert made.binding.host == "h1"
    made.speak(made.target, mac=MACS["else"])
    made.world.settle()
    assert made.binding.host == "h1", "it is not the guest who speaks"

    made.world.mods.clear()
    made.speak(made.target)
    made.world.settle()
    assert made.binding == Binding(guest, made.network.id, "h2", active=True, moved=True)
    assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h2"])
    net = made.world.machine.net
    assert (net.count(ArrivingPort), net.count(Heard), net.get(LocalPort, guest).host) == (0, 0, "h2")

    made.activate(made.target)
    made.world.settle()
    made.world.unplug(made.guest, made.source)
    made.world.write(port_bindings.delete, (guest, "h1"))
    made.world.settle()
    assert made.binding == Binding(guest, made.network.id, "h2", active=True)
    assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h2"])
    assert installed(made.world) == desired(made.world.machine)


def test_the_cut_is_one_bundle_a_switch():
    made = Migration().prepare()
    for name in OTHERS:
        made.reached(name)
    for cut in (lambda: made.speak(made.target), lambda: made.activate(made.target)):
        made.world.mods.clear()
        cut()
        made.world.settle()
        dpids = [mods.dpid for mods in made.world.mods]
        assert len(dpids) == len(set(dpids))


@pytest.mark.parametrize("type", ["vxlan", "vlan"])
def test_an_activated_binding_cuts_over_without_a_word_of_the_guest(type):
    made = Migration(type).prepare()
    made.world.mods.clear()
    made.activate(made.target)
    made.world.settle()
    assert made.binding == Binding(made.guest.id, made.network.id, "h2", active=True)
    assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h2"])


def test_a_guest_may_go_back_where_it_was():
    made = Migration().prepare()
    made.activate(made.target)
    made.world.settle()
    made.world.unplug(made.guest, made.source)
    made.world.write(port_bindings.delete, (made.guest.id, "h1"))
    made.world.settle()
    made.world.write(port_bindings.create, {"port_id": made.guest.id, "host": "h1"})
    made.world.plug(made.guest, made.source)
    made.world.settle()
    assert (made.binding.host, made.binding.arriving, made.binding.wired) == ("h2", "h1", True)
    assert made.reached("else") == ["h1", "h2"]
    made.speak(made.source)
    made.world.settle()
    assert made.reached("else") == ["h1"]


@pytest.mark.parametrize("how", ["binding", "vif"])
def test_a_migration_that_is_given_up_leaves_all_as_it_was(how):
    made = Migration()
    made.reached("else")
    before = desired(made.world.machine)
    made.prepare()
    assert desired(made.world.machine) != before
    if how == "binding":
        made.world.write(port_bindings.delete, (made.guest.id, "h2"))
    else:
        made.world.unplug(made.guest, made.target)
    made.world.settle()
    assert made.binding == Binding(made.guest.id, made.network.id, "h1", active=True)
    assert desired(made.world.machine) == before


def test_a_guest_whose_first_vif_goes_before_anything_is_heard_is_where_the_other_one_is():
    made = Migration().prepare()
    made.world.unplug(made.guest, made.source)
    made.world.settle()
    assert (made.binding.host, made.binding.active, made.binding.arriving) == ("h2", True, "")


def test_it_is_wired_when_all_have_acknowledged():
    made = Migration()
    made.reached("else")
    made.world.outcomes = itertools.repeat(HELD)
    made.prepare()
    assert (made.binding.arriving, made.binding.wired) == ("h2", False)
    while made.world.held:
        assert not made.binding.wired
        made.world.events.append(made.world.held.pop(0))
        made.world.settle()
    assert made.binding.wired


@pytest.mark.parametrize("moved", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_restart_amid_a_migration_sends_nothing(order, moved):
    made = Migration().prepare()
    if moved:
        made.speak(made.target)
        made.world.settle()
    binding, flows = made.binding, installed(made.world)
    world = made.world.restart()
    for number in order:
        world.join((made.source, made.target, made.other)[number])
        world.settle()
        for bridge in (made.source, made.target, made.other)[number].bridges.values():
            world.connect(bridge)
        world.settle()
    assert [mods for mods in world.mods if mods.add or mods.remove] == []
    assert (made.binding, installed(world)) == (binding, flows)
