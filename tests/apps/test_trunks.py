"""Trunks: a physical network at a port of br-int itself, a NIC or the operator's own patch to another bridge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.core.derived import Uplink
from controller.core.effects import EnsureBridge, EnsurePatch
from controller.core.events import HostChanged, InterfaceRow, InterfacesChanged
from controller.core.model import Fault, Host
from controller.core.packet import BROADCAST, ethernet
from tests.apps.setup import MAC1, MAC2, flows, ofport
from tests.world.hypervisor import TRUNK
from tests.world.world import SETTINGS, TRUNK_MAPPINGS, World

UNTAGGED = "vlan_tci=0x0000/0x1fff"


def cloud(type="vlan", managed=True, **values):
    """A host with its NIC on br-int and one with br-eth1, and a port on each."""
    # A host without OVSDB has the mappings of the configuration.
    world = World(SETTINGS if managed else replace(SETTINGS, bridge_mappings=TRUNK_MAPPINGS))
    here, there = world.host(managed, TRUNK_MAPPINGS), world.host()
    world.settle()
    network = world.network(type, **values)
    one, two = world.port(network, mac_address=MAC1), world.port(network, mac_address=MAC2)
    world.plug(one, here)
    world.plug(two, there)
    world.settle()
    return world, here, one, two


def uplink(world, hypervisor):
    return world.machine.net.get(Uplink, (hypervisor.bridges["br-int"].dpid, "physnet1"))


def patched(world, name="patch-inside", mappings=TRUNK_MAPPINGS):
    """A host whose operator has patched br-int to br0, where the NIC is."""
    host = world.host(True, TRUNK_MAPPINGS)
    world.settle()
    host.remove(TRUNK)
    host._bridge("br0").add("eth0")
    host._patch("br-int", name, "br0", "patch-outside")
    for at, peer in ((name, "patch-outside"), ("patch-outside", name)):
        host.interfaces[at] = host.interfaces[at]._replace(peer=peer)
    host.mappings = mappings
    world.join(host)
    world.bounce(host.bridges["br-int"])
    world.settle()
    return host


def wanted_bridges(world, host):
    """The bridges that the host shall have programmed, by what is asked of its OVSDB."""
    wanted = (o for o in world.machine.wants._wanted[host.name] if isinstance(o, EnsureBridge | EnsurePatch))
    return sorted(getattr(operation, "name", "patch") for operation in wanted)


def fault(world, host):
    found = world.store.net.get(Fault, ("Host", host.name))
    return found.reason if found else ""


def test_a_vlan_network_has_the_providers_vlan_on_the_trunk():
    world, here, *_ = cloud("vlan", segmentation_id=150)
    trunk = ofport(here, TRUNK)
    (inward,) = flows(world, here, "provider.inward")
    assert inward.rpartition(",goto_table:")[0] == (
        f"table=provider_in, priority=100,in_port={trunk},dl_vlan=150 actions="
        "load:0x1->NXM_NX_REG0[],load:0x1->NXM_NX_REG4[0],pop_vlan"
    )
    assert flows(world, here, "provider.outward") == [
        f"table=provider_out, priority=100,reg0=0x1 actions=push_vlan:0x8100,mod_vlan_vid:150,output:{trunk},pop_vlan"
    ]


def test_a_flat_network_is_untagged_on_the_trunk():
    world, here, *_ = cloud("flat")
    trunk = ofport(here, TRUNK)
    assert flows(world, here, "provider.outward") == [
        f"table=provider_out, priority=100,reg0=0x1 actions=output:{trunk}"
    ]
    assert flows(world, here, "provider.inward")[0].startswith(
        f"table=provider_in, priority=100,in_port={trunk},{UNTAGGED} "
    )


@pytest.mark.parametrize("managed", [True, False])
@pytest.mark.parametrize("type", ["vlan", "flat"])
def test_ports_reach_each_other_between_a_trunk_and_a_provider_bridge(type, managed):
    world, _, one, two = cloud(type, managed)
    assert world.places(world.send(one, ethernet(MAC1, MAC2))) == [two.id]
    assert world.places(world.send(two, ethernet(MAC2, MAC1))) == [one.id]
    assert world.places(world.send(two, ethernet(MAC2, BROADCAST))) == [one.id]


def test_what_came_from_a_trunk_never_goes_back_to_it():
    world, here, *_ = cloud("vlan", segmentation_id=150)
    packet = ethernet("52:54:00:00:00:01", BROADCAST).tagged(150)
    delivery = world.wiring().send(here.bridges["br-int"].dpid, ofport(here, TRUNK), packet)
    assert {hop.dpid >> 8 for hop in delivery.hops} == {here.number}


def test_nothing_is_asked_of_the_host_but_its_integration_bridge():
    world, here, *_ = cloud()
    assert wanted_bridges(world, here) == ["br-int"]


def test_a_patch_of_the_operator_is_the_trunk_whatever_its_name():
    world = World()
    host = patched(world, "to-the-rack")
    assert uplink(world, host) == Uplink(host.bridges["br-int"].dpid, "physnet1", ofport(host, "to-the-rack"), True)
    assert world.store.net.get(Host, host.name).bridges == (("br-int", host.bridges["br-int"].dpid),)
    assert fault(world, host) == ""


def test_a_bridge_that_is_mapped_by_its_name_is_not_touched_while_its_operators_patch_is_there():
    world = World()
    host = patched(world, mappings=(("physnet1", "br0"),))
    int_dpid = host.bridges["br-int"].dpid
    assert uplink(world, host) == Uplink(int_dpid, "physnet1", ofport(host, "patch-inside"), True)
    assert wanted_bridges(world, host) == ["br-int"]
    assert world.store.net.get(Host, host.name).bridges == (("br-int", int_dpid),)
    before = dict(host.interfaces)
    for name in ("patch-inside", "patch-outside"):
        host.remove(name)
    world.bounce(host.bridges["br-int"])
    world.events.append(host.interfaces_changed(before))
    world.settle()
    assert wanted_bridges(world, host) == ["br-int", "br0", "patch"]
    assert dict(world.store.net.get(Host, host.name).bridges).keys() == {"br-int", "br0"}
    assert uplink(world, host) == Uplink(int_dpid, "physnet1", ofport(host, "int-br0"))


def test_a_patch_that_comes_later_takes_the_place_of_ours():
    world = World()
    host = world.host()
    world.settle()
    world.plug(world.port(world.network("vlan", segmentation_id=150)), host)
    world.settle()
    assert uplink(world, host).ofport == ofport(host, "int-br-eth1")
    before = dict(host.interfaces)
    host._patch("br-int", "patch-inside", "br-eth1", "patch-outside")
    for at, peer in (("patch-inside", "patch-outside"), ("patch-outside", "patch-inside")):
        host.interfaces[at] = host.interfaces[at]._replace(peer=peer)
    world.bounce(host.bridges["br-int"])
    world.events.append(host.interfaces_changed(before))
    world.settle()
    assert uplink(world, host).ofport == ofport(host, "patch-inside")
    (outward,) = flows(world, host, "provider.outward")
    assert f"mod_vlan_vid:150,output:{ofport(host, 'patch-inside')}," in outward


def test_a_patch_whose_peer_does_not_answer_is_no_trunk():
    world = World()
    host = patched(world)
    before = dict(host.interfaces)
    host.interfaces["patch-outside"] = before["patch-outside"]._replace(peer="patch-outside")
    world.events.append(host.interfaces_changed(before))
    world.settle()
    assert uplink(world, host) is None
    assert "the peer of patch port patch-inside, patch-outside, is on no other bridge" in fault(world, host)


def test_two_ports_that_may_be_meant_are_a_fault_until_one_is_named():
    world = World()
    host = patched(world)
    host._bridge("br-int").add("eth1")
    before = dict(host.interfaces)
    host._interface("br-int", "eth1")
    world.bounce(host.bridges["br-int"])
    world.events.append(host.interfaces_changed(before))
    world.settle()
    assert uplink(world, host) is None
    assert "there are eth1, patch-inside; name one, as physnet1:br-int:eth1" in fault(world, host)
    host.mappings = (("physnet1", "br-int:patch-inside"), ("physnet2", "br-int"))
    world.events.append(host.changed())
    world.settle()
    assert uplink(world, host).ofport == ofport(host, "patch-inside")
    other = world.machine.net.get(Uplink, (host.bridges["br-int"].dpid, "physnet2"))
    assert other.ofport == ofport(host, "eth1")
    assert fault(world, host) == ""


def test_a_guest_is_never_taken_for_a_trunk():
    world = World()
    host = world.host(True, TRUNK_MAPPINGS)
    world.settle()
    port = world.port(world.network("vlan"))
    host.plug("eth7", port.id)  # a VIF with a NIC's name
    host.plug("vnet7")  # one that is nobody's yet
    host.remove(TRUNK)
    world.join(host)
    world.bounce(host.bridges["br-int"])
    world.settle()
    assert uplink(world, host) is None
    for named, told in (("eth7", "eth7 is a VIF"), ("eth9", "br-int has no port eth9")):
        host.mappings = (("physnet1", f"br-int:{named}"),)
        world.events.append(host.changed())
        world.settle()
        assert uplink(world, host) is None
        assert told in fault(world, host)


def test_the_error_of_what_was_to_be_a_trunk_is_told():
    world = World()
    host = world.host(True, TRUNK_MAPPINGS)
    world.settle()
    host.remove(TRUNK)
    error = "could not open network device patch-inside (No such device)"
    row = InterfaceRow("patch-inside", "br-int", error=error)
    world.events.append(InterfacesChanged(host.name, (row,), (TRUNK,)))
    world.settle()
    assert fault(world, host).endswith(f"(patch-inside: {error})")


def test_a_port_of_another_bridge_can_not_be_named():
    world = World()
    host = world.host()
    world.settle()
    rows = host.bridge_rows()
    world.events.append(HostChanged(host.name, bridge_mappings=(("physnet1", "br-eth1:eth1"),), bridges=rows))
    world.settle()
    assert fault(world, host) == "physnet1:br-eth1:eth1: only a port of br-int can be named"


def bonded(mappings=TRUNK_MAPPINGS):
    """A host whose operator has bonded two NICs on br-int."""
    world = World()
    host = world.host(True, mappings)
    world.settle()
    host.remove(TRUNK)
    for nic in ("eth1", "eth2"):
        host._bridge("br-int").add(nic)
        host._interface("br-int", nic)
        host.interfaces[nic] = host.interfaces[nic]._replace(bond="bond0")
    world.join(host)
    world.bounce(host.bridges["br-int"])
    world.settle()
    return world, host


@pytest.mark.parametrize("mapped", ["br-int", "br-int:bond0", "br-int:eth2"])
def test_a_bond_is_no_trunk_and_its_operator_is_told_what_to_do(mapped):
    world, host = bonded((("physnet1", mapped),))
    assert uplink(world, host) is None
    told = fault(world, host)
    assert told.count("bond0 is a bond of Open vSwitch, of eth1, eth2, and OpenFlow can't balance over its NICs") == 1
    assert "bond them in Linux, or put the bond on a bridge of its own and map that" in told


def test_a_nic_beside_a_bond_is_the_trunk():
    world, host = bonded()
    before = dict(host.interfaces)
    host._bridge("br-int").add("eth3")
    host._interface("br-int", "eth3")
    world.bounce(host.bridges["br-int"])
    world.events.append(host.interfaces_changed(before))
    world.settle()
    assert uplink(world, host).ofport == ofport(host, "eth3")
    assert fault(world, host) == ""


def test_what_is_left_of_a_bond_is_a_trunk():
    world, host = bonded()
    before = dict(host.interfaces)
    host.remove("eth2")
    host.interfaces["eth1"] = host.interfaces["eth1"]._replace(bond="")
    world.events.append(host.interfaces_changed(before))
    world.settle()
    assert uplink(world, host).ofport == ofport(host, "eth1")
    assert fault(world, host) == ""
