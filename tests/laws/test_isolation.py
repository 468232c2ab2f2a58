"""Law 7: a packet stays in its network, and reaches every port of it exactly once."""

from __future__ import annotations

from hypothesis import assume, given
from hypothesis import strategies as st

from controller.core.derived import LocalPort, Uplink
from controller.core.model import TUNNEL_TYPES, Host, Network, Port, Segment
from controller.core.net import Net
from controller.core.packet import (
    BROADCAST,
    arp_reply,
    arp_request,
    ethernet,
    ipv4,
    ipv6,
    neighbor_advertisement,
    neighbor_solicitation,
)
from controller.core.segments import segments_of
from controller.core.settings import Settings
from tests import strategies as s
from tests.world.world import SETTINGS, World

IPV4 = ("10.0.0.2", "10.0.0.3", "10.0.0.9", "192.0.2.200")
IPV6 = ("fd00::2", "fd00::3", "fd00::99")
UNKNOWN = "fa:16:3e:99:99:99"
MULTICAST = "01:00:5e:00:00:05"
ADDRESSED = (*s.MACS, UNKNOWN, BROADCAST, MULTICAST, "33:33:00:00:00:01")
VIDS = (1, 2, 3, 100, 101, 102)
PROACTIVE = Settings(vlan_ranges=SETTINGS.vlan_ranges, bridge_mappings=SETTINGS.bridge_mappings, proactive=True)

packets = st.one_of(
    st.builds(ethernet, st.sampled_from(s.MACS), st.sampled_from(ADDRESSED)),
    st.builds(arp_request, st.sampled_from(s.MACS), st.sampled_from(IPV4), st.sampled_from(IPV4)),
    st.builds(
        arp_reply, st.sampled_from(s.MACS), st.sampled_from(IPV4), st.sampled_from(s.MACS), st.sampled_from(IPV4)
    ),
    st.builds(neighbor_solicitation, st.sampled_from(s.MACS), st.sampled_from(IPV6), st.sampled_from(IPV6)),
    st.builds(ipv4, st.sampled_from(s.MACS), st.sampled_from(ADDRESSED), st.sampled_from(IPV4), st.sampled_from(IPV4)),
    st.builds(ipv6, st.sampled_from(s.MACS), st.sampled_from(ADDRESSED), st.sampled_from(IPV6), st.sampled_from(IPV6)),
)
"""What any guest may send: its own source or not, to anybody."""


@st.composite
def crowded(draw: st.DrawFn) -> tuple[tuple[bool, ...], tuple[s.Action, ...]]:
    """Two to three networks on the same hosts, with equal MACs and equal addresses."""
    managed = draw(st.sampled_from(s.HOSTS))
    actions: list[s.Action] = []
    count = draw(st.sampled_from((2, 3)))
    for number in range(count):
        actions += [("network", draw(st.sampled_from(s.NETWORK_TYPES))), ("subnet", number, 4), ("subnet", number, 6)]
    for number in range(count * draw(st.sampled_from((2, 3)))):
        actions += [("port", number % count, number // count), ("plug", number, draw(s.few))]
    return managed, (*actions, *draw(st.lists(s.changed, max_size=5)))


def build(cloud: tuple[tuple[bool, ...], tuple[s.Action, ...]], settings: Settings = SETTINGS) -> World:
    world = s.build(cloud, World(settings))
    world.tick()
    return world.settle()


def local(world: World, port: Port) -> LocalPort | None:
    return world.machine.net.get(LocalPort, port.id)


def up(world: World, port: Port) -> bool:
    network = world.store.net.get(Network, port.network_id)
    return network is not None and port.admin_state_up and network.admin_state_up and local(world, port) is not None


def joined(world: World, one: Port, other: Port) -> bool:
    """Whether a packet can get from a port to another one of its network, by what their hosts have."""
    net, here, there = world.machine.net, local(world, one), local(world, other)
    if here is None or there is None or not (up(world, one) and up(world, other)):
        return False
    if here.host == there.host:
        return True
    segment, *more = segments_of(net, one.network_id)
    if segment.network_type in ("flat", "vlan"):
        wire = used(net, here, [segment, *more])
        return wire is not None and wire == used(net, there, [segment, *more])
    if segment.network_type in TUNNEL_TYPES:
        ips = [net.get(Host, at.host).local_ip for at in (here, there)]
        return (":" in ips[0]) == (":" in ips[1])
    return False


def used(net: Net, at: LocalPort, segments: list[Segment]) -> Segment | None:
    """The segment that a host uses: the first that it has a bridge for."""
    found = (segment for segment in segments if net.get(Uplink, (at.dpid, segment.physical_network)) is not None)
    return next(found, None)


def members(world: World, port: Port) -> list[str]:
    """The ids of all ports that a broadcast of this one shall reach."""
    ports = world.machine.net.find(Port, "network_id", port.network_id)
    return sorted(peer.id for peer in ports if peer.id != port.id and joined(world, port, peer))


def plugged(world: World) -> list[Port]:
    return [port for port in s.all_ports(world) if local(world, port) is not None]


@given(crowded(), st.lists(st.tuples(s.few, packets, st.sampled_from((0, *VIDS))), min_size=4, max_size=8))
def test_no_packet_gets_from_one_network_to_another(cloud, sent):
    world = build(cloud)
    ports = plugged(world)
    assume(ports)
    for number, packet, vid in sent:
        port = s.pick(ports, number)
        delivery = world.send(port, packet.tagged(vid) if vid else packet)
        reached = {world.machine.net.get(Port, id).network_id for id in world.places(delivery)}
        assert reached <= {port.network_id}
        if vid or not up(world, port):
            assert not delivery.reached
        # What a guest made the controller see must not open a way, either.
        world.settle()


@given(crowded(), s.few, st.sampled_from((SETTINGS, PROACTIVE)))
def test_every_port_reaches_every_other_of_its_network_once_before_and_after_its_flow_is_there(cloud, which, settings):
    world = build(cloud, settings)
    ports = plugged(world)
    assume(ports)
    port = s.pick(ports, which)
    for peer in world.machine.net.find(Port, "network_id", port.network_id):
        if peer.id == port.id:
            continue
        wanted = [peer.id] if joined(world, port, peer) else []
        packet = ethernet(port.mac_address, peer.mac_address)
        assert world.places(world.send(port, packet)) == wanted
        world.settle()
        again = world.send(port, packet)
        assert world.places(again) == wanted
        if wanted and up(world, peer):
            assert not again.punted
            assert not again.lost
        world.settle()


@given(crowded(), s.few)
def test_a_broadcast_reaches_every_port_of_its_network_once_and_an_unknown_unicast_none(cloud, which):
    world = build(cloud)
    ports = plugged(world)
    assume(ports)
    port = s.pick(ports, which)
    for address in (BROADCAST, MULTICAST):
        assert world.places(world.send(port, ethernet(port.mac_address, address))) == members(world, port)
    assert world.places(world.send(port, ethernet(port.mac_address, UNKNOWN))) == []


@given(crowded(), s.few, s.few)
def test_a_question_for_an_address_is_answered_or_reaches_its_owner(cloud, which, whom):
    world = build(cloud)
    ports = plugged(world)
    assume(ports)
    port = s.pick(ports, which)
    peers = [peer for peer in plugged(world) if peer.network_id == port.network_id and joined(world, port, peer)]
    peer = s.pick([peer for peer in peers if peer.id != port.id], whom)
    assume(peer is not None)
    pairs = [(a.ip_address, b.ip_address) for a in port.fixed_ips for b in peer.fixed_ips]
    for source, target in pairs:
        if (":" in source) != (":" in target):
            continue
        question = (neighbor_solicitation if ":" in source else arp_request)(port.mac_address, source, target)
        assert peer.id in (asked := world.places(world.send(port, question))) or asked == [port.id]
        world.settle()
        answer = world.send(port, question)
        assert world.places(answer) == [port.id]
        told = neighbor_advertisement if ":" in source else arp_reply
        # nd_sll: the option's place in the packet now holds nd_tll.
        assert answer.reached[0].packet.frame().but(nd_sll=0) == told(
            peer.mac_address, target, port.mac_address, source
        )


@given(st.sampled_from((*TUNNEL_TYPES, "vlan", "flat")), st.booleans(), st.booleans())
def test_a_port_that_moved_gets_its_packets_at_the_new_place(type, managed, asked):
    world = World()
    one, two, three = world.host(), world.host(managed), world.host(managed)
    world.settle()
    network = world.network(type)
    world.subnet(network)
    port, peer = world.port(network), world.port(network)
    world.plug(port, one)
    world.plug(peer, two)
    world.settle()
    packet = ethernet(port.mac_address, peer.mac_address)
    for _ in range(asked):
        world.send(port, packet)
        world.settle()
    world.unplug(peer, two)
    world.plug(peer, three)
    world.settle()
    assert local(world, peer).host == three.name
    delivery = world.send(port, packet)
    assert world.places(delivery) == [peer.id]
    assert {arrival.dpid for arrival in delivery.reached} == {three.bridges["br-int"].dpid}
