"""Care-of addresses: in a VLAN or flat network both hosts get a migrating guest's packets, whatever switches know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps import port_bindings
from apps.provider.care_of import Destination, Forwarding, address
from controller.core.address import mac, mac_text
from controller.core.model import Binding
from controller.core.packet import ethernet
from tests.apps.migrating import MACS, Migration
from tests.world.hypervisor import NIC, TRUNK
from tests.world.world import MAPPINGS, SETTINGS, TRUNK_MAPPINGS, desired, installed

GUEST = MACS["guest"]


@pytest.fixture(params=[("vlan", MAPPINGS), ("flat", MAPPINGS), ("vlan", TRUNK_MAPPINGS), ("flat", TRUNK_MAPPINGS)])
def made(request):
    type, mappings = request.param
    settings = SETTINGS if mappings is MAPPINGS else replace(SETTINGS, bridge_mappings=TRUNK_MAPPINGS)
    return Migration(type, settings, mappings)


def nics(made):
    """Where packets come in from the wire."""
    found = {(bridge.dpid, bridge.number(name)) for bridge in made.world.bridges for name in (NIC, TRUNK)}
    return {place for place in found if place[1] is not None}


def asked_for(made, name):
    """The destinations of what a packet for the guest becomes on the wire."""
    there = nics(made)
    return {mac_text(hop.packet["eth_dst"]) for hop in made.sent(name).hops if (hop.dpid, hop.in_port) in there}


def test_others_send_to_both_addresses_and_after_the_first_word_to_the_care_of_address(made):
    care_of = mac_text(address(made.guest))
    assert care_of == "02:" + ":".join(made.guest.id[-10:][n : n + 2] for n in range(0, 10, 2))
    assert asked_for(made, "else") == {GUEST}
    made.prepare()
    assert asked_for(made, "else") == {GUEST, care_of}
    assert asked_for(made, "beside") == {care_of}, "the guest itself is here"
    assert asked_for(made, "there") == {GUEST}, "it comes here"
    made.speak(made.target)
    made.world.settle()
    for name in ("else", "beside"):
        assert asked_for(made, name) == {care_of}
    assert asked_for(made, "there") == set()
    made.finish()
    assert {name: asked_for(made, name) for name in ("else", "beside", "there")} == {
        "else": {GUEST},
        "beside": {GUEST},
        "there": set(),
    }
    assert installed(made.world) == desired(made.world.machine)


def test_what_gets_there_is_for_the_guests_own_address_also_when_all_is_over(made):
    made.prepare()
    for end in (lambda: None, lambda: made.speak(made.target), made.finish):
        end()
        made.world.settle()
        delivery = made.sent("else", mac_text(address(made.guest)))
        assert [(arrival.dpid, arrival.ofport) for arrival in delivery.reached] == [made.at(made.target)]
        assert delivery.reached[0].packet.frame() == ethernet(MACS["else"], GUEST)


def test_a_guest_that_goes_on_to_a_third_host_is_reached_there_only(made):
    made.prepare().finish()
    made.world.write(port_bindings.create, {"port_id": made.guest.id, "host": made.other.name})
    made.world.plug(made.guest, made.other)
    made.world.settle()
    assert made.binding.arriving == "h3"
    delivery = made.sent("beside", mac_text(address(made.guest)))
    assert [(arrival.dpid, arrival.ofport) for arrival in delivery.reached] == [made.at(made.other)]
    assert asked_for(made, "there") == {mac_text(address(made.guest))}
    assert asked_for(made, "beside") == {GUEST, mac_text(address(made.guest))}


def announce(made):
    for _ in range(2):
        made.world.tick()
        made.world.settle()


def test_switches_are_told_where_both_addresses_are(made):
    def told():
        made.world.sent.clear()
        announce(made)
        own = made.target.bridges["br-int"].dpid
        return {(out.dpid == own, out.data[6:12].hex(":")) for out in made.world.sent if out.data[12:14] == b"\x80\x35"}

    care_of = mac_text(address(made.guest))
    assert told() == set()
    made.prepare()
    assert told() == {(True, care_of)}
    made.speak(made.target)
    made.world.settle()
    assert told() == {(True, care_of), (True, GUEST)}
    made.finish()
    assert told() == set()


def test_an_announcement_is_a_rarp_request_of_the_guest(made):
    made.prepare()
    made.activate(made.target)
    announce(made)
    own = next(out.data for out in made.world.sent if out.data[6:12] == mac(GUEST).to_bytes(6, "big"))
    sender = mac(GUEST).to_bytes(6, "big")
    head = b"\xff" * 6 + sender + b"\x80\x35"
    assert own == (head + bytes.fromhex("0001080006040003") + sender + bytes(4) + sender + bytes(4)).ljust(60, b"\0")


def care_of_flows(made):
    """The flows that match the care-of address, or write it."""
    wanted = str(address(made.guest))
    flows = [flow for ledger in made.world.machine.ledgers.values() for flow in ledger.desired.values()]
    return [flow for flow in flows if wanted in repr((flow.match, flow.actions))]


def test_it_costs_one_flow_a_switch_while_it_lasts(made):
    assert care_of_flows(made) == []
    made.prepare()
    assert len(care_of_flows(made)) == 3
    made.finish()
    assert len(care_of_flows(made)) == 1, "what is on its way still gets there"
    made.world.unplug(made.guest, made.target)
    made.world.settle()
    assert care_of_flows(made) == []


def test_it_is_for_networks_of_physical_networks():
    made = Migration("vxlan").prepare()
    for cut in (lambda: None, lambda: made.speak(made.target)):
        cut()
        made.world.settle()
        assert care_of_flows(made) == []
        announce(made)
    assert made.world.sent == []


def test_rows_go_with_the_migration(made):
    net = made.world.machine.net
    assert (net.count(Forwarding), net.count(Destination)) == (0, 0)
    made.prepare()
    assert (net.count(Forwarding), net.count(Destination)) == (2, 1)
    made.activate(made.target)
    made.world.settle()
    assert (net.count(Forwarding), net.count(Destination)) == (2, 1)
    made.world.unplug(made.guest, made.source)
    made.world.write(port_bindings.delete, (made.guest.id, "h1"))
    made.world.settle()
    assert (net.count(Forwarding), net.count(Destination)) == (0, 0)
    made.world.delete_port(made.guest)
    made.world.settle()
    assert net.count(Binding) == 3
    assert installed(made.world) == desired(made.world.machine)


def test_an_operator_whose_switches_admit_no_more_addresses_does_without():
    made = Migration("vlan", replace(SETTINGS, care_of_addresses=False)).prepare()
    assert care_of_flows(made) == []
    announce(made)
    assert made.world.sent == []
    assert made.reached("else") == ["h1", "h2"]
    made.finish()
    assert care_of_flows(made) == []
    assert made.reached("else") == ["h2"]
