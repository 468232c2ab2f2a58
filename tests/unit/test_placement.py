"""Placement: derived rows are functions of the others (laws 1 and 2 draw this; here are the rules, one by one)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from controller.core.derived import (
    FloodChunk,
    LocalPort,
    NetworkOnHost,
    NetworkOnSwitch,
    PortOnSwitch,
    RemoteAddress,
    RemotePort,
    Switch,
    TunnelPort,
    Uplink,
)
from controller.core.model import ETH, INT, Attachment, Binding, FixedIp, Host, LocalVlan, Port, Segment
from controller.core.net import Change, Net
from controller.core.observed import Interface, OfPort, Presence, Session, WantedAddress, WantedMac
from controller.core.placement import Placement
from controller.core.settings import Settings

MAPPINGS = (("physnet1", "br-eth1"),)
BRIDGES = (("br-eth1", 2), ("br-int", 1))
MANAGED = Host("h1", "192.0.2.1", MAPPINGS, bridges=BRIDGES, managed=True)
UNMANAGED = Host("h1", "192.0.2.1", MAPPINGS, bridges=BRIDGES)
SESSIONS = (Session(1, "192.0.2.1"), Session(2, "192.0.2.1"))
PORT = Port("11111111-2222-4333-8444-555555555555", "n", mac_address="fa:16:3e:00:00:01")
TAP = "tap11111111-22"


class Placed:
    """A Net with its derived rows; `+` makes rows, `-` removes them."""

    def __init__(self, *rows: Any, proactive: bool = False) -> None:
        self.net, self.placement = Net(), Placement(Settings(proactive=proactive))
        self.put(*rows)

    def put(self, *rows: Any) -> Placed:
        return self._change([self.net.change(row) for row in rows])

    def remove(self, *rows: Any) -> Placed:
        return self._change([Change(row, None) for row in rows])

    def _change(self, changes: list[Change]) -> Placed:
        for change in changes:
            self.net.apply(change)
        self.placement.update(self.net, changes)
        return self

    def all(self, row_type: type) -> list[Any]:
        return sorted(self.net.all(row_type), key=repr)


# -- switches ---------------------------------------------------------------------------------------------------------


def test_a_managed_hosts_bridges_are_switches_once_it_has_told_all():
    placed = Placed(MANAGED, *SESSIONS)
    assert placed.all(Switch) == []
    placed.put(Presence("h1"))
    assert placed.all(Switch) == [Switch(1, "h1", "br-int", INT), Switch(2, "h1", "br-eth1", ETH, "physnet1")]
    placed.remove(SESSIONS[0])
    assert [switch.dpid for switch in placed.all(Switch)] == [2]
    assert placed.remove(MANAGED).all(Switch) == []


def test_an_unmanaged_hosts_bridge_tells_its_role_by_its_patch_port():
    placed = Placed(UNMANAGED, *SESSIONS)
    assert {switch.dpid: switch.role for switch in placed.all(Switch)} == {1: INT, 2: INT}
    placed.put(OfPort(2, 5, "phy-br-eth1"))
    assert placed.net.get(Switch, 2) == Switch(2, "h1", "br-eth1", ETH, "physnet1")
    placed.remove(OfPort(2, 5, "phy-br-eth1"))
    assert placed.net.get(Switch, 2).role == INT


def test_a_provider_bridge_that_is_mapped_no_more_is_still_programmed_but_carries_nothing():
    host = Host("h1", bridges=BRIDGES, managed=True)
    placed = Placed(host, Presence("h1"), *SESSIONS, OfPort(2, 5, "phy-br-eth1"))
    assert placed.net.get(Switch, 2) == Switch(2, "h1", "br-eth1", ETH)
    assert placed.all(Uplink) == []


def test_a_bridge_that_two_hosts_claim_is_the_managed_ones():
    placed = Placed(Host("192.0.2.1", bridges=BRIDGES), *SESSIONS)
    assert {switch.host for switch in placed.all(Switch)} == {"192.0.2.1"}
    placed.put(MANAGED, Presence("h1"))
    assert {switch.host for switch in placed.all(Switch)} == {"h1"}


def test_uplinks_are_the_patch_ports_of_mapped_bridges():
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, OfPort(1, 4, "int-br-eth1"), OfPort(2, 5, "phy-br-eth1"))
    assert placed.all(Uplink) == [Uplink(1, "physnet1", 4), Uplink(2, "physnet1", 5)]
    placed.put(Host("h1", "192.0.2.1", (("physnet2", "br-eth1"),), bridges=BRIDGES, managed=True))
    assert placed.all(Uplink) == [Uplink(1, "physnet2", 4), Uplink(2, "physnet2", 5)]
    placed.remove(OfPort(1, 4, "int-br-eth1"))
    assert placed.all(Uplink) == [Uplink(2, "physnet2", 5)]
    placed.put(OfPort(2, 5, "renamed"))
    assert placed.all(Uplink) == []


def test_a_tunnel_port_is_told_by_its_type_or_where_there_is_no_ovsdb_by_its_name():
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, OfPort(1, 4, "pb-gre"), OfPort(1, 6, "vxlan-guest"))
    assert placed.all(TunnelPort) == []
    placed.put(Interface("h1", "pb-gre", "br-int", "gre"), Interface("h1", "vxlan-guest", "br-int", "internal"))
    assert placed.all(TunnelPort) == [TunnelPort(1, "gre", 4)]
    placed.put(Interface("h1", "pb-gre", "br-int", "ip6gre"))
    assert placed.all(TunnelPort) == [TunnelPort(1, "gre", 4)]
    placed.put(UNMANAGED)
    assert placed.all(TunnelPort) == [TunnelPort(1, "gre", 4), TunnelPort(1, "vxlan", 6)]


# -- local ports ------------------------------------------------------------------------------------------------------


def test_a_port_is_where_its_host_id_says_when_its_vif_is_on_two_hosts():
    other = Host("h2", "192.0.2.2", bridges=(("br-int", 11),), managed=True)
    vifs = [Interface(host, TAP, "br-int", iface_id=PORT.id) for host in ("h1", "h2")]
    placed = Placed(MANAGED, other, Presence("h1"), Presence("h2"), *SESSIONS, Session(11, "192.0.2.2"), *vifs, PORT)
    placed.put(OfPort(11, 9, TAP))
    assert placed.all(LocalPort) == [LocalPort(PORT.id, 11, 9, "n", "h2")]
    placed.put(OfPort(1, 5, TAP))
    assert placed.all(LocalPort) == [LocalPort(PORT.id, 1, 5, "n", "h1")]
    placed.put(Port(PORT.id, "n", mac_address=PORT.mac_address, host_id="h2"))
    assert placed.all(LocalPort) == [LocalPort(PORT.id, 11, 9, "n", "h2")]


def test_an_interface_of_another_bridge_is_no_vif():
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, PORT, OfPort(1, 5, "vnet0"))
    placed.put(Interface("h1", "vnet0", "br-other", iface_id=PORT.id))
    assert placed.all(LocalPort) == []
    placed.put(Interface("h1", "vnet0", "br-int", iface_id=PORT.id))
    assert placed.all(LocalPort) == [LocalPort(PORT.id, 1, 5, "n", "h1")]


def test_an_iface_id_counts_more_than_a_name():
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, PORT, OfPort(1, 5, TAP), Interface("h1", TAP, "br-int"))
    assert len(placed.all(LocalPort)) == 1
    placed.put(Interface("h1", TAP, "br-int", iface_id="another"))
    assert placed.all(LocalPort) == []
    placed.put(Interface("h1", TAP, "br-int"))
    assert len(placed.all(LocalPort)) == 1


def test_the_vif_of_a_port_that_names_one_is_the_one_it_names():
    vifs = [Interface("h1", "vnet0", "br-int", iface_id="foo"), Interface("h1", "vnet1", "br-int", iface_id=PORT.id)]
    ofports = [OfPort(1, 5, "vnet0"), OfPort(1, 6, "vnet1"), OfPort(1, 7, TAP)]
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, PORT, *vifs, *ofports)
    local = lambda: [port.ofport for port in placed.all(LocalPort)]  # noqa: E731
    assert local() == [6]
    placed.put(Attachment(PORT.id, "foo"))
    assert local() == [5]
    placed.remove(vifs[0])
    assert local() == []
    placed.put(replace(vifs[0], name="vnet1"), Attachment(PORT.id, "foo"))
    assert local() == [6]
    placed.put(Attachment(PORT.id, "bar"))
    assert local() == []
    placed.remove(Attachment(PORT.id, "bar"))
    assert local() == [7], "by its name: the iface-id that told it is another's now"


def test_a_vif_that_is_there_first_is_found_when_a_port_names_it():
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, Interface("h1", "vnet0", "br-int", iface_id="foo"))
    placed.put(Attachment(PORT.id, "foo"))
    placed.put(PORT)
    assert placed.all(LocalPort) == []
    placed.put(OfPort(1, 5, "vnet0"))
    assert placed.all(LocalPort) == [LocalPort(PORT.id, 1, 5, "n", "h1")]


def test_a_name_on_a_provider_bridge_is_no_vif():
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, PORT, OfPort(2, 5, TAP))
    assert placed.all(LocalPort) == []


def test_flood_chunks_are_of_64_port_numbers():
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, PORT, Interface("h1", TAP, "br-int", iface_id=PORT.id))
    for number, chunk in ((63, 0), (64, 1), (130, 2)):
        placed.put(OfPort(1, number, TAP))
        assert placed.all(FloodChunk) == [FloodChunk(1, "n", chunk)]
        placed.remove(OfPort(1, number, TAP))
    assert placed.all(FloodChunk) == []


# -- networks and what is elsewhere -----------------------------------------------------------------------------------

H2 = Host("h2", "192.0.2.2", bridges=(("br-int", 11),), managed=True)
HERE, THERE = (
    Port("p1", "n", mac_address="m1"),
    Port("p2", "n", mac_address="m2", fixed_ips=(FixedIp("s", "10.0.0.2"),)),
)
CLOUD = (
    *(MANAGED, H2, Presence("h1"), Presence("h2"), *SESSIONS, Session(11, "192.0.2.2"), HERE, THERE),
    *(Binding("p1", "n", "h1"), Binding("p2", "n", "h2"), LocalVlan("h1", "n", 3), LocalVlan("h2", "n", 4)),
)
TUNNELLED, ON_PHYSNET = Segment("s", "n", "vxlan", None, 7), Segment("s", "n", "vlan", "physnet1", 7)


def test_a_network_is_where_it_has_a_bound_port_and_a_local_vlan():
    placed = Placed(*CLOUD)
    here, there = NetworkOnHost("h1", "n", 3, "192.0.2.1"), NetworkOnHost("h2", "n", 4, "192.0.2.2")
    assert placed.all(NetworkOnHost) == [here, there]
    assert placed.remove(LocalVlan("h2", "n", 4)).all(NetworkOnHost) == [here]
    assert placed.remove(Binding("p1", "n", "h1")).all(NetworkOnHost) == []


def test_a_network_on_a_host_tells_where_the_hosts_tunnels_end():
    placed = Placed(*CLOUD)
    assert placed.put(replace(H2, local_ip="2001:db8::2")).all(NetworkOnHost)[1].local_ip == "2001:db8::2"
    assert placed.remove(replace(H2, local_ip="2001:db8::2")).all(NetworkOnHost)[1].local_ip == ""
    assert placed.put(H2).all(NetworkOnHost)[1].local_ip == "192.0.2.2"


def test_a_network_is_on_the_provider_bridge_of_its_physical_network_only():
    placed = Placed(*CLOUD, TUNNELLED)
    assert [on.dpid for on in placed.all(NetworkOnSwitch)] == [1, 11]
    placed.put(ON_PHYSNET)
    assert [(on.dpid, on.role) for on in placed.all(NetworkOnSwitch)] == [(1, INT), (11, INT), (2, ETH)]


def test_a_network_is_on_the_integration_bridge_from_its_first_vif_on_and_on_no_other_before_that_is_bound():
    vif = (OfPort(1, 5, TAP), Interface("h1", TAP, "br-int", PORT.id))
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, ON_PHYSNET, PORT, *vif)
    on_int, on_eth = NetworkOnSwitch(1, "n", "h1", INT), NetworkOnSwitch(2, "n", "h1", ETH)
    assert (placed.all(NetworkOnSwitch), placed.all(NetworkOnHost)) == ([on_int], [])
    assert placed.remove(vif[0]).all(NetworkOnSwitch) == []
    placed.put(vif[0], Binding(PORT.id, "n", "h1"), LocalVlan("h1", "n", 3))
    assert placed.all(NetworkOnSwitch) == [on_int, on_eth]
    assert placed.remove(vif[0]).all(NetworkOnSwitch) == [on_int, on_eth]
    assert placed.remove(SESSIONS[0]).all(NetworkOnSwitch) == [on_eth]
    assert placed.put(vif[0], SESSIONS[0]).all(NetworkOnSwitch) == [on_int, on_eth]


def test_a_port_is_on_the_switch_where_it_is_bound_and_where_its_vif_is():
    bound, vif = replace(PORT, host_id="h1"), (OfPort(1, 5, TAP), Interface("h1", TAP, "br-int", PORT.id))
    on = PortOnSwitch(PORT.id, 1, "n")
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, TUNNELLED, bound)
    assert placed.all(PortOnSwitch) == [on]
    assert placed.put(*vif).all(PortOnSwitch) == [on]
    assert placed.put(PORT).all(PortOnSwitch) == [on]
    assert placed.remove(vif[0]).all(PortOnSwitch) == []
    assert placed.put(bound).all(PortOnSwitch) == [on]
    assert placed.remove(SESSIONS[0]).all(PortOnSwitch) == []
    assert placed.put(SESSIONS[0]).all(PortOnSwitch) == [on]
    assert placed.put(replace(bound, host_id="h2")).all(PortOnSwitch) == []
    assert placed.put(bound).remove(bound).all(PortOnSwitch) == []


def test_a_network_is_on_the_integration_bridge_from_its_first_bound_port_on():
    bound, vif = replace(PORT, host_id="h1"), (OfPort(1, 5, TAP), Interface("h1", TAP, "br-int", PORT.id))
    on_int = NetworkOnSwitch(1, "n", "h1", INT)
    placed = Placed(MANAGED, Presence("h1"), *SESSIONS, ON_PHYSNET, bound)
    assert (placed.all(NetworkOnSwitch), placed.all(NetworkOnHost)) == ([on_int], [])
    assert placed.put(*vif).all(NetworkOnSwitch) == [on_int]
    assert placed.remove(*vif).all(NetworkOnSwitch) == [on_int]
    assert placed.put(PORT).all(NetworkOnSwitch) == []


def test_a_remote_port_is_one_that_is_wanted_and_elsewhere_in_a_tunnel_network():
    placed = Placed(*CLOUD, TUNNELLED)
    assert placed.all(RemotePort) == []
    placed.put(WantedMac(1, "n", "m2"), WantedMac(1, "n", "m1"), WantedMac(2, "n", "m2"))
    assert placed.all(RemotePort) == [RemotePort(1, "p2", "n")]
    assert placed.put(ON_PHYSNET).all(RemotePort) == []
    assert placed.put(TUNNELLED).all(RemotePort) == [RemotePort(1, "p2", "n")]
    assert placed.put(Port("p2", "n", mac_address="m9")).all(RemotePort) == []
    placed.put(THERE, Binding("p2", "n", "h1"))
    assert placed.all(RemotePort) == []


def test_a_remote_address_is_one_that_is_wanted_and_elsewhere():
    placed = Placed(*CLOUD, TUNNELLED, WantedAddress(1, "n", "10.0.0.2"), WantedAddress(11, "n", "10.0.0.2"))
    assert placed.all(RemoteAddress) == [RemoteAddress(1, "n", "10.0.0.2", "p2")]
    assert placed.remove(Binding("p2", "n", "h2")).all(RemoteAddress) == []
    assert placed.put(Binding("p2", "n", "h2")).all(RemoteAddress) == [RemoteAddress(1, "n", "10.0.0.2", "p2")]
    assert placed.remove(THERE).all(RemoteAddress) == []


@pytest.mark.parametrize("segment", [TUNNELLED, ON_PHYSNET], ids=["tunnel", "vlan"])
def test_proactive_wants_everything_that_is_elsewhere(segment):
    placed = Placed(*CLOUD, segment, proactive=True)
    remote = [RemotePort(1, "p2", "n"), RemotePort(11, "p1", "n")] if segment is TUNNELLED else []
    assert placed.all(RemotePort) == remote
    assert placed.all(RemoteAddress) == [RemoteAddress(1, "n", "10.0.0.2", "p2")]
