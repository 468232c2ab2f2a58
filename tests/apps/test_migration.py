"""Live migration: a port's packets go to both hosts until its guest is heard, or bound, on the one it goes to."""

from __future__ import annotations

import itertools

import pytest

from apps import port_bindings
from controller.core.derived import ArrivingPort, LocalPort
from controller.core.model import Binding
from controller.core.observed import Heard
from controller.core.packet import BROADCAST
from tests.apps.migrating import MACS, Migration
from tests.world.world import HELD, SETTINGS, desired, installed

PROACTIVE = SETTINGS.__class__(
    vlan_ranges=SETTINGS.vlan_ranges, bridge_mappings=SETTINGS.bridge_mappings, proactive=True
)
OTHERS = ("beside", "there", "else")


@pytest.mark.parametrize("settings", [SETTINGS, PROACTIVE], ids=["reactive", "proactive"])
@pytest.mark.parametrize("type", ["vxlan", "vlan"])
def test_packets_go_to_both_hosts_and_after_the_first_word_to_one(type, settings):
    made = Migration(type, settings)
    assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h1"])
    made.prepare()
    guest = made.guest.id
    assert made.binding == Binding(guest, made.network.id, "h1", active=True, arriving="h2", wired=True)
    both = dict.fromkeys(OTHERS, ["h1", "h2"]) | ({"else": ["h1", "h2", "h2"]} if type == "vlan" else {})
    for _ in range(2):  # as long as switches know of no exact flow, and then
        assert {name: made.reached(name) for name in OTHERS} == both

    made.speak(made.source)
    made.world.settle()
    assert made.binding.host == "h1"
    made.speak(made.target, mac=MACS["else"])
    made.world.settle()
    assert made.binding.host == "h1", "it is not the guest who speaks"

    made.world.mods.clear()
    made.speak(made.target)
    made.world.settle()
    assert made.binding == Binding(guest, made.network.id, "h2", active=True, moved=True, migrated=True)
    assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h2"])
    net = made.world.machine.net
    assert (net.count(ArrivingPort), net.count(Heard), net.get(LocalPort, guest).host) == (0, 0, "h2")

    made.finish()
    assert made.binding == Binding(guest, made.network.id, "h2", active=True, migrated=True)
    assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h2"])
    assert installed(made.world) == desired(made.world.machine)


@pytest.mark.parametrize("type", ["vxlan", "vlan"])
def test_the_cut_is_one_bundle_a_switch(type):
    made = Migration(type).prepare()
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
    assert made.binding == Binding(made.guest.id, made.network.id, "h2", active=True, migrated=True)
    assert {name: made.reached(name) for name in OTHERS} == dict.fromkeys(OTHERS, ["h2"])


def test_a_guest_may_go_back_where_it_was():
    made = Migration().prepare().finish()
    made.world.write(port_bindings.create, {"port_id": made.guest.id, "host": "h1"})
    made.world.plug(made.guest, made.source)
    made.world.settle()
    assert (made.binding.host, made.binding.arriving, made.binding.wired) == ("h2", "h1", True)
    assert made.reached("else") == ["h1", "h2"]
    made.speak(made.source)
    made.world.settle()
    assert made.reached("else") == ["h1"]


@pytest.mark.parametrize("type", ["vxlan", "vlan"])
@pytest.mark.parametrize("how", ["binding", "vif"])
def test_a_migration_that_is_given_up_leaves_all_as_it_was(how, type):
    made = Migration(type)
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


@pytest.mark.parametrize("type", ["vxlan", "vlan"])
@pytest.mark.parametrize("moved", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_restart_amid_a_migration_sends_nothing(order, moved, type):
    made = Migration(type).prepare()
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


@pytest.mark.parametrize("type", ["vxlan", "vlan"])
def test_what_a_guest_tells_all_does_not_wait_for_itself_where_it_comes_to(type):
    made = Migration(type).prepare()
    places = {made.at(host) for host in (made.source, made.target)}
    said = made.sent("guest", BROADCAST)
    assert said.ports & places == set()
    assert len(said.reached) == 3, "all others hear it"
    heard = made.sent("else", BROADCAST)
    assert heard.ports >= places, "what others tell all is for both"
