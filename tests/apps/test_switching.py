"""Switching: known MACs by their own flow, broadcast to the members and no further."""

from __future__ import annotations

from controller.core.packet import BROADCAST, ethernet
from tests.apps.setup import MAC1, MAC2, flows, ofport, small
from tests.world.world import name_of


def test_a_local_mac_leads_to_its_openflow_port():
    cloud = small()
    port = ofport(cloud.here, name_of(cloud.one))
    assert flows(cloud.world, cloud.here, "switching.unicast") == [
        f"table=switching, priority=100,reg0=0x1,dl_dst={MAC1} "
        f"actions=load:{port:#x}->NXM_NX_REG2[0..15],goto_table:deliver"
    ]


PROBE = "icmp6,icmp_type=136,icmp_code=0,nd_reserved=0x504250"


def test_what_holds_for_every_network():
    cloud = small()
    assert flows(cloud.world, cloud.here, "switching.rules") == [
        "table=switching, priority=50,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=goto_table:flood",
        "table=switching, priority=20,reg4=0x1/0x1 actions=drop",
        f"table=deliver, priority=100,{PROBE} actions=meter:65280,CONTROLLER:65535",
        f"table=deliver, priority=90,{PROBE} actions=drop",
        "table=deliver, priority=1 actions=output:NXM_NX_REG2[0..15]",
    ]
    assert flows(cloud.world, cloud.here, "switching.rules", "br-eth1") == []


def test_a_flood_set_is_local_ports_then_other_hosts_then_the_controller():
    cloud = small()
    port = ofport(cloud.here, name_of(cloud.one))
    assert flows(cloud.world, cloud.here, "switching.flood_set") == [
        "table=flood, priority=100,reg0=0x1,reg2=0x0/0xffff0000,reg4=0x0/0x1 actions=load:0x1->NXM_NX_REG2[16..31],"
        "resubmit(,flood),load:0x0->NXM_NX_REG2[16..31],resubmit(,provider_out),resubmit(,punt)",
        "table=flood, priority=100,reg0=0x1,reg2=0x0/0xffff0000,reg4=0x1/0x1 actions=load:0x1->NXM_NX_REG2[16..31],"
        "resubmit(,flood)",
    ]
    assert flows(cloud.world, cloud.here, "switching.flood_chunk") == [
        "table=flood, priority=100,reg0=0x1,reg2=0x10000/0xffff0000 "
        f"actions=load:{port:#x}->NXM_NX_REG2[0..15],resubmit(,deliver)"
    ]


def test_a_flood_set_of_many_ports_is_in_chunks_and_reaches_all_of_them():
    cloud = small("local")
    world = cloud.world
    ports = [world.port(cloud.network) for _ in range(140)]
    for port in ports:
        world.plug(port, cloud.here)
    world.settle()
    chunks = flows(world, cloud.here, "switching.flood_chunk")
    assert sorted(flow.count("resubmit(,deliver)") for flow in chunks) == [16, 61, 64]
    assert world.places(world.send(cloud.one, ethernet(MAC1, BROADCAST))) == sorted(port.id for port in ports)
    world.change_port(ports[70], admin_state_up=False)
    world.settle()
    reached = world.places(world.send(cloud.one, ethernet(MAC1, BROADCAST)))
    assert reached == sorted(port.id for port in ports if port.id != ports[70].id)


def test_a_packet_never_leaves_by_the_port_that_it_came_in_by():
    cloud = small("local")
    assert cloud.world.send(cloud.one, ethernet(MAC2, MAC1)).reached == ()


def test_two_ports_on_one_switch_reach_each_other_without_the_controller():
    cloud = small("local")
    peer = cloud.world.port(cloud.network)
    cloud.world.plug(peer, cloud.here)
    cloud.world.settle()
    delivery = cloud.world.send(cloud.one, ethernet(MAC1, peer.mac_address))
    assert (cloud.world.places(delivery), delivery.punted) == ([peer.id], ())


def test_a_changed_mac_is_followed_at_once():
    cloud = small("local")
    world, peer = cloud.world, cloud.world.port(cloud.network)
    world.plug(peer, cloud.here)
    world.settle()
    old = peer.mac_address
    world.change_port(peer, mac_address="fa:16:3e:00:00:99")
    world.settle()
    assert world.places(world.send(cloud.one, ethernet(MAC1, "fa:16:3e:00:00:99"))) == [peer.id]
    assert world.send(cloud.one, ethernet(MAC1, old)).reached == ()
