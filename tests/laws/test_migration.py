"""However a migration goes, flows depend on the rows that are there, switches have them, and the guest is reached."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from apps import port_bindings
from apps.provider.care_of import CareOf, Destination, Forwarding
from controller.core.derived import ArrivingPort, FloodChunk, LocalPort, NetworkOnHost, NetworkOnSwitch, RemotePort
from controller.core.events import Changed
from controller.core.machine import Machine
from controller.core.model import Fault
from controller.core.net import Change
from controller.core.observed import ForeignDefault, Heard, Interface, OfPort, Presence, Session, WantedMac
from controller.core.plan import Refusal
from tests.apps.migrating import MACS, Migration
from tests.world.world import APPS, desired, installed, name_of

OBSERVED = (Session, Presence, ForeignDefault, OfPort, Interface)
DERIVED = (
    LocalPort,
    ArrivingPort,
    FloodChunk,
    NetworkOnHost,
    NetworkOnSwitch,
    RemotePort,
    Forwarding,
    CareOf,
    Destination,
)

on = st.sampled_from((0, 1, 2))
action = st.one_of(
    st.tuples(st.sampled_from(("plug", "unplug", "prepare", "cancel", "activate", "bind", "speak", "join")), on),
    st.tuples(st.sampled_from(("talk", "restart", "delete")), on),
)


def rows(machine, *kinds):
    return sorted((row for kind in kinds for row in machine.net.all(kind)), key=repr)


def perform(made, name, number):
    world, guest = made.world, made.guest.id
    host = (made.source, made.target, made.other)[number]
    there = made.at(host) is not None
    match name:
        case "plug":
            world.plug(made.guest, host)
        case "unplug" if there:
            world.unplug(made.guest, host)
        case "prepare":
            world.write(port_bindings.create, {"port_id": guest, "host": host.name})
        case "cancel":
            world.write(port_bindings.delete, (guest, host.name))
        case "activate":
            made.activate(host)
        case "bind":
            world.change_port(made.guest, host_id=host.name)
        case "speak" if there:
            made.speak(host)
        case "join":
            for bridge in host.bridges.values():
                world.bounce(bridge)
        case "talk":
            made.reached(tuple(MACS)[number + 1])
        case "restart":
            world.restart()
            for each in world.hypervisors.values():
                world.join(each)
                for bridge in each.bridges.values():
                    world.connect(bridge)
        case _:
            pass


@given(st.lists(action, max_size=10), st.sampled_from(("vxlan", "vlan")), st.booleans())
def test_flows_follow_from_rows_however_a_migration_goes(actions, type, begun):
    made = Migration(type)
    world = made.world
    if begun:
        made.prepare()
    for name, number in actions:
        with suppress(Refusal):
            perform(made, name, number)
        world.settle()
    assert installed(world) == desired(world.machine)
    assert world.store.net.count(Fault) == 0
    assert world.machine.net.count(Heard) == 0, "what was heard has been followed, or is forgotten"

    fresh = Machine(APPS, world.settings, world.store.rows())
    for kinds in (OBSERVED, (WantedMac,)):
        fresh.step([Changed(1, tuple(Change(None, row) for row in rows(world.machine, *kinds)))])
    assert rows(fresh, *DERIVED) == rows(world.machine, *DERIVED)
    assert desired(fresh) == desired(world.machine)

    local = world.machine.net.get(LocalPort, made.guest.id)
    vifs = [host for host in world.hypervisors.values() if host.vif(name_of(made.guest))]
    assert (local is not None) == bool(vifs), "a VIF that is there is used"
    if local is not None:
        assert sorted(set(made.reached("else"))) == sorted(made.binding.hosts)
