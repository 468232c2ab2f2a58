"""Holders of addresses: whoever spoke, went or came back in whatever order, all switches give one answer, and that is
of the last who spoke, may and is there."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from apps.allowed_address_pairs import AddressPair, AddressPairs
from controller.core.derived import LocalPort
from controller.core.events import Changed
from controller.core.machine import Machine
from controller.core.model import Binding, Port
from controller.core.net import Change
from controller.core.observed import (
    ForeignDefault,
    Holder,
    Interface,
    OfPort,
    Presence,
    Session,
    WantedAddress,
    WantedMac,
)
from controller.core.packet import arp_reply, arp_request, neighbor_advertisement, neighbor_solicitation
from controller.core.settings import Settings
from tests.world.world import APPS, SETTINGS, World, desired, installed

PROACTIVE = Settings(vlan_ranges=SETTINGS.vlan_ranges, bridge_mappings=SETTINGS.bridge_mappings, proactive=True)
MACS = tuple(f"fa:16:3e:00:00:{n:02x}" for n in range(1, 5))
PAIRS = ((), ("10.0.0.100",), ("10.0.0.0/24", "fd00::/64"), ("10.0.0.2", "fd00::100"), ("0.0.0.0/0",))
ADDRESSES = ("10.0.0.100", "10.0.0.2", "10.0.0.3", "fd00::100")
OBSERVED = (Session, Presence, ForeignDefault, OfPort, Interface)

which, where = st.integers(0, 3), st.integers(0, 1)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("pairs"), which, st.sampled_from(PAIRS)),
        *[st.tuples(st.just("tell"), which, st.sampled_from(ADDRESSES), st.integers(0, 2))] * 3,
        *[st.tuples(st.just("ask"), which, st.sampled_from(ADDRESSES))] * 2,
        st.tuples(st.just("move"), which, where),
        st.tuples(st.just("unplug"), which),
        st.tuples(st.just("up"), which, st.booleans()),
        st.tuples(st.just("expire"), where, which),
        st.tuples(st.just("bounce"), where),
    ),
    min_size=3,
    max_size=14,
)


class Sharing:
    """Four ports of one network on two hosts, and what becomes of them."""

    def __init__(self, type: str, settings: Settings) -> None:
        self.type, self.world = type, World(settings)
        self.hosts = self.world.host(), self.world.host()
        self.world.settle()
        self.network = self.world.network(type)
        for cidr in ("10.0.0.0/24", "fd00::/64"):
            self.world.subnet(self.network, cidr)
        self.ids = [self.world.port(self.network, mac_address=mac).id for mac in MACS]
        for number, port in enumerate(self.ports):
            self.world.plug(port, self.hosts[number % 2])
            self.pairs(number, PAIRS[2])
        self.world.settle()

    @property
    def ports(self) -> list[Port]:
        return [self.world.store.net.get(Port, id) for id in self.ids]

    def do(self, name: str, *arguments: Any) -> None:
        getattr(self, name)(*arguments)
        self.world.settle()

    def pairs(self, number: int, addresses: tuple[str, ...]) -> None:
        pairs = tuple(AddressPair(MACS[number], address) for address in addresses)
        self.world.write(lambda draft: draft.put(AddressPairs(self.ids[number], pairs)))

    def _send(self, number: int, packet: Any) -> Any:
        port = self.ports[number]
        return self.world.send(port, packet) if self.world.machine.net.get(LocalPort, port.id) is not None else None

    def tell(self, number: int, address: str, how: int) -> None:
        mac, peer = MACS[number], MACS[number - 1]
        if ":" in address:
            said = neighbor_advertisement(mac, address, "33:33:00:00:00:01", "ff02::1")
        elif how == 2:
            said = arp_reply(mac, address, peer, "10.0.0.9")
        else:
            said = arp_request(mac, address, address if how else "10.0.0.9")
        self._send(number, said)

    def ask(self, number: int, address: str) -> Any:
        six = ":" in address
        own = next(ip.ip_address for ip in self.ports[number].fixed_ips if (":" in ip.ip_address) == six)
        return self._send(number, (neighbor_solicitation if six else arp_request)(MACS[number], own, address))

    def move(self, number: int, host: int) -> None:
        port = self.ports[number]
        self.world.plug(port, self.hosts[host])
        self.world.unplug(port, self.hosts[1 - host])

    def unplug(self, number: int) -> None:
        for host in self.hosts:
            self.world.unplug(self.ports[number], host)

    def up(self, number: int, up: bool) -> None:
        self.world.change_port(self.ports[number], admin_state_up=up)

    def expire(self, host: int, number: int) -> None:
        bridge = self.hosts[host].bridges["br-int"]
        idle = [flow.cookie for flow in bridge.switch.flows if flow.idle_timeout]
        if idle:
            self.world.expire(bridge, idle[number % len(idle)])

    def bounce(self, host: int) -> None:
        self.world.bounce(self.hosts[host].bridges["br-int"])

    def answering(self, address: str) -> str | None:
        """The MAC address of who is to be answered for; None: nobody."""
        net = self.world.machine.net
        holder = net.get(Holder, (self.network.id, address))
        owners = [net.get(Port, holder.port_id)] if holder else net.find(Port, "address", (self.network.id, address))
        port = owners[0] if owners else None
        if port is None or not port.admin_state_up or net.get(Binding, port.id) is None:
            return None
        own = any(ip.ip_address == address for ip in port.fixed_ips)
        return port.mac_address if own or AddressPairs.allow(net, port.id, port.mac_address, address) else None

    def answers(self, number: int, address: str) -> set[str]:
        """The MAC addresses that a port's question is answered with."""
        delivery = self.ask(number, address)
        self.world.settle()
        packets = [arrival.packet for arrival in (delivery.reached if delivery else ())]
        found = (p for p in packets if p["arp_op"] == 2 or p["icmpv6_type"] == 136)
        return {p["eth_src"].to_bytes(6, "big").hex(":") for p in found}

    def is_answered(self, number: int, address: str, right: str | None) -> bool:
        """Whether a port's question must be answered on the spot: not one for what it has, or may have, itself."""
        port, net = self.ports[number], self.world.machine.net
        side = net.get(AddressPairs, port.id)
        mine = {ip.ip_address for ip in port.fixed_ips} | {pair.ip_address for pair in side.allowed_address_pairs}
        here = net.get(LocalPort, port.id)
        if right is None or right == port.mac_address or address in mine or here is None or not port.admin_state_up:
            return False
        there = net.get(LocalPort, next(id for id, mac in zip(self.ids, MACS, strict=True) if mac == right))
        return there is not None and (self.type != "local" or there.host == here.host)


clouds = st.sampled_from([(type, mode) for type in ("vxlan", "vlan", "local") for mode in (SETTINGS, PROACTIVE)])


@given(clouds, actions)
def test_every_switch_gives_the_one_answer(kind, done):
    sharing = Sharing(*kind)
    for action in done:
        sharing.do(*action)
    world = sharing.world
    assert not [unit.fault for unit in world.machine.engine.units.values() if unit.fault]
    assert not [ledger for ledger in world.machine.ledgers.values() if ledger.claims.contested]
    assert installed(world) == desired(world.machine)
    for address in ADDRESSES:
        right = sharing.answering(address)
        for number in range(len(MACS)):
            told = [sharing.answers(number, address) for _ in range(2)]
            assert set().union(*told) <= {right}
            if sharing.is_answered(number, address, right):
                assert told[1] == {right}
    assert all(world.machine.net.get(Binding, holder.port_id) for holder in world.machine.net.all(Holder))


@given(clouds, actions)
def test_what_was_kept_up_to_date_is_what_a_full_computation_gives(kind, done):
    sharing = Sharing(*kind)
    for action in done:
        sharing.do(*action)
    world = sharing.world
    machine = Machine(APPS, world.settings, world.store.rows())
    for kinds in (OBSERVED, (Holder,), (WantedMac, WantedAddress)):
        rows = [row for kind in kinds for row in world.machine.net.all(kind)]
        machine.step([Changed(1, tuple(Change(None, row) for row in rows))])
    assert desired(machine) == desired(world.machine)
    assert set(machine.net.all(Holder)) == set(world.machine.net.all(Holder))


@given(actions)
def test_the_last_who_spoke_may_and_is_there_holds_it(done):
    sharing = Sharing("vxlan", SETTINGS)
    for action in done:
        sharing.do(*action)
        if action[0] != "tell":
            continue
        _, number, address, _ = action
        port, net = sharing.ports[number], sharing.world.machine.net
        there = port.admin_state_up and net.get(LocalPort, port.id) is not None
        own = any(ip.ip_address == address for ip in port.fixed_ips)
        if there and (own or AddressPairs.allow(net, port.id, port.mac_address, address)):
            holder = net.get(Holder, (sharing.network.id, address))
            assert (holder is None) if own else (holder is not None and holder.port_id == port.id)


@given(actions, st.booleans())
def test_a_new_controller_knows_the_holders_that_switches_have(done, other_first):
    sharing = Sharing("vxlan", SETTINGS)
    for action in done:
        sharing.do(*action)
    world = sharing.world
    held = [holder for holder in world.machine.net.all(Holder) if sharing.answering(holder.ip) == holder.mac]
    world.restart()
    for host in sharing.hosts[:: -1 if other_first else 1]:
        world.join(host)
        for bridge in host.bridges.values():
            world.connect(bridge)
        world.settle()
    assert set(world.machine.net.all(Holder)) == set(held)
    assert installed(world) == desired(world.machine)
