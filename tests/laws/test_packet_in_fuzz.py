"""Law: guests make the bytes of packet-ins, and no handler raises, whatever they are."""

from __future__ import annotations

from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from controller.core import probe
from controller.core.address import mac
from controller.core.derived import ArrivingPort, LocalPort
from controller.core.effects import Observe, PacketOut
from controller.core.events import PacketIn
from controller.core.handlers import Rows
from controller.core.net import Change
from controller.core.observed import Probe
from controller.core.packet import arp_request, ethernet, neighbor_solicitation
from tests.apps import dhcp6_client as six
from tests.apps.dhcp_client import DISCOVER, frame, message
from tests.apps.setup import MAC1, MAC2, Small, small
from tests.apps.test_address_holders import allow
from tests.apps.test_router_advertisements import solicitation
from tests.world.frames import encode
from tests.world.world import APPS

HANDLERS = {key: handler for app in APPS for key, handler in app.packet_handlers.items()}
NONCE = 7
ANOTHER = "10.0.0.100"
"""An address that a port may have beside its own."""
EXTENSIONS = (0, 43, 44, 50, 51, 60, 135, 139, 140)
"""IPv6 extension headers (IANA): hop-by-hop, routing, fragment, ESP, AH, destination, mobility, HIP, shim6."""


@cache
def cloud() -> Small:
    """A small cloud with a probe and a migration under way, which no test here changes."""
    made = small(cidrs=("10.0.0.0/24", "fd00::/64"))
    slaac = {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"}
    made.world.subnet(made.network, "fd01::/64", gateway_ip="fd01::1", **slaac)
    allow(made.world, made.one, ANOTHER)
    net = made.world.machine.net
    net.apply(Change(None, Probe(NONCE, made.one.id, made.two.id)))
    local = net.get(LocalPort, made.one.id)
    net.apply(Change(None, ArrivingPort(made.two.id, local.dpid, local.ofport, made.network.id, local.host)))
    return made


@cache
def whole() -> tuple[bytes, ...]:
    """Frames that handlers know."""
    four, six_of_one = (fixed.ip_address for fixed in cloud().one.fixed_ips)
    other_four, other_six = (fixed.ip_address for fixed in cloud().two.fixed_ips)
    return (
        encode(arp_request(MAC1, four, other_four)),
        encode(neighbor_solicitation(MAC1, six_of_one, other_six)),
        encode(ethernet(MAC1, MAC2)),
        frame(MAC1, *message(DISCOVER)),
        six.frame(MAC1, six.SOLICIT, six.ME, six.ia()),
        solicitation(),
        encode(arp_request(MAC1, ANOTHER, ANOTHER)),
        probe.frame(mac(MAC1), mac(MAC2), NONCE),
    )


@st.composite
def extended(draw: st.DrawFn) -> bytes:
    """An IPv6 frame with headers between, as long as they say or not."""
    data = draw(st.sampled_from([data for data in whole() if data[12:14] == b"\x86\xdd"]))
    kinds = draw(st.lists(st.sampled_from(EXTENSIONS), min_size=1, max_size=4))
    between = b""
    for following in (*kinds[1:], data[20]):
        units = draw(st.integers(0, 2))
        size = draw(st.sampled_from((8 * units + 8, 8 * units + 8, 4, 0)))
        between += bytes([following, units]) + bytes(max(0, size - 2))
    return data[:20] + bytes([kinds[0]]) + data[21:54] + between + data[54:]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A frame that handlers know with bytes that are others, then cut, tagged or made longer."""
    data = bytearray(draw(st.one_of(st.sampled_from(whole()), extended())))
    for _ in range(draw(st.integers(0, 8))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    if draw(st.booleans()):
        data[12:12] = draw(st.sampled_from((b"\x81\x00\x00\x05", b"\x88\xa8\x00\x05\x81\x00\x00\x07", b"\x81")))
    end = draw(st.integers(0, len(data)))
    return bytes(data[:end]) if draw(st.booleans()) else bytes(data) + draw(st.binary(max_size=60))


words = st.one_of(st.integers(0, 8), st.integers(0, (1 << 32) - 1))
fields = st.dictionaries(st.sampled_from(("in_port", "reg0", "reg1", "reg2", "reg4")), words)


@given(st.sampled_from(sorted(HANDLERS)), st.one_of(st.binary(max_size=300), damaged()), fields, st.booleans())
def test_no_handler_raises_whatever_a_guest_sends(key, data, told, known):
    made = cloud()
    local = made.world.machine.net.get(LocalPort, made.one.id)
    where = {"in_port": local.ofport, "reg0": made.network.key, "reg1": made.one.key} if known else {}
    punted = PacketIn(local.dpid, key[1], tuple(sorted({**told, **where}.items())), data)
    given = list(HANDLERS[key](Rows(made.world.machine.net, made.world.settings), punted))
    assert all(isinstance(effect, (Observe, PacketOut)) for effect in given)
    assert len(given) <= 2


def test_the_frames_that_are_damaged_are_such_that_handlers_answer_them_undamaged():
    made = cloud()
    local = made.world.machine.net.get(LocalPort, made.one.id)
    told = (("in_port", local.ofport), ("reg0", made.network.key))
    answered = set()
    for key, handler in HANDLERS.items():
        for data in whole():
            net = Rows(made.world.machine.net, made.world.settings)
            if list(handler(net, PacketIn(local.dpid, key[1], told, data))):
                answered.add(key)
    assert answered == set(HANDLERS)
