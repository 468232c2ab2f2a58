"""Tunnel networks: exact flows where they are asked for, replication to the network's hosts where not."""

from __future__ import annotations

import pytest

from apps import tunnel
from controller.core.address import ip
from controller.core.derived import NetworkOnHost, NetworkOnSwitch, RemotePort, TunnelPort
from controller.core.effects import EnsureTunnel, FlowMods, RemovePort
from controller.core.engine import View
from controller.core.flow import Flow, Goto, Output, SetField
from controller.core.model import TUNNEL_TYPES, Network, Segment
from controller.core.net import Net
from controller.core.observed import WantedMac
from controller.core.packet import BROADCAST, ethernet
from controller.core.plans import networks
from controller.core.settings import Settings
from controller.core.simulate import ModelSwitch
from tests.apps.setup import BEHIND_ADMIT, MAC1, MAC2, flows, ofport, small
from tests.world.world import name_of


@pytest.mark.parametrize(("type", "code"), [("vxlan", 0x10), ("gre", 0x20), ("geneve", 0x30)])
def test_the_flows_of_a_tunnel_network(type, code):
    cloud = small(type, segmentation_id=700)
    world, port = cloud.world, ofport(cloud.here, f"pb-{type}")
    assert flows(world, cloud.here, "tunnel.inward") == [
        f"table=tunnel_in, priority=100,in_port={port},tun_id=0x2bc "
        f"actions=load:0x1->NXM_NX_REG0[],load:0x1->NXM_NX_REG4[0],goto_table:{BEHIND_ADMIT}"
    ]
    visit = "load:0x1->NXM_NX_REG2[16..31],resubmit(,tunnel_out),load:0x0->NXM_NX_REG2[16..31]"
    assert flows(world, cloud.here, "tunnel.replicate") == [
        "table=tunnel_out, priority=30,reg0=0x1,reg2=0x10000/0xffff0000 "
        f"actions=set_field:0x2bc->tun_id,set_field:192.0.2.2->tun_dst,output:{port}",
        "table=tunnel_out, priority=20,reg0=0x1,dl_dst=01:00:00:00:00:00/01:00:00:00:00:00 actions=" + visit,
        f"table=tunnel_out, priority=10,reg0=0x1 actions={visit},load:0x1->NXM_NX_REG4[1],resubmit(,punt)",
    ]
    leaving = f"table=tunnel_port, priority=100,reg4={code:#x}/0xf0 actions=output:{port}"
    usual = ofport(cloud.here, "pb-vxlan")  # there from the start, as tenants' networks get this type
    assert flows(world, cloud.here, "tunnel.leave") == sorted(
        {f"table=tunnel_port, priority=100,reg4=0x10/0xf0 actions=output:{usual}", leaving}
    )
    assert flows(world, cloud.here, "tunnel.unicast") == []
    world.send(cloud.one, ethernet(MAC1, MAC2))
    world.settle()
    assert flows(world, cloud.here, "tunnel.unicast") == [
        f"table=tunnel_out, idle_timeout=300, priority=100,reg0=0x1,dl_dst={MAC2} actions=set_field:0x2bc->tun_id,"
        f"set_field:192.0.2.2->tun_dst,load:{code >> 4:#x}->NXM_NX_REG4[4..7],goto_table:tunnel_port"
    ]


def test_all_that_a_network_needs_goes_in_one_bundle_with_its_first_vif():
    cloud = small("vxlan")
    network = cloud.world.network("vxlan")
    cloud.world.plug(cloud.world.port(network), cloud.there)
    cloud.world.settle()
    before = len(cloud.world.mods)
    cloud.world.plug(cloud.world.port(network), cloud.here)
    cloud.world.settle()
    dpid = cloud.here.bridges["br-int"].dpid
    (bundle,) = [mods for mods in cloud.world.mods[before:] if mods.dpid == dpid]
    assert SetField("tun_dst", ip(cloud.there.local_ip)) in {action for flow in bundle.add for action in flow.actions}


def test_an_ipv6_underlay():
    cloud = small("vxlan")
    for host, address in ((cloud.here, "2001:db8::1"), (cloud.there, "2001:db8::2")):
        host.local_ip = address
        cloud.world.events.append(host.changed())
    cloud.world.settle()
    assert "set_field:2001:db8::2->tun_ipv6_dst" in flows(cloud.world, cloud.here, "tunnel.replicate")[0]
    for _ in range(2):
        assert cloud.world.places(cloud.world.send(cloud.one, ethernet(MAC1, MAC2))) == [cloud.two.id]
        cloud.world.settle()


def test_hosts_of_the_other_address_family_and_hosts_without_an_address_get_no_copies():
    cloud = small("vxlan")
    for address in ("2001:db8::2", ""):
        cloud.there.local_ip = address
        cloud.world.events.append(cloud.there.changed())
        cloud.world.settle()
        assert all("tun_id" not in flow for flow in flows(cloud.world, cloud.here, "tunnel.replicate"))


def test_a_wanted_port_whose_host_has_no_address_has_no_exact_flow():
    cloud = small("vxlan")
    cloud.world.send(cloud.one, ethernet(MAC1, MAC2))
    cloud.world.settle()
    cloud.there.local_ip = ""
    cloud.world.events.append(cloud.there.changed())
    cloud.world.settle()
    assert flows(cloud.world, cloud.here, "tunnel.unicast") == []


def test_a_packet_out_of_a_tunnel_never_goes_into_one():
    cloud = small("vxlan")
    world = cloud.world
    third = world.host()
    world.settle()
    port = world.port(cloud.network)
    world.plug(port, third)
    world.settle()
    delivery = world.send(cloud.one, ethernet(MAC1, BROADCAST))
    assert world.places(delivery) == sorted([cloud.two.id, port.id])
    assert sorted(hop.dpid >> 8 for hop in delivery.hops) == [1, 2, 3]


def test_the_exact_flow_goes_when_the_destination_is_down_and_comes_back_with_it():
    cloud = small("vxlan")
    world = cloud.world
    world.send(cloud.one, ethernet(MAC1, MAC2))
    world.settle()
    world.change_port(cloud.two, admin_state_up=False)
    world.settle()
    assert flows(world, cloud.here, "tunnel.unicast") == []
    world.change_port(cloud.two, admin_state_up=True)
    world.settle()
    assert len(flows(world, cloud.here, "tunnel.unicast")) == 1
    world.write(networks.change, cloud.network.id, {"admin_state_up": False})
    world.settle()
    assert flows(world, cloud.here, "tunnel.unicast") == flows(world, cloud.here, "tunnel.replicate") == []


def test_a_network_of_very_many_hosts_is_replicated_to_in_several_flows():
    """A flow-mod has at most 64 kB (OpenFlow 1.4, 7.1), which is room for some 1600 hosts."""
    net = Net([Network("n", key=1), Segment("s", "n", "vxlan", None, 7), TunnelPort(5, "vxlan", 3)])
    for number in range(901):
        name = f"h{number:03d}"
        net.apply(net.change(NetworkOnHost(name, "n", 1, f"198.18.{number >> 8}.{number & 255}")))
    made = list(tunnel.replicate(View(net, Settings()), NetworkOnSwitch(5, "n", "h000", "INT")))
    copies = [sum(isinstance(action, Output) for action in flow.actions) for flow in made]
    assert sorted(copies) == [0, 0, 100, 400, 400]
    switch = ModelSwitch(made)
    start = {"reg0": 1, "in_port": 9}
    table = tunnel.TUNNEL_OUT.id
    for packet in (ethernet(MAC1, BROADCAST), ethernet(MAC1, MAC2)):
        # A flow in table 0 that stands for the stages before.
        switch.apply(FlowMods(5, 1, add=(Flow(0, 1, (), [Goto(table)]),)))
        reached = {copy["tun_dst"] for port, copy in switch.run(packet.but(**start)).outputs if port == 3}
        assert len(switch.run(packet.but(**start)).outputs) == len(reached) == 900


def test_hosts_have_the_tunnel_ports_of_the_types_that_networks_get_by_themselves_from_the_start():
    cloud = small("local")
    for host in (cloud.here, cloud.there):
        assert [row.type for row in host.interfaces.values() if row.type in TUNNEL_TYPES] == ["vxlan"]


def test_hosts_have_a_tunnel_port_of_another_type_while_they_have_a_network_of_it():
    cloud = small("geneve")
    world = cloud.world
    wanted = world.machine.wants._wanted[cloud.here.name]
    assert EnsureTunnel("br-int", "pb-geneve", "geneve", "192.0.2.1") in wanted
    assert [row.type for row in cloud.here.interfaces.values() if row.name == "pb-geneve"] == ["geneve"]
    world.unplug(cloud.one, cloud.here)
    world.settle()
    assert "pb-geneve" not in cloud.here.interfaces
    assert [operation.port for operation in wanted if isinstance(operation, EnsureTunnel)] == ["pb-vxlan"]
    assert not any(isinstance(operation, RemovePort) for operation in wanted)


def test_a_new_local_ip_changes_the_tunnel_port_in_place():
    cloud = small("vxlan")
    number = ofport(cloud.here, "pb-vxlan")
    cloud.here.local_ip = "192.0.2.55"
    cloud.world.events.append(cloud.here.changed())
    cloud.world.settle()
    assert ofport(cloud.here, "pb-vxlan") == number


def test_what_is_wanted_is_read_from_the_flows_that_stand_in_a_switch():
    cloud = small("vxlan")
    world = cloud.world
    world.send(cloud.one, ethernet(MAC1, MAC2))
    world.settle()
    dpid = cloud.here.bridges["br-int"].dpid
    world.restart()
    for host in (cloud.here, cloud.there):
        world.join(host)
        for bridge in host.bridges.values():
            world.connect(bridge)
    world.settle()
    assert list(world.machine.net.all(WantedMac)) == [WantedMac(dpid, cloud.network.id, MAC2)]
    assert world.machine.net.find(RemotePort, "port_id", cloud.two.id)
    assert name_of(cloud.one) in cloud.here.interfaces
