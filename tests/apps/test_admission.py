"""Admission: in by a known port, untagged, or not at all."""

from __future__ import annotations

import pytest

from controller.core.effects import EnsureBridge, EnsureTunnel, OvsdbOps
from controller.core.packet import BROADCAST, ethernet
from controller.core.plans import networks
from tests.apps.setup import BEHIND_ADMIT, MAC1, flows, ofport, small
from tests.world.world import World, name_of


def test_a_vifs_untagged_packets_are_in_its_ports_network():
    cloud = small()
    port = ofport(cloud.here, name_of(cloud.one))
    assert flows(cloud.world, cloud.here, "admission.vif") == [
        f"table=admission, priority=100,in_port={port},vlan_tci=0x0000/0x1fff "
        f"actions=load:0x1->NXM_NX_REG0[],load:0x1->NXM_NX_REG1[],goto_table:{BEHIND_ADMIT}"
    ]


def test_patch_and_tunnel_ports_lead_to_the_tables_of_what_comes_through_them():
    cloud = small()
    patch, tunnel = ofport(cloud.here, "int-br-eth1"), ofport(cloud.here, "pb-vxlan")
    assert flows(cloud.world, cloud.here, "admission.uplink") == [
        f"table=admission, priority=90,in_port={patch} actions=goto_table:provider_in"
    ]
    assert flows(cloud.world, cloud.here, "admission.tunnel") == [
        f"table=admission, priority=90,in_port={tunnel} actions=goto_table:tunnel_in"
    ]
    assert flows(cloud.world, cloud.here, "admission.uplink", "br-eth1") == []


@pytest.mark.parametrize("down", ["port", "network"])
def test_a_port_or_network_that_is_down_sends_and_receives_nothing(down):
    cloud = small("local")
    world = cloud.world
    peer = world.port(cloud.network)
    world.plug(peer, cloud.here)
    world.settle()
    assert world.places(world.send(cloud.one, ethernet(MAC1, BROADCAST))) == [peer.id]
    if down == "port":
        world.change_port(cloud.one, admin_state_up=False)
    else:
        world.write(networks.change, cloud.network.id, {"admin_state_up": False})
    world.settle()
    assert world.send(cloud.one, ethernet(MAC1, BROADCAST)).reached == ()
    assert world.send(peer, ethernet(peer.mac_address, MAC1)).reached == ()
    assert world.send(peer, ethernet(peer.mac_address, BROADCAST)).reached == ()


def test_a_tagged_packet_and_one_from_an_unknown_port_are_dropped():
    cloud = small("local")
    world = cloud.world
    peer = world.port(cloud.network)
    world.plug(peer, cloud.here)
    world.settle()
    packet = ethernet(MAC1, peer.mac_address)
    assert world.send(cloud.one, packet.tagged(0)).reached == ()
    cloud.here.plug("stranger")
    integration = cloud.here.bridges["br-int"]
    world.tell(cloud.here)
    world.settle()
    delivery = world.wiring().send(integration.dpid, integration.number("stranger"), packet)
    assert (delivery.reached, delivery.punted, delivery.lost) == ((), (), ())


def test_every_host_gets_an_integration_bridge_that_forwards_nothing_by_itself():
    world = World()
    host = world.host(mappings=())
    effects = world.machine.step(world.events)
    changed = [world.store.carry_out(effect) for effect in effects]
    (operations,) = [e for e in world.machine.step(changed) if isinstance(e, OvsdbOps)]
    assert operations.host == host.name
    assert operations.operations == (
        EnsureBridge(
            "br-int", fail_mode="secure", protocols=("OpenFlow14",), disable_in_band=True, controller="tcp:AUTO:6653"
        ),
        EnsureTunnel("br-int", "pb-vxlan", "vxlan", "192.0.2.1"),
    )
