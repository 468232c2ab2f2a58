"""Provider networks: provider VLAN to local VLAN on br-int, local to provider on br-eth*."""

from __future__ import annotations

import pytest

from controller.core.effects import EnsureBridge, EnsurePatch
from controller.core.model import Network
from controller.core.packet import BROADCAST, ethernet
from controller.core.plans import networks
from tests.apps.setup import BEHIND_ADMIT, MAC1, MAC2, flows, ofport, small
from tests.world.hypervisor import NIC
from tests.world.world import World

UNTAGGED = "vlan_tci=0x0000/0x1fff"


def test_a_vlan_network_on_br_int():
    cloud = small("vlan", segmentation_id=150)
    patch = ofport(cloud.here, "int-br-eth1")
    assert flows(cloud.world, cloud.here, "provider.inward") == [
        f"table=provider_in, priority=100,in_port={patch},dl_vlan=150 actions=mod_vlan_vid:1,"
        f"load:0x1->NXM_NX_REG0[],load:0x1->NXM_NX_REG4[0],pop_vlan,goto_table:{BEHIND_ADMIT}"
    ]
    assert flows(cloud.world, cloud.here, "provider.outward") == [
        f"table=provider_out, priority=100,reg0=0x1 actions=push_vlan:0x8100,mod_vlan_vid:1,output:{patch},pop_vlan"
    ]


def test_a_vlan_network_on_br_eth():
    cloud = small("vlan", segmentation_id=150)
    patch = ofport(cloud.here, "phy-br-eth1", "br-eth1")
    assert flows(cloud.world, cloud.here, "provider.translate", "br-eth1") == [
        f"table=provider, priority=4,in_port={patch},dl_vlan=1 actions=mod_vlan_vid:150,NORMAL"
    ]
    assert flows(cloud.world, cloud.here, "provider.closed", "br-eth1") == [
        f"table=provider, priority=2,in_port={patch} actions=drop"
    ]
    assert flows(cloud.world, cloud.here, "provider.normal", "br-eth1") == ["table=provider, priority=0 actions=NORMAL"]
    assert flows(cloud.world, cloud.here, "provider.normal") == flows(cloud.world, cloud.here, "provider.closed") == []


def test_a_flat_network_is_untagged_on_the_wire():
    cloud = small("flat")
    patch, phy = ofport(cloud.here, "int-br-eth1"), ofport(cloud.here, "phy-br-eth1", "br-eth1")
    assert flows(cloud.world, cloud.here, "provider.inward") == [
        f"table=provider_in, priority=100,in_port={patch},{UNTAGGED} "
        f"actions=load:0x1->NXM_NX_REG0[],load:0x1->NXM_NX_REG4[0],goto_table:{BEHIND_ADMIT}"
    ]
    assert flows(cloud.world, cloud.here, "provider.translate", "br-eth1") == [
        f"table=provider, priority=4,in_port={phy},dl_vlan=1 actions=pop_vlan,NORMAL"
    ]


def test_what_needs_the_local_vlan_waits_until_the_first_port_is_bound():
    world = World()
    here = world.host()
    world.settle()
    network = world.network("vlan", segmentation_id=150)
    port = world.port(network)
    world.plug(port, here)
    world.step(len(world.events))
    units = ("provider.inward", "provider.outward", "switching.flood_set")
    assert [len(flows(world, here, unit)) for unit in units] == [0, 0, 2]
    world.settle()
    assert [len(flows(world, here, unit)) for unit in units] == [1, 1, 2]


@pytest.mark.parametrize(("type", "vid"), [("vlan", 0x1000 | 150), ("flat", 0)])
def test_what_is_on_the_wire_has_the_providers_vlan(type, vid):
    cloud = small(type, **({"segmentation_id": 150} if type == "vlan" else {}))
    world = cloud.world
    delivery = world.send(cloud.one, ethernet(MAC1, MAC2))
    assert world.places(delivery) == [cloud.two.id]
    came_in = [hop for hop in delivery.hops if hop.in_port == ofport(cloud.there, NIC, "br-eth1") and hop.depth == 2]
    assert [hop.packet["vlan_vid"] for hop in came_in] == [vid]
    assert [arrival.packet["vlan_vid"] for arrival in delivery.reached] == [0]


@pytest.mark.parametrize("type", ["vlan", "flat"])
def test_a_machine_on_the_physical_network_reaches_the_ports_and_not_those_of_other_networks(type):
    cloud = small(type)
    world = cloud.world
    other = world.port(world.network("vlan", segmentation_id=160), mac_address=MAC1)
    world.plug(other, cloud.here)
    world.settle()
    bridge = cloud.here.bridges["br-eth1"]
    packet = ethernet("52:54:00:00:00:01", BROADCAST)
    segmentation_id = 100 if type == "vlan" else 0
    delivery = world.wiring().send(bridge.dpid, bridge.number(NIC), packet.tagged(100) if segmentation_id else packet)
    assert world.places(delivery) == [cloud.one.id]
    unknown = world.wiring().send(bridge.dpid, bridge.number(NIC), packet.tagged(101))
    assert unknown.reached == ()


def test_what_came_from_the_wire_never_goes_back_to_it():
    cloud = small("vlan", segmentation_id=150)
    bridge = cloud.here.bridges["br-eth1"]
    packet = ethernet("52:54:00:00:00:01", "52:54:00:00:00:02").tagged(150)
    delivery = cloud.world.wiring().send(bridge.dpid, bridge.number(NIC), packet)
    assert (delivery.reached, delivery.punted) == ((), ())
    assert {hop.dpid >> 8 for hop in delivery.hops} == {cloud.here.number}


def test_a_default_flow_of_somebody_else_on_br_eth_stays_theirs():
    cloud = small("vlan")
    bridge = cloud.here.bridges["br-eth1"]
    theirs = (0, 0, 0x77, "")
    bridge.switch.foreign.add(theirs)
    cloud.world.reread(bridge)
    cloud.world.settle()
    assert flows(cloud.world, cloud.here, "provider.normal", "br-eth1") == []
    assert bridge.switch.foreign == {theirs}
    bridge.switch.foreign.clear()
    cloud.world.reread(bridge)
    cloud.world.settle()
    assert len(flows(cloud.world, cloud.here, "provider.normal", "br-eth1")) == 1


def test_a_network_that_is_down_leaves_nothing_on_either_bridge():
    cloud = small("vlan")
    cloud.world.write(networks.change, cloud.network.id, {"admin_state_up": False})
    cloud.world.settle()
    assert flows(cloud.world, cloud.here, "provider.translate", "br-eth1") == []
    for unit in ("provider.inward", "provider.outward"):
        assert flows(cloud.world, cloud.here, unit) == []


def test_a_host_without_the_physical_network_does_not_carry_it():
    cloud = small("vlan")
    cloud.here.mappings = (("physnet2", "br-eth1"),)
    cloud.world.events.append(cloud.here.changed())
    cloud.world.settle()
    assert flows(cloud.world, cloud.here, "provider.inward") == []
    assert cloud.world.send(cloud.one, ethernet(MAC1, MAC2)).reached == ()


def test_mapped_bridges_are_ours_to_program_and_joined_to_br_int():
    cloud = small("vlan")
    wanted = cloud.world.machine.wants._wanted[cloud.here.name]
    assert EnsurePatch("br-int", "int-br-eth1", "br-eth1", "phy-br-eth1") in wanted
    bridge = next(o for o in wanted if isinstance(o, EnsureBridge) and o.name == "br-eth1")
    # The operator's fail mode stays; ours is a service connection, so NORMAL goes on without us.
    assert (bridge.fail_mode, bridge.controller_type) == (None, "service")
    assert cloud.world.store.net.count(Network) == 1
