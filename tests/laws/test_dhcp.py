"""DHCP: whatever a guest sends, nothing raises, nobody else sees it, and it is told of its own addresses alone."""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.dhcp import datagram, requests, v4_message, v6_message
from apps.dhcp_options import DhcpOption, DhcpOptions
from controller.core.derived import LocalPort
from controller.core.events import PacketIn
from controller.core.handlers import Rows
from controller.core.packet import BROADCAST, Packet, ipv4, ipv6
from tests.apps import dhcp6_client as six
from tests.apps.dhcp_client import ALL, ANY, DISCOVER, INFORM, REQUEST, ask, frame, ip, message, punted
from tests.apps.setup import MAC1, MAC2, Small, small
from tests.world.world import World

BOTH = ("10.0.0.0/24", "fd00::/64")
V4 = {"udp_src": 68, "udp_dst": 67}


@cache
def cloud() -> Small:
    """A small cloud, which no test here changes."""
    return small(cidrs=BOTH)


def answers(cloud: Small, data: bytes) -> list[Any]:
    """What a port's frame is answered with, by the handler alone: an exception is the test's."""
    world = cloud.world
    return list(requests.answer(Rows(world.machine.net, world.settings), punted(world, cloud.one, data)))


ADDRESSES = st.sampled_from((ANY, ALL, "10.0.0.1", *(fixed.ip_address for fixed in cloud().one.fixed_ips[:1])))
options = st.lists(st.tuples(st.integers(1, 254), st.binary(max_size=12)), max_size=8)
told = st.builds(
    lambda kind, more, ciaddr, wanted: frame(MAC1, *message(kind, (50, ip(wanted)), *more), ciaddr=ciaddr),
    st.integers(0, 9),
    options,
    ADDRESSES,
    ADDRESSES,
)


ADDRESSES6 = st.lists(
    st.sampled_from(("::", "ff02::1:2", "2001:db8::1", *(fixed.ip_address for fixed in cloud().one.fixed_ips[1:]))),
    max_size=3,
)
identities = st.builds(
    lambda kind, number, held: six.ia(kind, number, *held),
    st.sampled_from((six.IA_NA, six.IA_TA, six.IA_PD)),
    st.integers(0, 3),
    ADDRESSES6,
)
options6 = st.lists(
    st.one_of(
        identities,
        st.sampled_from((six.ME, (six.SERVER, six.DUID), (six.RAPID, b""), (six.ORO, b"\0\x17\0\x18\0"))),
        st.tuples(st.integers(0, 70), st.binary(max_size=12)),
    ),
    max_size=8,
)
told6 = st.builds(lambda kind, said: six.frame(MAC1, kind, *said), st.integers(0, 14), options6)


@st.composite
def damaged(draw: st.DrawFn, whole: st.SearchStrategy[bytes]) -> bytes:
    """A frame with some bytes that are others, cut or made longer."""
    data = bytearray(draw(whole))
    for _ in range(draw(st.integers(0, 6))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    end = draw(st.integers(0, len(data)))
    return bytes(data[:end]) if draw(st.booleans()) else bytes(data) + draw(st.binary(max_size=40))


def given6(data: bytes) -> set[str]:
    """The addresses that an answer gives for longer than no time at all."""
    identities = six.Answer(data).identities()
    return {address for one in identities for address, times in one.addresses.items() if any(times)}


def own(outs: list[Any]) -> None:
    """One answer at most, to the port that asked, of an address of its own or none."""
    assert len(outs) <= 1
    for out in outs:
        local = cloud().world.machine.net.get(LocalPort, cloud().one.id)
        assert (out.dpid, [action.port for action in out.actions]) == (local.dpid, [local.ofport])
        said = datagram.parse(out.data)
        if said.version == 4:
            yiaddr = datagram.word(said.payload, 16, 4)
            assert yiaddr in (0, int.from_bytes(ip(cloud().one.fixed_ips[0].ip_address), "big"))
        else:
            assert given6(out.data) <= {cloud().one.fixed_ips[1].ip_address}


@given(st.one_of(st.binary(max_size=600), damaged(told), told, damaged(told6), told6))
def test_no_frame_raises_and_none_is_answered_with_what_is_not_the_ports(data):
    own(answers(cloud(), data))


@given(st.binary(max_size=400))
def test_no_payload_and_no_list_of_options_raises(payload):
    v4_message.read(payload)
    said = v6_message.read(payload)
    assert said is None or len(said.identities) + len(said.asked) <= len(payload)
    v4_message.read(frame(MAC1, *message(DISCOVER))[42:][:240] + payload)


def test_what_is_whole_is_answered():
    """The frames that are damaged above are such that an undamaged one has an answer."""
    for kind in (DISCOVER, REQUEST, INFORM):
        assert len(answers(cloud(), frame(MAC1, *message(kind)))) == 1
    assert len(answers(cloud(), six.frame(MAC1, six.SOLICIT, six.ME, six.ia()))) == 1


@given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=60)), max_size=6), st.sampled_from((4, 6)))
def test_no_extra_option_keeps_a_guest_from_its_address(named, version):
    one = small(cidrs=BOTH)
    rows = tuple(DhcpOption(name, value, version) for name, value in named)
    one.world.write(lambda draft: draft.put(DhcpOptions(one.one.id, rows)))
    one.world.settle()
    own4, own6 = (fixed.ip_address for fixed in one.one.fixed_ips)
    assert ask(one.world, one.one, *message(DISCOVER)).bootp.yiaddr == own4
    assert list(six.ask(one.world, one.one, six.SOLICIT, six.ME, six.ia()).identities()[0].addresses) == [own6]


macs = st.sampled_from((MAC1, MAC2, "fa:16:3e:99:99:99"))
to = st.sampled_from((MAC2, BROADCAST, "33:33:00:01:00:02"))
requested = st.one_of(
    st.builds(lambda src, dst: ipv4(src, dst, ANY, ALL).but(**V4), macs, to),
    st.builds(lambda src, dst: ipv4(src, dst, "10.0.0.2", "10.0.0.3").but(**V4), macs, to),
    st.builds(lambda src, dst: ipv6(src, dst, "fe80::1", "ff02::1:2").but(udp_src=9, udp_dst=547), macs, to),
)


@given(requested, st.booleans())
def test_no_guest_sees_the_request_of_another_one(packet: Packet, meters_open: bool):
    world = cloud().world
    local = world.machine.net.get(LocalPort, cloud().one.id)
    delivery = world.wiring().send(local.dpid, local.ofport, packet, meters_open=meters_open)
    assert world.places(delivery) == []
    assert len(delivery.punted) == int(meters_open)


class Counting:
    """The rows that a handler sees, and how many it was given."""

    def __init__(self, world: World) -> None:
        self._net, self.settings, self.seen = world.machine.net, world.settings, Counter()

    def get(self, row_type: type, key: Any) -> Any:
        self.seen[row_type.__name__] += 1
        return self._net.get(row_type, key)

    def find(self, row_type: type, index: str, value: Any) -> list[Any]:
        found = self._net.find(row_type, index, value)
        self.seen[row_type.__name__] += max(1, len(found))
        return found


def looked_at(size: int, data: bytes) -> Counter:
    """What it takes to answer one guest among so many of its network, on its switch."""
    crowded = small(cidrs=("10.0.0.0/16", "fd00::/64"))
    world = crowded.world
    for _ in range(size):
        world.plug(world.port(crowded.network), crowded.here)
    world.settle()
    rows = Counting(world)
    (out,) = requests.answer(rows, punted(world, crowded.one, data))
    assert isinstance(out.data, bytes)
    return rows.seen


@pytest.mark.parametrize("data", [frame(MAC1, *message(DISCOVER)), six.frame(MAC1, six.SOLICIT, six.ME, six.ia())])
def test_an_answer_costs_the_same_among_few_and_many_ports(data):
    few = looked_at(1, data)
    assert few == looked_at(100, data)
    assert sum(few.values()) < 10


@pytest.mark.parametrize("port", [0, 999])
def test_a_packet_of_no_port_of_ours_is_not_answered(port):
    world = cloud().world
    dpid = world.machine.net.get(LocalPort, cloud().one.id).dpid
    punted_there = PacketIn(
        dpid, requests.DHCP.id, (("in_port", port),) if port else (), frame(MAC1, *message(DISCOVER))
    )
    assert list(requests.answer(Rows(world.machine.net, world.settings), punted_there)) == []
