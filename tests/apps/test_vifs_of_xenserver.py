"""VIFs that are known by an id of their host, which stays when their name changes with each start of the VM."""

from __future__ import annotations

import itertools
import json

from controller.core.derived import LocalPort
from controller.core.model import Host, Port
from controller.core.net import Change, Net
from controller.core.observed import Interface, OfPort, Presence, Session
from controller.core.placement import Placement
from controller.core.settings import Settings
from tests.world.world import World

XAPIS = "22222222-3333-4444-8555-666666666666"


def named(world, network, host, vif=XAPIS):
    """A port bound to a host that names its VIF."""
    return world.port(network, host_id=host.name, profile=json.dumps({"interface": vif}))


def where(world, port):
    """Host and OpenFlow port that a port's VIF was found at."""
    local = world.settle().machine.net.get(LocalPort, port.id)
    return local and (local.host, local.ofport)


def at(host, name):
    return host.name, host.bridges["br-int"].number(name)


def test_a_vif_is_found_by_the_id_that_its_port_names_whatever_it_is_called():
    world = World()
    here = world.host()
    network = world.network()
    port = named(world, network, here)
    assert where(world, port) is None
    world.plug(port, here, "vif1.0", XAPIS)
    assert where(world, port) == at(here, "vif1.0")
    world.unplug(port, here, "vif1.0")
    assert where(world, port) is None
    world.plug(port, here, "vif7.0", XAPIS)
    assert where(world, port) == at(here, "vif7.0")
    world.bounce(here.bridges["br-int"])
    assert where(world, port) == at(here, "vif7.0")


def test_it_is_found_on_the_host_of_the_port_only():
    world = World()
    here, there = world.host(), world.host()
    world.settle()
    network = world.network()
    port = named(world, network, here)
    world.plug(port, there, "vif1.0", XAPIS)
    assert where(world, port) is None
    world.change_port(port, host_id=there.name)
    assert where(world, port) == at(there, "vif1.0")
    world.change_port(port, profile="{}")
    assert where(world, port) is None


def test_a_vif_whose_id_changes_is_the_other_ports():
    world = World()
    here = world.host()
    network = world.settle().network()
    first, second = named(world, network, here), world.port(network)
    world.plug(first, here, "vif1.0", XAPIS)
    assert where(world, first) == at(here, "vif1.0")
    world.plug(second, here, "vif1.0", second.id)
    assert (where(world, first), where(world, second)) == (None, at(here, "vif1.0"))


def test_the_order_in_which_it_is_told_does_not_matter():
    port = Port("p", "n", host_id="h", interface_name=XAPIS)
    host = Host("h", "192.0.2.1", bridges=(("xapi1", 1),), integration_bridge="xapi1", managed=True)
    interface = Interface("h", "vif1.0", "xapi1", iface_id=XAPIS)
    told = [port, host, interface, Session(1, "192.0.2.1"), Presence("h"), OfPort(1, 5, "vif1.0")]
    for order in itertools.permutations(told):
        net, placement = Net(), Placement(Settings())
        for number, row in enumerate(order, 1):
            follow(net, placement, net.change(row))
            assert list(net.all(LocalPort)) == ([LocalPort("p", 1, 5, "n", "h")] if number == len(told) else [])
        for gone in (port, interface, told[-1]):
            follow(net, placement, Change(gone, None))
            assert not list(net.all(LocalPort)), gone
            follow(net, placement, net.change(gone))
            assert list(net.all(LocalPort)), gone


def follow(net, placement, change):
    net.apply(change)
    placement.update(net, [change])
