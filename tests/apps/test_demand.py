"""Demand: a destination that a switch sends to is noted, within the sending port's rate."""

from __future__ import annotations

from apps import demand
from apps.switching import PROBES
from controller.core.derived import RemoteAddress
from controller.core.events import PacketIn
from controller.core.handlers import Rows
from controller.core.observed import WantedAddress, WantedMac
from controller.core.packet import arp_request, ethernet
from controller.core.pipeline import LAYOUT
from controller.core.settings import Settings
from tests.apps.setup import MAC1, MAC2, flows, ofport, small
from tests.world.frames import encode
from tests.world.world import name_of

PUNT = LAYOUT.by_name["punt"].id


def test_every_port_has_its_own_meter_for_copies():
    cloud = small(settings=Settings(punt_rate=42))
    port = ofport(cloud.here, name_of(cloud.one))
    assert flows(cloud.world, cloud.here, "demand.punt") == [
        f"table=punt, priority=100,in_port={port},reg4=0x2/0x2 actions=meter:{port},CONTROLLER:128"
    ]
    assert cloud.here.bridges["br-int"].switch.meters == {port: 42, PROBES: 42}
    cloud.world.unplug(cloud.one, cloud.here)
    cloud.world.settle()
    assert cloud.here.bridges["br-int"].switch.meters.keys() == {PROBES}


def test_a_meter_that_drops_takes_no_copy_from_anybody_but_the_controller():
    cloud = small()
    world = cloud.world
    number = ofport(cloud.here, name_of(cloud.one))
    closed = world.wiring().send(cloud.here.bridges["br-int"].dpid, number, ethernet(MAC1, MAC2), meters_open=False)
    assert (world.places(closed), closed.punted) == ([cloud.two.id], ())


def test_proactive_switches_ask_nothing():
    cloud = small(cidrs=(), settings=Settings(proactive=True))
    assert flows(cloud.world, cloud.here, "demand.punt") == []
    assert cloud.here.bridges["br-int"].switch.meters.keys() == {PROBES}
    assert not [flow for flow in flows(cloud.world, cloud.here, "neighbours.rules") if "priority=10," in flow]


def test_a_destination_elsewhere_is_wanted_by_its_mac():
    cloud = small()
    cloud.world.send(cloud.one, ethernet(MAC1, MAC2))
    cloud.world.settle()
    net, dpid = cloud.world.machine.net, cloud.here.bridges["br-int"].dpid
    assert list(net.all(WantedMac)) == [WantedMac(dpid, cloud.network.id, MAC2)]
    assert net.count(WantedAddress) == 0


def test_a_question_wants_the_address_and_the_mac_behind_it():
    cloud = small()
    target = cloud.two.fixed_ips[0].ip_address
    cloud.world.send(cloud.one, arp_request(MAC1, cloud.one.fixed_ips[0].ip_address, target))
    cloud.world.settle()
    net, dpid = cloud.world.machine.net, cloud.here.bridges["br-int"].dpid
    assert list(net.all(WantedMac)) == [WantedMac(dpid, cloud.network.id, MAC2)]
    assert list(net.all(RemoteAddress)) == [RemoteAddress(dpid, cloud.network.id, target, cloud.two.id)]


def test_a_destination_on_the_switch_itself_is_not_observed():
    cloud = small()
    punted = [
        PacketIn(host.bridges["br-int"].dpid, PUNT, (("reg0", 1),), encode(ethernet(MAC1, MAC2)))
        for host in (cloud.here, cloud.there)
    ]
    net = Rows(cloud.world.machine.net, cloud.world.settings)
    assert [len(list(demand.observe(net, packet))) for packet in punted] == [1, 0]


def test_unknown_and_local_and_unplugged_destinations_and_other_networks_are_not_wanted():
    cloud = small()
    world = cloud.world
    unplugged = world.port(cloud.network, mac_address="fa:16:3e:00:00:07")
    elsewhere = world.port(world.network("vxlan"), mac_address="fa:16:3e:00:00:08")
    world.plug(elsewhere, cloud.there)
    world.settle()
    dpid = cloud.here.bridges["br-int"].dpid
    for mac in ("fa:16:3e:99:99:99", MAC1, unplugged.mac_address, elsewhere.mac_address):
        for key in (1, 99):
            world.events.append(PacketIn(dpid, PUNT, (("reg0", key),), encode(ethernet(MAC1, mac))))
    world.events.append(PacketIn(dpid, PUNT, (("reg0", 1),), b"\x00"))
    world.settle()
    assert world.machine.net.count(WantedMac) == world.machine.net.count(WantedAddress) == 0
