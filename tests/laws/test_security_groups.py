"""No packet passes that the rules forbid, and every one that they allow: against an oracle that reads the rules.

The oracle knows ports, groups, rules and which connections began; it knows nothing of tables, zones and conjunctions.
"""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from apps.address_groups import AddressGroup
from apps.allowed_address_pairs import AddressPair, AddressPairs
from apps.port_security import PortSecurity
from apps.security_groups import groups, rules
from apps.security_groups.checks import PROTOCOLS, number_of
from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule
from controller.core.model import Port
from controller.core.packet import Packet, ethernet, ipv4, ipv6
from controller.core.plan import Draft
from controller.core.resource import put_side
from tests.world.world import World

TCP, UDP, ICMP, ICMPV6, GRE = 6, 17, 1, 58, 47
TRANSPORTS = {TCP: "tcp", UDP: "udp"}
ICMP_NAMES = {ICMP: "icmpv4", ICMPV6: "icmpv6"}
ECHO = {ICMP: (8, 0), ICMPV6: (128, 129)}
PREFIXES = (None, "10.0.0.0/24", "10.0.0.10/31", "10.0.0.12", "0.0.0.0/0")
PREFIXES6 = (None, "fd00::/64", "fd00::10/127", "::/0")
BLOCKS = ("10.0.0.10/32", "10.0.0.12/30", "fd00::10/128", "fd00::12/127")
PORTS = ((None, None), (80, 80), (79, 83), (1, 1000), (1000, 65535))
COUNT = 5
STATEFUL, STATELESS = (0, 1, 2), (3, 4)
"""Groups by number."""
few = st.integers(0, COUNT - 1)


class Way(NamedTuple):
    """A packet in what matters here; `to` is its port, or the type of ICMP."""

    proto: int
    src: str
    dst: str
    sport: int
    to: int

    @property
    def reply(self) -> Way:
        if self.proto in ECHO:
            asks, answers = ECHO[self.proto]
            return Way(self.proto, self.dst, self.src, 0, answers if self.to == asks else asks)
        return Way(self.proto, self.dst, self.src, self.to, self.sport)

    @property
    def begins(self) -> bool:
        return self.proto not in ECHO or self.to == ECHO[self.proto][0]

    def packet(self, src_mac: str, dst_mac: str) -> Packet:
        make = ipv6 if ":" in self.src else ipv4
        made = make(src_mac, dst_mac, self.src, self.dst, self.proto)
        if self.proto in TRANSPORTS:
            name = TRANSPORTS[self.proto]
            return made.but(**{f"{name}_src": self.sport, f"{name}_dst": self.to})
        return made.but(**{f"{ICMP_NAMES[self.proto]}_type": self.to}) if self.proto in ECHO else made


def lets_through(net: Any, rule: SecurityGroupRule, way: Way, remote: str) -> bool:
    """Whether a rule is about a packet in its own direction, whose other side is `remote`."""
    version = 6 if ":" in way.src else 4
    if rule.ethertype != f"IPv{version}":
        return False
    number = number_of(rule.protocol, rule.ethertype)
    if number not in (None, 0) and number != way.proto:
        return False
    low, high = rule.port_range_min, rule.port_range_max
    if low is not None and way.proto in TRANSPORTS and not low <= way.to <= high:
        return False
    if way.proto in ECHO and number == way.proto and ((low is not None and low != way.to) or high not in (None, 0)):
        return False
    return is_about(net, rule, remote)


def is_about(net: Any, rule: SecurityGroupRule, remote: str) -> bool:
    address = ip_address(remote)
    if rule.remote_ip_prefix is not None:
        return address in ip_network(rule.remote_ip_prefix, strict=False)
    if rule.remote_group_id is not None:
        members = net.find(Membership, "security_groups", rule.remote_group_id)
        return any(address in block for member in members for block in addresses(net, member.port_id))
    if rule.remote_address_group_id is not None:
        group = net.get(AddressGroup, rule.remote_address_group_id)
        return group is not None and any(address in ip_network(block) for block in group.addresses)
    return True


def addresses(net: Any, port_id: str) -> list[Any]:
    port, pairs = net.get(Port, port_id), net.get(AddressPairs, port_id)
    texts = [fixed.ip_address for fixed in port.fixed_ips]
    texts += [pair.ip_address for pair in pairs.allowed_address_pairs] if pairs is not None else []
    return [block for block in map(ip_network, texts) if block.prefixlen]


class Oracle:
    """What the rules say of each packet, and the connections that began at each port."""

    def __init__(self, net: Any) -> None:
        self.net = net
        self.begun: dict[str, dict[Way, tuple[str, Way]]] = {}
        self.tracks: dict[str, bool] = {}

    def follow(self, port: Port) -> None:
        """A port that begins to be tracked knows no connection."""
        now = self.tracked(port)
        if now != self.tracks.get(port.id, False):
            self.begun[port.id] = {}
        self.tracks[port.id] = now

    def groups(self, port: Port) -> list[SecurityGroup]:
        member = self.net.get(Membership, port.id)
        return [self.net.get(SecurityGroup, key) for key in (member.security_groups if member else ())]

    def tracked(self, port: Port) -> bool:
        return PortSecurity.enabled(self.net, port.id) and any(group.stateful for group in self.groups(port))

    def passes(self, port: Port, direction: str, way: Way) -> bool:
        if not PortSecurity.enabled(self.net, port.id):
            return True
        if not self.tracked(port):
            return self.allows(port, direction, way)
        known = self.begun.setdefault(port.id, {})
        if way in known:
            return self.allows(port, *known[way])
        if not way.begins or not self.allows(port, direction, way):
            return False
        known[way] = known[way.reply] = (direction, way)
        return True

    def allows(self, port: Port, direction: str, way: Way) -> bool:
        remote = way.dst if direction == "egress" else way.src
        found = [
            rule
            for group in self.groups(port)
            for rule in self.net.find(SecurityGroupRule, "security_group_id", group.id)
            if rule.direction == direction and lets_through(self.net, rule, way, remote)
        ]
        return bool(found)


# ---------------------------------------------------------------------------------------------------------------------
# A cloud, and what happens to it


class Guarded:
    """Two hosts, five ports of one network and groups 0 to 4 without rules; `oracle` says what may pass."""

    def __init__(self, type: str) -> None:
        self.world = World()
        self.hosts = self.world.host(), self.world.host()
        network = self.world.network(type)
        self.world.subnet(network)
        self.world.subnet(network, "fd00::/64")
        self.world.settle()
        self.ports = [self._port(network, number) for number in range(COUNT)]
        self.group_ids = [self._group(number in STATEFUL) for number in (*STATEFUL, *STATELESS)]
        self.blocks = self.world.write(lambda draft: draft.put(AddressGroup("blocks", addresses=BLOCKS[:2], key=99)))
        self.oracle = Oracle(self.world.store.net)
        self.seen: list[tuple[int, int, Way]] = []
        self.world.settle()

    def _port(self, network: Any, number: int) -> Port:
        ips = [{"ip_address": f"10.0.0.{10 + number}"}, {"ip_address": f"fd00::{10 + number}"}]
        port = self.world.port(network, protected=number != 4, fixed_ips=ips, mac_address=f"fa:16:3e:00:00:0{number}")
        self.world.plug(port, self.hosts[number % 2])
        return port

    def _group(self, stateful: bool) -> str:
        made = self.world.write(groups.create, {"project_id": "p", "name": "g", "stateful": stateful})
        for rule in self.world.store.net.find(SecurityGroupRule, "security_group_id", made.id):
            self.world.write(rules.delete, rule.id)
        return str(made.id)

    def perform(self, name: str, *what: Any) -> None:
        getattr(self, name)(*what)
        self.world.settle()
        assert not [unit.fault for unit in self.world.machine.engine.units.values() if unit.fault]
        for port in self.ports:
            self.oracle.follow(port)

    # -- changes

    def join(self, number: int, group_numbers: tuple[int, ...]) -> None:
        """A port that is protected is in these groups, the stateful or the stateless ones of them."""
        port = self.ports[number]
        if PortSecurity.enabled(self.world.store.net, port.id):
            same = [n for n in group_numbers if (n in STATEFUL) == (group_numbers[0] in STATEFUL)]
            keys = tuple(sorted({self.group_ids[n] for n in same}))
            self.world.write(put, Membership, port.id, {"security_groups": keys})

    def allow(self, number: int, values: dict[str, Any]) -> None:
        chosen = {**values, "security_group_id": self.group_ids[number], "project_id": "p", "description": ""}
        if isinstance(chosen.get("remote_group_id"), int):
            chosen["remote_group_id"] = self.group_ids[chosen["remote_group_id"]]
        self.world.write(add_rule, chosen)

    def forbid(self, number: int) -> None:
        there = sorted(self.world.store.net.all(SecurityGroupRule), key=lambda rule: rule.id)
        if there:
            self.world.write(rules.delete, there[number % len(there)].id)

    def list_blocks(self, number: int) -> None:
        self.world.write(lambda draft: draft.put(AddressGroup("blocks", addresses=BLOCKS[number:], key=99)))

    def pair(self, number: int, address: str) -> None:
        pairs = (AddressPair(self.ports[number].mac_address, address),)
        self.world.write(put, AddressPairs, self.ports[number].id, {"allowed_address_pairs": pairs})

    def replug(self, number: int) -> None:
        self.world.unplug(self.ports[number], self.hosts[number % 2])
        self.world.settle()
        self.world.plug(self.ports[number], self.hosts[number % 2])
        self.oracle.begun.pop(self.ports[number].id, None)

    def restart(self) -> None:
        """A new controller: connections stand."""
        self.world.restart()
        for hypervisor in self.hosts:
            self.world.join(hypervisor)
            for bridge in hypervisor.bridges.values():
                self.world.connect(bridge)

    # -- packets

    def way(self, source: int, target: int, version: int, proto: int, sport: int, to: int) -> Way:
        place = 0 if version == 4 else 1
        src, dst = (self.ports[n].fixed_ips[place].ip_address for n in (source, target))
        if proto == ICMP and version == 6:
            proto = ICMPV6
        way = Way(proto, src, dst, sport if proto in TRANSPORTS else 0, to if proto in TRANSPORTS else 0)
        return way._replace(to=ECHO[proto][sport % 2]) if proto in ECHO else way

    def send(self, source: int, target: int, *what: int) -> None:
        self.check(source, target, self.way(source, target, *what))

    def answer(self, number: int) -> None:
        if self.seen:
            source, target, way = self.seen[-1 - number % len(self.seen)]
            self.check(target, source, way.reply)

    def again(self, number: int) -> None:
        if self.seen:
            self.check(*self.seen[-1 - number % len(self.seen)])

    def check(self, source: int, target: int, way: Way) -> None:
        if source == target:
            return
        one, other = self.ports[source], self.ports[target]
        passes = self.oracle.passes(one, "egress", way) and self.oracle.passes(other, "ingress", way)
        assert self.deliver(source, target, way) == ([other.id] if passes else []), (way, passes)
        self.seen.append((source, target, way))

    def deliver(self, source: int, target: int, way: Way, punt: bool = True) -> list[str]:
        """Whom a packet reaches."""
        one, other = self.ports[source], self.ports[target]
        return self.world.places(self.world.send(one, way.packet(one.mac_address, other.mac_address), punt))

    def may_begin(self, source: int, target: int, way: Way) -> bool:
        """Whether the rules of both ends allow the first packet of a connection."""
        ends = ((self.ports[source], "egress"), (self.ports[target], "ingress"))
        protected = [(port, way) for port, way in ends if PortSecurity.enabled(self.world.store.net, port.id)]
        return all(self.oracle.allows(port, direction, way) for port, direction in protected)


def put(draft: Draft, side_type: Any, key: str, values: dict[str, Any]) -> None:
    put_side(draft, side_type, key, values)


def add_rule(draft: Draft, values: dict[str, Any]) -> None:
    draft.put(SecurityGroupRule(id=draft.new_id(), **values))


@st.composite
def some_rule(draw: st.DrawFn) -> dict[str, Any]:
    ethertype = draw(st.sampled_from(("IPv4", "IPv4", "IPv6")))
    protocol = draw(st.sampled_from((None, "tcp", "tcp", "udp", "icmp", "ip", "47")))
    values: dict[str, Any] = {
        "direction": draw(st.sampled_from(("ingress", "ingress", "egress"))),
        "ethertype": ethertype,
        "protocol": protocol,
    }
    if protocol in ("tcp", "udp"):
        values["port_range_min"], values["port_range_max"] = draw(st.sampled_from(PORTS))
    elif protocol == "icmp":
        type = 8 if ethertype == "IPv4" else 128
        values["port_range_min"], values["port_range_max"] = draw(
            st.sampled_from(((None, None), (type, None), (type, 0), (3, None)))
        )
    remote = draw(st.sampled_from(("prefix", "group", "group", "blocks", "any")))
    if remote == "prefix":
        values["remote_ip_prefix"] = draw(st.sampled_from(PREFIXES if ethertype == "IPv4" else PREFIXES6))
    elif remote == "group":
        values["remote_group_id"] = draw(few)
    elif remote == "blocks":
        values["remote_address_group_id"] = "blocks"
    return values


joined = st.tuples(st.just("join"), few, st.lists(few, min_size=1, max_size=3).map(tuple))
allowed = st.tuples(st.just("allow"), few, some_rule())
sent = st.tuples(
    st.just("send"),
    *(few, few, st.sampled_from((4, 4, 6)), st.sampled_from((TCP, UDP, ICMP, GRE))),
    *(st.sampled_from((1000, 1001)), st.sampled_from((80, 82, 1000, 1001))),
)
forbidden = st.tuples(st.just("forbid"), st.integers(0, 11))
talked = st.one_of(sent, st.tuples(st.just("answer"), few), st.tuples(st.just("again"), few))
changed = st.one_of(
    joined,
    allowed,
    forbidden,
    st.tuples(st.just("list_blocks"), st.integers(0, 3)),
    st.tuples(st.just("pair"), few, st.sampled_from(("10.0.0.12", "10.0.0.0/28", "0.0.0.0/0"))),
    st.tuples(st.just("replug"), few),
    st.tuples(st.just("restart")),
)


@st.composite
def beginnings(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Most groups let everything out; each port is in some; then rules."""
    begun: list[tuple[Any, ...]] = []
    for group in range(COUNT):
        for ethertype in draw(st.sampled_from((("IPv4", "IPv6"), ("IPv4", "IPv6"), ("IPv4",), ()))):
            begun.append(("allow", group, {"direction": "egress", "ethertype": ethertype}))
    most = st.sampled_from(((0,), (0, 1), (1, 2), (2, 0), (3,), (3, 4)))
    begun += [("join", number, draw(most)) for number in range(4)]
    return begun + draw(st.lists(allowed, min_size=3, max_size=9))


@st.composite
def stories(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """A beginning, then packets and changes."""
    return draw(beginnings()) + draw(st.lists(st.one_of(talked, talked, talked, changed), min_size=8, max_size=24))


@given(st.sampled_from(("vxlan", "vlan")), stories())
def test_a_packet_passes_when_the_rules_as_they_are_allow_it_and_not_otherwise(type, story):
    cloud = Guarded(type)
    for name, *what in story:
        cloud.perform(name, *what)


@given(beginnings(), st.one_of(allowed, forbidden), st.lists(st.integers(1, 3), max_size=4))
def test_while_a_rule_changes_nothing_passes_that_neither_the_old_nor_the_new_rules_allow(begun, change, bursts):
    """Looked at after each step, when some switches have the new rules and others the old ones."""
    cloud = Guarded("vxlan")
    for name, *what in begun:
        cloud.perform(name, *what)
    pairs = [(one, other) for one in range(COUNT) for other in range(COUNT) if one != other]

    def may_pass() -> list[bool]:
        return [cloud.may_begin(*pair, cloud.way(*pair, 4, TCP, 1, 80)) for pair in pairs]

    old = may_pass()
    name, *what = change
    getattr(cloud, name)(*what)
    new = may_pass()
    sport = 1000
    while cloud.world.events:
        cloud.world.step(bursts.pop() if bursts else 1)
        for number, pair in enumerate(pairs):
            sport += 1
            passed = bool(cloud.deliver(*pair, cloud.way(*pair, 4, TCP, sport, 80), punt=False))
            assert not passed or old[number] or new[number]
            assert passed or not (old[number] and new[number])


def test_the_oracle_knows_protocols_by_the_numbers_that_packets_have():
    assert {PROTOCOLS[name] for name in ("tcp", "udp", "icmp", "icmpv6", "gre")} == {TCP, UDP, ICMP, ICMPV6, GRE}


@given(stories(), few)
def test_frames_that_are_neither_ip_nor_arp_pass_by_no_rule(story, number):
    cloud = Guarded("vxlan")
    for name, *what in story:
        cloud.perform(name, *what)
    for source, target in ((0, 1), (0, 4), (4, 0)):
        one, other = cloud.ports[source], cloud.ports[target]
        frame = ethernet(one.mac_address, other.mac_address)
        assert cloud.world.places(cloud.world.send(one, frame)) == []
