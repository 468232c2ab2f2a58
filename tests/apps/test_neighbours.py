"""Neighbours: ARP and Neighbor Solicitations are answered from the model, duplicate address detection is not."""

from __future__ import annotations

import pytest

from controller.core.observed import WantedAddress
from controller.core.packet import (
    BROADCAST,
    arp_reply,
    arp_request,
    neighbor_advertisement,
    neighbor_solicitation,
)
from controller.core.plans import networks
from tests.apps.setup import MAC1, MAC2, MAC3, flows, small

BOTH = ("10.0.0.0/24", "fd00::/64")


def test_the_answer_to_arp_is_a_flow():
    cloud = small()
    address = cloud.one.fixed_ips[0].ip_address
    assert flows(cloud.world, cloud.here, "neighbours.local") == [
        f"table=neighbours, priority=110,arp,reg0=0x1,reg1=0x1,arp_op=1,arp_tpa={address} actions=goto_table:dhcp",
        f"table=neighbours, priority=100,arp,reg0=0x1,reg4=0x0/0x1,arp_op=1,arp_tpa={address} "
        f"actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{MAC1}->eth_src,set_field:2->arp_op,"
        "move:NXM_NX_ARP_SHA[]->NXM_NX_ARP_THA[],move:NXM_OF_ARP_SPA[]->NXM_OF_ARP_TPA[],"
        f"set_field:{MAC1}->arp_sha,set_field:{address}->arp_spa,IN_PORT",
    ]


def test_the_answer_to_a_solicitation_is_two_flows():
    cloud = small(cidrs=("fd00::/64",))
    address = cloud.one.fixed_ips[0].ip_address
    assert flows(cloud.world, cloud.here, "neighbours.local") == [
        "table=neighbours, priority=100,icmp6,reg0=0x1,reg4=0x0/0x1,icmp_type=135,icmp_code=0,"
        f"nd_target={address},nd_options_type=1 "
        f"actions=move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[],set_field:{MAC1}->eth_src,goto_table:nd_reply"
    ]
    assert [flow for flow in flows(cloud.world, cloud.here, "neighbours.rules") if "nd_reply" in flow.split()[0]] == [
        "table=nd_reply, priority=100,icmp6,icmp_type=135,icmp_code=0 "
        "actions=move:NXM_NX_IPV6_SRC[]->NXM_NX_IPV6_DST[],move:NXM_NX_ND_TARGET[]->NXM_NX_IPV6_SRC[],"
        "set_field:136->icmpv6_type,set_field:2->nd_options_type,set_field:0x60000000->nd_reserved,resubmit(,nd_reply)",
        "table=nd_reply, priority=100,icmp6,icmp_type=136,icmp_code=0 "
        "actions=move:NXM_OF_ETH_SRC[]->NXM_NX_ND_TLL[],IN_PORT",
    ]


def test_questions_between_ports_of_one_switch_are_answered_at_once():
    cloud = small("local", BOTH)
    world = cloud.world
    peer = world.port(cloud.network, mac_address=MAC3)
    world.plug(peer, cloud.here)
    world.settle()
    for own, target in zip(cloud.one.fixed_ips, peer.fixed_ips, strict=True):
        six = ":" in own.ip_address
        ask, answer = (neighbor_solicitation, neighbor_advertisement) if six else (arp_request, arp_reply)
        delivery = world.send(cloud.one, ask(MAC1, own.ip_address, target.ip_address))
        assert world.places(delivery) == [cloud.one.id]
        assert delivery.punted == ()
        wanted = answer(MAC3, target.ip_address, MAC1, own.ip_address)
        assert delivery.reached[0].packet.frame().but(nd_sll=0) == wanted


def test_an_address_elsewhere_is_asked_for_in_the_network_and_answered_from_then_on():
    cloud = small(cidrs=BOTH)
    world = cloud.world
    for own, target in zip(cloud.one.fixed_ips, cloud.two.fixed_ips, strict=True):
        ask = neighbor_solicitation if ":" in own.ip_address else arp_request
        question = ask(MAC1, own.ip_address, target.ip_address)
        first = world.send(cloud.one, question)
        assert world.places(first) == [cloud.two.id]
        assert len(first.punted) == 1
        world.settle()
        again = world.send(cloud.one, question)
        assert world.places(again) == [cloud.one.id]
        assert again.punted == ()
    remote = flows(world, cloud.here, "neighbours.remote")
    assert [("idle_timeout=300" in flow, "IN_PORT" in flow or "nd_reply" in flow) for flow in remote] == [
        (True, True)
    ] * 2


def test_a_question_that_came_from_another_host_is_not_answered_here_too():
    cloud = small()
    world = cloud.world
    delivery = world.send(cloud.one, arp_request(MAC1, cloud.one.fixed_ips[0].ip_address, "10.0.0.99"))
    assert world.places(delivery) == [cloud.two.id]
    assert all(dpid == cloud.here.bridges["br-int"].dpid for dpid, _, _ in delivery.punted)


@pytest.mark.parametrize("who", ["probe", "announcement"])
def test_duplicate_address_detection_of_ipv4_is_not_answered(who):
    cloud = small("local")
    world = cloud.world
    peer = world.port(cloud.network, mac_address=MAC3)
    world.plug(peer, cloud.here)
    world.settle()
    own = cloud.one.fixed_ips[0].ip_address
    sender = "0.0.0.0" if who == "probe" else own
    assert world.places(world.send(cloud.one, arp_request(MAC1, sender, own))) == [peer.id]


def test_duplicate_address_detection_of_ipv6_is_not_answered():
    cloud = small("local", ("fd00::/64",))
    world = cloud.world
    peer = world.port(cloud.network, mac_address=MAC3)
    world.plug(peer, cloud.here)
    world.settle()
    own = cloud.one.fixed_ips[0].ip_address
    probe = neighbor_solicitation(MAC1, "::", own).but(nd_sll=0, nd_options_type=0)
    assert world.places(world.send(cloud.one, probe)) == [peer.id]


def test_an_address_that_moved_to_another_port_is_answered_with_the_new_mac():
    cloud = small("local")
    world = cloud.world
    peer = world.port(cloud.network, mac_address=MAC3)
    world.plug(peer, cloud.here)
    world.settle()
    address = peer.fixed_ips[0].ip_address
    world.delete_port(peer)
    other = world.port(cloud.network, mac_address="fa:16:3e:00:00:09", fixed_ips=[{"ip_address": address}])
    world.plug(other, cloud.here)
    world.settle()
    answer = world.send(cloud.one, arp_request(MAC1, cloud.one.fixed_ips[0].ip_address, address)).reached[0]
    assert answer.packet["arp_sha"] == 0xFA163E000009


@pytest.mark.parametrize("down", ["port", "network"])
def test_nobody_answers_for_what_is_down(down):
    cloud = small()
    world = cloud.world
    own, target = cloud.one.fixed_ips[0].ip_address, cloud.two.fixed_ips[0].ip_address
    world.send(cloud.one, arp_request(MAC1, own, target))
    world.settle()
    assert len(flows(world, cloud.here, "neighbours.remote")) == 1
    if down == "port":
        world.change_port(cloud.two, admin_state_up=False)
    else:
        world.write(networks.change, cloud.network.id, {"admin_state_up": False})
    world.settle()
    assert flows(world, cloud.here, "neighbours.remote") == []
    assert flows(world, cloud.there, "neighbours.local") == []


def test_wanted_addresses_survive_a_restart_and_those_of_local_ports_are_not_wanted():
    cloud = small(cidrs=BOTH)
    world = cloud.world
    for own, target in zip(cloud.one.fixed_ips, cloud.two.fixed_ips, strict=True):
        ask = neighbor_solicitation if ":" in own.ip_address else arp_request
        world.send(cloud.one, ask(MAC1, own.ip_address, target.ip_address))
    world.settle()
    wanted = set(world.machine.net.all(WantedAddress))
    assert {want.ip for want in wanted} == {fixed.ip_address for fixed in cloud.two.fixed_ips}
    world.restart()
    for host in (cloud.here, cloud.there):
        world.join(host)
        for bridge in host.bridges.values():
            world.connect(bridge)
    world.settle()
    assert set(world.machine.net.all(WantedAddress)) == wanted
    assert world.mods == []


def test_replies_and_other_traffic_go_their_way():
    cloud = small()
    reply = arp_reply(MAC1, "10.0.0.2", MAC2, "10.0.0.3")
    assert cloud.world.places(cloud.world.send(cloud.one, reply)) == [cloud.two.id]
    assert cloud.world.places(cloud.world.send(cloud.one, reply.but(eth_dst=BROADCAST))) == [cloud.two.id]
