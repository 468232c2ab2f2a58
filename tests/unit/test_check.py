"""`patchbay check`: ready, or the first table and reason that is not."""

from __future__ import annotations

import pytest
from os_ken.lib.packet import icmpv6, ipv6, packet, packet_utils

from controller.core.address import link_local, mac
from controller.core.events import Tick
from controller.core.flow import Flow
from controller.core.inspect import Inspector
from controller.core.model import Port
from controller.core.observed import Probe
from controller.core.plans import networks
from controller.core.probe import frame, nonce_of
from tests.apps.setup import MAC1, MAC2, MAC3, Small
from tests.world.world import SETTINGS, World

TYPES = ("vxlan", "gre", "geneve", "vlan", "flat", "local")


def cloud(type: str = "vxlan", protected: bool = True) -> Small:
    """Two hosts with a port each; on the first one, where packets do not get further, with both."""
    world = World()
    here, there = world.host(), world.host()
    world.settle()
    network = world.network(type)
    world.subnet(network)
    one, two = (world.port(network, protected, mac_address=mac) for mac in (MAC1, MAC2))
    world.plug(one, here)
    world.plug(two, here if type == "local" else there)
    world.settle()
    return Small(world, here, there, network, one, two)


def check(cloud: Small, *ports: Port) -> dict:
    return Inspector(cloud.world.machine, edges=cloud.world.edges()).check(*(port.id for port in ports))


def lose(cloud: Small, host, words: dict) -> Flow:
    """A flow that matches just these fields (and more) goes from a bridge, and nobody says so."""
    for bridge in host.bridges.values():
        for flow in bridge.switch.flows:
            if words.items() <= {name: value for name, value, _ in flow.match}.items():
                bridge.switch._remove(flow)
                return flow
    raise AssertionError(f"no flow has {words}")


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("protected", [True, False])
def test_a_path_that_is_whole_is_ready_and_no_guest_is_bothered(type, protected):
    made = cloud(type, protected)
    for ports in ((made.one,), (made.two,), (made.one, made.two), (made.two, made.one), (made.one, made.one)):
        assert check(made, *ports) == {"ready": True, "port": ports[-1].id, "switch": "", "table": "", "reason": ""}
    assert not [arrival for delivery in made.world.probed for arrival in delivery.reached]
    made.world.settle()
    assert not list(made.world.machine.net.all(Probe))


@pytest.mark.parametrize(
    ("words", "host", "table"),
    [
        ({"eth_src": mac(MAC1)}, "h1", "mac_guard"),
        ({"ipv6_src": link_local(mac(MAC1)), "eth_src": mac(MAC1)}, "h1", "sources"),
        ({"eth_dst": mac(MAC2)}, "h2", "switching"),
        ({"tun_id": 1}, "h2", "tunnel_in"),
    ],
)
def test_a_flow_that_a_switch_has_lost_is_named(words, host, table):
    made = cloud()
    lose(made, made.world.hypervisors[host], words)
    found = check(made, made.one, made.two)
    assert (found["ready"], found["port"]) == (False, made.one.id)
    assert (found["switch"], found["table"]) == (f"{host}/br-int", table)
    assert found["reason"].startswith(f"the switch does not have the flow table={table}, ")


def test_the_way_back_is_checked_as_well():
    made = cloud()
    lose(made, made.here, {"eth_dst": mac(MAC1)})
    found = check(made, made.one, made.two)
    assert (found["port"], found["switch"], found["table"]) == (made.two.id, "h1/br-int", "switching")


def test_a_cable_that_is_cut_is_where_the_next_switch_hears_nothing():
    made = cloud()
    made.there.local_ip = "192.0.2.99"  # nobody told us
    found = check(made, made.one, made.two)
    assert (found["switch"], found["table"]) == ("h2/br-int", "admission")
    assert found["reason"].startswith("no probe gets there: its flow table=admission, ")


def test_a_provider_bridge_is_on_the_way_of_a_vlan():
    made = cloud("vlan")
    patch = made.here.bridges["br-eth1"].number("phy-br-eth1")
    lose(made, made.here, {"in_port": patch, "vlan_vid": 0x1001})
    found = check(made, made.one, made.two)
    assert (found["switch"], found["table"]) == ("h1/br-eth1", "provider")


REASONS = {
    "down": ("it is administratively down", lambda c: c.world.change_port(c.one, admin_state_up=False)),
    "network down": (
        "its network is down",
        lambda c: c.world.write(networks.change, c.network.id, {"admin_state_up": False}),
    ),
    "unplugged": ("no VIF of it was found on any host", lambda c: c.world.unplug(c.one, c.here)),
    "away": (
        "the bridge it is plugged into, h1/br-int, is not connected",
        lambda c: c.world.disconnect(c.here.bridges["br-int"]),
    ),
}


@pytest.mark.parametrize("what", REASONS)
def test_what_the_rows_say_is_told_without_a_probe(what):
    made = cloud()
    reason, happens = REASONS[what]
    happens(made)
    made.world.settle()
    for ports in ((made.one,), (made.two, made.one)):
        found = check(made, *ports)
        about = ports[0] if what == "network down" else made.one
        assert (found["ready"], found["port"], found["reason"]) == (False, about.id, reason)
    assert made.world.probed == []


def test_ports_of_different_networks_have_no_path():
    made = cloud()
    other = made.world.network("vxlan")
    made.world.subnet(other)
    stranger = made.world.port(other, mac_address=MAC3)
    made.world.plug(stranger, made.here)
    made.world.settle()
    assert check(made, made.one, stranger)["reason"] == "the ports are in different networks"


def test_a_port_is_named_by_its_id_or_by_a_name_that_only_it_has():
    made = cloud()
    made.world.change_port(made.one, name="web")
    made.world.settle()
    inspector = Inspector(made.world.machine, edges=made.world.edges())
    assert inspector.check("web")["port"] == made.one.id
    with pytest.raises(LookupError, match="'mail' names no port"):
        inspector.check("mail")
    made.world.change_port(made.two, name="web")
    made.world.settle()
    with pytest.raises(LookupError, match="'web' names several ports"):
        inspector.check("web")


@pytest.mark.parametrize("told", [True, False])
def test_on_a_switch_without_meters_probes_are_caught_if_it_says_so_and_else_dropped(told):
    world = World(SETTINGS)
    world.has_meters, world.tells_meters = False, not told
    here = world.host()
    world.settle()
    network = world.network("local")
    world.subnet(network)
    port = world.port(network, mac_address=MAC1)
    world.plug(port, here)
    world.settle()
    for _ in range(3):
        world.events.append(Tick(100.0))
        world.settle()
    found = Inspector(world.machine, edges=world.edges()).check(port.id)
    assert found["ready"] == told
    assert not [arrival for delivery in world.probed for arrival in delivery.reached]


def test_a_probe_is_told_apart_by_its_nonce():
    assert nonce_of(frame(mac(MAC1), mac(MAC2), 0xABCDEF012345)) == 0xABCDEF012345
    assert nonce_of(frame(mac(MAC1), mac(MAC2), 1)[:-1]) is None
    assert nonce_of(b"") is None


def test_a_probe_is_what_os_ken_reads_as_an_advertisement_and_its_checksum_is_right():
    data = frame(mac(MAC1), mac(MAC2), 5)
    read = packet.Packet(data)
    said, head = read.get_protocol(icmpv6.icmpv6), read.get_protocol(ipv6.ipv6)
    assert (said.type_, said.code, said.data.res, head.hop_limit) == (136, 0, 0, 255)
    assert (head.src, said.data.dst) == ("fe80::f816:3eff:fe00:1",) * 2
    assert said.data.option.hw_src == MAC1
    assert packet_utils.checksum_ip(head, len(data) - 54, data[54:]) == 0
