"""Hosts: who a bridge belongs to, however it joined, and what is wanted of OVSDB."""

from __future__ import annotations

import pytest

from controller.core import events as e
from controller.core.effects import EnsureBridge, EnsureTunnel, OvsdbOps, Propose, RemovePort, SetTag
from controller.core.engine import Delta
from controller.core.flow import LOCAL
from controller.core.hosts import TICKS_HELD, Hosts, OvsdbWants
from controller.core.model import Fault, Host
from controller.core.net import Change, Net
from controller.core.observed import Interface, OfPort, Presence, Session
from controller.core.settings import HostSettings, Settings
from tests.world.world import World

MAPPINGS = (("physnet1", "br-eth1"),)
BRIDGES = (e.BridgeRow("br-int", 1), e.BridgeRow("br-eth1", 2), e.BridgeRow("br-other", 3), e.BridgeRow("br-new", 0))


class Following:
    """A Net that follows what Hosts say; `proposed` are the rows of describe_host, which are carried out."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.hosts, self.net = Hosts(settings or Settings()), Net()
        self.proposed: list[Host] = []

    def take(self, results) -> Following:
        for result in results:
            if isinstance(result, Propose):
                assert result.plan == "describe_host"
                self.proposed.append(result.argument)
                self.net.apply(self.net.change(result.argument))
            elif result.old != result.new:
                self.net.apply(result)
        return self

    def connect(self, dpid: int, address: str, *ports: tuple[int, str], name: str = "br-int") -> Following:
        described = tuple(e.PortDesc(number, text, "") for number, text in ((LOCAL, name), *ports))
        return self.take(self.hosts.connected(self.net, e.SwitchUp(dpid, address, described, ())))

    def wait(self) -> Following:
        for now in (10.0, 11.0, 12.5):
            self.take(self.hosts.tick(self.net, now))
        return self


# -- over OVSDB -------------------------------------------------------------------------------------------------------


def test_a_host_is_what_it_says_and_only_its_own_bridges_are_ours():
    following = Following()
    event = e.HostUp("tcp:192.0.2.1:5000", "h1", "192.0.2.1", MAPPINGS, "netdev", "", BRIDGES, zone="az1")
    following.take(following.hosts.up(following.net, event))
    assert following.proposed == [
        Host("h1", "192.0.2.1", MAPPINGS, "netdev", "br-int", (("br-eth1", 2), ("br-int", 1)), True, "az1")
    ]
    following.take(following.hosts.up(following.net, event))
    assert len(following.proposed) == 1


def test_what_a_host_does_not_say_is_taken_from_the_configuration():
    following = Following(Settings(integration_bridge="br-x", bridge_mappings=MAPPINGS))
    bridges = (e.BridgeRow("br-x", 1), *BRIDGES)
    following.take(following.hosts.described(following.net, e.HostChanged("h1", "192.0.2.1", bridges=bridges)))
    following.take(
        following.hosts.described(
            following.net, e.HostChanged("h2", "", (), "", "br-int", BRIDGES, "mapping is garbled")
        )
    )
    assert [host.bridge_mappings for host in following.proposed] == [MAPPINGS, ()]
    assert [host.integration_bridge for host in following.proposed] == ["br-x", "br-int"]
    assert [name for name, _ in following.proposed[1].bridges] == ["br-int"]


@pytest.mark.parametrize(
    ("mappings", "problem", "wanted"),
    [
        (MAPPINGS, "", ""),
        ((*MAPPINGS, ("physnet2", "br-a"), ("physnet3", "br-b")), "", "physnet2:br-a, physnet3:br-b"),
        ((("physnet2", "br-a"),), "local_ip is no address", "local_ip is no address"),
    ],
)
def test_a_host_is_told_what_is_wrong_with_its_description(mappings, problem, wanted):
    text = Hosts(Settings()).problem(e.HostChanged("h1", "", mappings, "", "", BRIDGES, problem))
    assert text == (problem or (wanted and f"bridge_mappings names bridges that are not there: {wanted}"))


def test_a_problem_is_a_fault_of_the_host_until_it_is_gone():
    world = World()
    host = world.host()
    host.mappings = (("physnet1", "br-missing"),)
    world.events = [host.up()]
    world.settle()
    fault = world.store.net.get(Fault, ("Host", host.name))
    assert fault.reason == "bridge_mappings names bridges that are not there: physnet1:br-missing"
    host.mappings = MAPPINGS
    world.events.append(host.changed())
    world.settle()
    assert world.store.net.get(Fault, ("Host", host.name)) is None


@pytest.mark.parametrize(
    ("connection", "address"),
    [("tcp:192.0.2.1:5000", "192.0.2.1"), ("ssl:[fd00::1]:5000", "fd00::1"), ("unix:/run/x", "unix:/run/x")],
)
def test_where_a_host_dialled_in_from(connection, address):
    following = Following()
    following.take(following.hosts.up(following.net, e.HostUp(connection, "h1")))
    presence = following.net.get(Presence, "h1")
    assert presence.connected
    assert presence.address == address or connection.startswith("unix")


def test_a_host_that_comes_back_has_just_the_interfaces_it_tells_now():
    following = Following()
    rows = tuple(e.InterfaceRow(name, "br-int", iface_id=name) for name in ("a", "b"))
    following.take(following.hosts.up(following.net, e.HostUp("tcp:1.1.1.1:1", "h1", interfaces=rows)))
    following.take(following.hosts.down(following.net, "h1"))
    assert not following.net.get(Presence, "h1").connected
    assert following.net.count(Interface) == 2
    following.take(following.hosts.up(following.net, e.HostUp("tcp:1.1.1.1:2", "h1", interfaces=rows[1:])))
    assert [row.name for row in following.net.all(Interface)] == ["b"]
    gone = e.InterfacesChanged("h1", (), ("b", "never there"))
    following.take(following.hosts.interfaces(following.net, gone))
    assert following.net.count(Interface) == 0
    assert list(following.hosts.down(following.net, "unknown")) == []


# -- over OpenFlow alone ----------------------------------------------------------------------------------------------


def test_bridges_that_connect_from_one_address_are_one_host_after_a_while():
    following = Following(Settings(bridge_mappings=MAPPINGS))
    following.connect(1, "192.0.2.1").connect(2, "192.0.2.1", name="br-eth1").connect(9, "192.0.2.9")
    following.take(following.hosts.tick(following.net, 10.0)).take(following.hosts.tick(following.net, 11.0))
    assert following.proposed == []
    following.wait()
    assert {host.name: host.bridges for host in following.proposed} == {
        "192.0.2.1": (("br-eth1", 2), ("br-int", 1)),
        "192.0.2.9": (("br-int", 9),),
    }
    assert following.proposed[0] == Host(
        "192.0.2.1", "192.0.2.1", MAPPINGS, "", "br-int", (("br-eth1", 2), ("br-int", 1)), False
    )


def test_a_bridge_that_comes_later_joins_the_others():
    following = Following().connect(1, "192.0.2.1").wait()
    following.connect(2, "192.0.2.1", name="br-eth1").wait()
    assert following.net.get(Host, "192.0.2.1").bridges == (("br-eth1", 2), ("br-int", 1))


def test_a_bridge_whose_host_has_ovsdb_is_left_to_it():
    following = Following()
    following.connect(1, "192.0.2.1")
    following.take(
        following.hosts.up(following.net, e.HostUp("tcp:192.0.2.1:1", "h1", bridges=(e.BridgeRow("br-int", 1),)))
    )
    following.connect(7, "192.0.2.1", name="br-not-ours").wait()
    assert [host.name for host in following.proposed] == ["h1"]


def test_a_bridge_that_left_again_is_nobodys():
    following = Following().connect(1, "192.0.2.1")
    session = following.net.get(Session, 1)
    following.net.apply(Change(session, Session(1, "192.0.2.1", connected=False)))
    following.wait()
    assert following.proposed == []


def test_a_section_says_at_once_which_bridges_are_a_host():
    section = HostSettings("node", (1, 2), "198.51.100.1", MAPPINGS)
    following = Following(Settings(hosts=(section,)))
    following.connect(1, "127.0.0.1").connect(3, "127.0.0.1")
    assert following.proposed == [Host("node", "198.51.100.1", MAPPINGS, "", "br-int", (("br-int", 1),), False)]
    following.connect(2, "127.0.0.1", name="br-eth1").wait()
    assert following.net.get(Host, "node").bridges == (("br-eth1", 2), ("br-int", 1))
    assert following.net.get(Host, "127.0.0.1").bridges == (("br-int", 3),)
    proposals = len(following.proposed)
    following.connect(1, "127.0.0.1")
    assert len(following.proposed) == proposals


def test_a_bridge_without_a_local_port_is_called_by_its_dpid():
    following = Following()
    event = e.SwitchUp(0xAB, "192.0.2.1", (e.PortDesc(1, "x", ""),), ())
    following.take(following.hosts.connected(following.net, event)).wait()
    assert following.proposed[0].bridges == (("00000000000000ab", 0xAB),)


def test_a_bridge_that_reconnects_has_just_the_ports_it_tells_now():
    following = Following().connect(1, "192.0.2.1", (1, "a"), (2, "b")).connect(1, "192.0.2.1", (2, "c"))
    assert {port.number: port.name for port in following.net.find(OfPort, "dpid", 1)} == {LOCAL: "br-int", 2: "c"}


# -- what is wanted of OVSDB ------------------------------------------------------------------------------------------

BRIDGE = EnsureBridge("br-int")
TUNNEL = EnsureTunnel("br-int", "pb-vxlan", "vxlan", "192.0.2.1")
ELSEWHERE = EnsureTunnel("br-int", "pb-vxlan", "vxlan", "192.0.2.2")


class Wanting:
    """OvsdbWants of one host; `want` and `flush` are by operations."""

    def __init__(self, present: bool = True) -> None:
        self.wants, self.net = OvsdbWants(), Net([Presence("h1")] if present else [])
        self.wants.described("h1", ["br-int"])
        if present:
            self.wants.everything("h1")

    def want(self, old: tuple, new: tuple) -> Wanting:
        self.wants.change(Delta(None, "h1", old, new))  # type: ignore[arg-type]
        return self

    def flush(self) -> list:
        return [operation for ops in self.wants.flush() for operation in ops.operations]


def test_what_several_units_want_is_said_once_and_in_order():
    wanting = Wanting().want((), (TUNNEL,)).want((), (TUNNEL,)).want((), (BRIDGE,))
    assert wanting.flush() == [BRIDGE, TUNNEL]
    assert wanting.flush() == []
    assert wanting.want((TUNNEL,), ()).flush() == []
    assert wanting.want((TUNNEL,), ()).flush() == [RemovePort("br-int", "pb-vxlan")]


def test_a_tunnel_port_with_another_address_is_changed_and_not_removed():
    wanting = Wanting().want((), (TUNNEL,))
    wanting.flush()
    assert wanting.want((TUNNEL,), (ELSEWHERE,)).flush() == [ELSEWHERE]


def test_what_is_taken_back_before_it_was_said_is_not_said():
    assert Wanting().want((), (BRIDGE,)).want((BRIDGE,), ()).flush() == []


def test_a_host_that_is_away_is_told_everything_when_it_is_back():
    wanting = Wanting(present=False).want((), (BRIDGE,))
    assert wanting.flush() == []
    wanting.net.apply(Change(None, Presence("h1")))
    wanting.wants.everything("h1")
    assert wanting.flush() == [BRIDGE]
    wanting.wants.everything("h1")
    assert wanting.flush() == [BRIDGE]
    wanting.wants.away("h1")
    assert wanting.want((), (TUNNEL,)).flush() == []


def test_an_operation_on_a_bridge_that_the_host_has_not_is_not_asked_for():
    provider = EnsureBridge("br-eth1")
    wanting = Wanting().want((), (BRIDGE, provider))
    assert wanting.flush() == [BRIDGE]
    wanting.wants.described("h1", ["br-int", "br-eth1"])
    wanting.wants.everything("h1")
    assert set(wanting.flush()) == {BRIDGE, provider}


def test_operations_are_one_transaction_a_host():
    wanting = Wanting().want((), (BRIDGE, TUNNEL))
    assert list(wanting.wants.flush()) == [OvsdbOps("h1", (BRIDGE, TUNNEL))]


# -- tags -------------------------------------------------------------------------------------------------------------

ONE, TWO = SetTag("br-int", "tap1", 1), SetTag("br-int", "tap2", 2)


def plugged(*names: str) -> Wanting:
    """A host that shows these interfaces, without a tag."""
    wanting = Wanting()
    for name in names:
        wanting.net.apply(Change(None, Interface("h1", name, "br-int")))
    return wanting


def ticks(wanting: Wanting, count: int) -> list[tuple]:
    """The tags that are sent at each of so many ticks."""
    assert wanting.flush() == []
    return [tuple(o for ops in wanting.wants.flush_tags(wanting.net) for o in ops.operations) for _ in range(count)]


def test_tags_wait_for_a_tick_in_which_no_more_came_and_are_one_transaction():
    wanting = plugged("tap1", "tap2").want((), (ONE,))
    assert ticks(wanting, 1) == [()]
    wanting.want((), (TWO,))
    assert ticks(wanting, 3) == [(), (ONE, TWO), ()]


def test_tags_are_sent_in_the_end_though_new_ones_keep_coming():
    names = [f"tap{n}" for n in range(TICKS_HELD)]
    wanting = plugged(*names)
    sent = [ticks(wanting.want((), (SetTag("br-int", name, 1),)), 1)[0] for name in names]
    assert [len(tags) for tags in sent] == [0] * (TICKS_HELD - 1) + [TICKS_HELD]


def test_a_tag_waits_until_the_host_tells_of_its_port():
    wanting = plugged().want((), (ONE,))
    assert ticks(wanting, 3) == [(), (), ()]
    wanting.net.apply(Change(None, Interface("h1", "tap1", "br-int")))
    assert ticks(wanting, 2) == [(ONE,), ()]


def test_a_tag_that_is_there_or_wanted_no_more_or_of_a_host_that_left_is_not_sent():
    wanting = plugged("tap2").want((), (ONE, TWO))
    wanting.net.apply(Change(None, Interface("h1", "tap1", "br-int", tag=1)))
    ticks(wanting.want((TWO,), ()), 1)
    assert ticks(wanting, 2) == [(), ()]
    ticks(wanting.want((), (TWO,)), 1)
    wanting.wants.away("h1")
    assert ticks(wanting, 2) == [(), ()]
