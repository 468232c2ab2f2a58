"""To look inside: hosts, switches, ports, flows, and why a flow is there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from controller.core.events import HostDown, InterfaceRow
from controller.core.inspect import Inspector
from controller.core.model import Network
from controller.core.plans import networks
from controller.core.simulate import ModelSwitch
from tests.world.world import SETTINGS, World


@pytest.fixture
def world() -> World:
    """Two hosts with a port each in a VXLAN network, and one unplugged port in a VLAN network."""
    world = World()
    hosts = world.host(), world.host(managed=False)
    world.settle()
    network = world.network("vxlan", name="blue")
    world.subnet(network)
    for host, name in zip(hosts, ("one", "two"), strict=True):
        world.plug(world.port(network, name=name), host)
    world.port(world.network("vlan", name="green", segmentation_id=105), name="three", host_id="h1")
    return world.settle()


@pytest.fixture
def inspector(world) -> Inspector:
    return Inspector(world.machine)


def by_name(rows: list[dict]) -> dict[str, dict]:
    return {row["name"]: row for row in rows}


def test_the_status_counts_what_there_is(world, inspector):
    status = inspector.status()
    assert {name: status[name] for name in ("hosts", "switches", "connected", "ports", "plugged", "settled")} == {
        "hosts": 2,
        "switches": 4,
        "connected": 4,
        "ports": 3,
        "plugged": 2,
        "settled": True,
    }
    assert status["flows"] == sum(len(bridge.switch.flows) for bridge in world.bridges)
    assert status["revision"] == world.store.revision
    assert status["renders"] == world.machine.engine.renders


def test_hosts_say_how_they_joined_and_what_they_have(world, inspector):
    world.disconnect(world.hypervisors["h1"].bridges["br-eth1"])
    world.settle()
    hosts = by_name(inspector.hosts())
    assert hosts["h1"] == {
        "name": "h1",
        "local_ip": "192.0.2.1",
        "bridge_mappings": {"physnet1": "br-eth1"},
        "joined_by": "manager",
        "ovsdb": True,
        "bridges": [
            {"name": "br-eth1", "dpid": "0000000000000101", "role": "ETH", "connected": False},
            {"name": "br-int", "dpid": "0000000000000102", "role": "INT", "connected": True},
        ],
        "networks": 1,
        "ports": 1,
        "fault": "",
        "note": "",
    }
    assert (hosts["192.0.2.2"]["joined_by"], hosts["192.0.2.2"]["ovsdb"]) == ("controller", False)


def test_switches_say_their_role_and_whether_they_are_settled(world, inspector):
    switches = by_name(inspector.switches())
    eth = switches["h1/br-eth1"]
    assert (eth["role"], eth["physical_network"], eth["settled"], eth["flows"]) == ("ETH", "physnet1", True, 2)
    world.disconnect(world.hypervisors["h1"].bridges["br-int"])
    world.settle()
    closed = by_name(inspector.switches())["h1/br-int"]
    assert (closed["connected"], closed["settled"]) == (False, False)


def test_ports_say_where_they_are_and_what_is_wrong(world, inspector):
    ports = by_name(inspector.ports())
    one = ports["one"]
    assert (one["host"], one["status"], one["type"], one["network"]) == ("h1", "ACTIVE", "vxlan:1", "blue")
    assert (one["interface"], one["addresses"]) == ("tap" + one["id"][:11], ["10.0.0.2"])
    three = ports["three"]
    assert (three["host"], three["status"], three["type"], three["ofport"]) == ("", "DOWN", "vlan:physnet1:105", None)
    assert three["wanted_on"] == "h1"
    world.refuse = lambda flow: "OFPBAC_BAD_OUT_PORT" if flow.table == 56 and flow.priority == 100 else ""
    bridge = world.hypervisors["h1"].bridges["br-int"]
    bridge.switch = ModelSwitch(ports=bridge.ports)
    world.bounce(bridge)
    world.settle()
    one = by_name(inspector.ports())["one"]
    assert one["status"] == "ERROR"
    assert one["fault"] == "switch 0000000000000102 refused a flow of switching.unicast: OFPBAC_BAD_OUT_PORT"
    assert [(fault["kind"], fault["name"]) for fault in inspector.faults()] == [("Port", "one")]


def test_an_mtu_that_does_not_fit_is_a_note_and_no_fault(world, inspector):
    host = world.hypervisors["h1"]
    one = by_name(inspector.ports())["one"]
    assert one["note"] == ""
    for mtu, note in ((1500, f"{one['interface']} has MTU 1500, its network 1450"), (1450, "")):
        host.interfaces[one["interface"]] = host.interfaces[one["interface"]]._replace(mtu=mtu)
        world.tell(host)
        sent = len(world.mods)
        world.settle()
        one = by_name(inspector.ports())["one"]
        assert (one["note"], one["status"], world.mods[sent:]) == (note, "ACTIVE", [])
    assert by_name(inspector.ports())["two"]["note"] == ""


def test_a_host_whose_underlay_does_not_fit_has_a_note(world, inspector):
    host = world.hypervisors["h1"]
    host.interfaces |= {
        "eth1": InterfaceRow("eth1", "br-eth1", mtu=1400),
        "phy-br-eth1": host.interfaces["phy-br-eth1"]._replace(mtu=1400),
        "br-eth1": InterfaceRow("br-eth1", "br-eth1", "internal", mtu=1400),
    }
    world.tell(host)
    world.settle()
    assert by_name(inspector.hosts())["h1"]["note"] == "eth1 of br-eth1 has MTU 1400, global_physnet_mtu is 1500"
    host.interfaces["eth1"] = InterfaceRow("eth1", "br-eth1", mtu=9000)
    host.local_ip = "2001:db8::1"
    world.tell(host)
    world.events.append(host.changed())
    world.settle()
    assert by_name(inspector.hosts())["h1"]["note"] == "its tunnel address is IPv6, overlay_ip_version 4"


def described(world, host, **values) -> None:
    """The host says something else of itself."""
    for name, value in values.items():
        setattr(host, name, value)
    world.tell(host)
    world.events.append(host.changed())
    world.settle()


@pytest.mark.parametrize("mtu", [1500, 1600])
def test_a_way_that_is_wide_enough_for_tunnels_is_no_note(world, inspector, mtu):
    described(world, world.hypervisors["h1"], local_ip_mtu=mtu)
    assert by_name(inspector.hosts())["h1"]["note"] == by_name(inspector.ports())["one"]["note"] == ""


def test_tunnels_that_their_networks_do_not_fit_into_are_a_note_of_host_and_ports(world, inspector):
    host = world.hypervisors["h1"]
    described(world, host, local_ip_mtu=1499)
    sent = len(world.mods)
    assert by_name(inspector.hosts())["h1"]["note"] == "local_ip has MTU 1499, tunnels of a network need 1500"
    note = "local_ip of h1 has MTU 1499, tunnels of its network need 1500"
    ports = by_name(inspector.ports())
    assert (ports["one"]["note"], ports["one"]["status"], ports["two"]["note"]) == (note, "ACTIVE", "")
    world.plug(world.port(world.network("gre", mtu=1458)), host)
    world.plug(world.port(world.network("gre", mtu=1300)), host)
    world.settle()
    told = "local_ip has MTU 1499, tunnels of 2 networks need up to 1500"
    assert by_name(inspector.hosts())["h1"]["note"] == told
    described(world, host, local_ip="2001:db8::1", local_ip_mtu=1515)
    assert by_name(inspector.hosts())["h1"]["note"].endswith(
        "local_ip has MTU 1515, tunnels of 2 networks need up to 1520"
    )
    assert len(world.mods) > sent and by_name(inspector.ports())["one"]["fault"] == ""


def test_an_interface_of_open_vswitch_that_has_the_tunnel_address_is_followed(world, inspector):
    host = world.hypervisors["h1"]
    described(world, host, local_ip_interface="br-ex", local_ip_mtu=1600)
    assert by_name(inspector.hosts())["h1"]["note"] == "local_ip_interface is br-ex, which is not there"
    host.interfaces["br-ex"] = InterfaceRow("br-ex", "br-ex", "internal", mtu=1400)
    described(world, host)
    assert by_name(inspector.hosts())["h1"]["note"] == "br-ex has MTU 1400, tunnels of a network need 1500"
    host.interfaces["br-ex"] = InterfaceRow("br-ex", "br-ex", "internal", mtu=1500)
    described(world, host)
    assert by_name(inspector.hosts())["h1"]["note"] == ""
    host.interfaces["br-ex"] = InterfaceRow("br-ex", "br-ex", "internal")
    described(world, host, local_ip_mtu=1450)
    assert by_name(inspector.hosts())["h1"]["note"] == "br-ex has MTU 1450, tunnels of a network need 1500"


def test_tunnels_that_new_networks_will_not_fit_into_are_a_note(world, inspector):
    world.write(networks.change, world.machine.net.find(Network, "key", 1)[0].id, {"mtu": 1300})
    described(world, world.hypervisors["h1"], local_ip_mtu=1400)
    assert by_name(inspector.hosts())["h1"]["note"] == "local_ip has MTU 1400, global_physnet_mtu is 1500"


def test_a_host_whose_way_is_narrower_than_path_mtu_is_noted():
    world = World(replace(SETTINGS, path_mtu=1400))
    host, inspector = world.host(), Inspector(world.machine)
    world.settle()
    for mtu, note in ((1400, ""), (1399, "local_ip has MTU 1399, path_mtu is 1400")):
        described(world, host, local_ip_mtu=mtu)
        assert by_name(inspector.hosts())["h1"]["note"] == note


def test_what_a_host_says_of_its_tunnels_is_known_when_it_dials_in(world, inspector):
    late = world.host()
    late.local_ip_mtu = 1200
    world.events[-1] = late.up()
    world.settle()
    assert by_name(inspector.hosts())[late.name]["note"] == "local_ip has MTU 1200, global_physnet_mtu is 1500"
    world.events.append(HostDown(late.name))
    world.settle()
    assert by_name(inspector.hosts())[late.name]["note"] == "local_ip has MTU 1200, global_physnet_mtu is 1500"


def test_flows_are_in_table_order_with_names_and_units(world, inspector):
    flows = inspector.flows("h1/br-int")
    assert [flow["table"] for flow in flows][0] == "admission"
    assert len(flows) == len(world.hypervisors["h1"].bridges["br-int"].switch.flows)
    vif = next(flow for flow in flows if flow["unit"] == "admission.vif")
    assert vif["flow"].startswith("table=admission, priority=100,in_port=")
    assert vif["openflow"].startswith("table=0, priority=100,in_port=")
    assert vif["cookie"].startswith("0x9b")
    eth = inspector.flows("h1/br-eth1")
    assert [(flow["table"], flow["unit"]) for flow in eth] == [
        ("provider", "provider.closed"),
        ("provider", "provider.normal"),
    ]


@pytest.mark.parametrize("name", ["h1/br-int", "0000000000000102", "0x102", "h1"])
def test_a_switch_goes_by_many_names(inspector, name):
    assert inspector.flows(name) == inspector.flows("h1/br-int")


@pytest.mark.parametrize(
    ("name", "says"), [("nowhere", "no switch"), ("br-int", "several switches"), ("", "no switch")]
)
def test_a_name_that_tells_no_one_switch_is_answered_with_those_there_are(inspector, name, says):
    with pytest.raises(LookupError, match=f"{says}; there are: 192.0.2.2/br-eth1, 192.0.2.2/br-int, h1/br-eth1"):
        inspector.flows(name)


def test_a_flow_is_explained_by_its_app_function_and_the_rows_it_read(world, inspector):
    network = by_name(inspector.ports())["one"]["network"]
    vif = next(flow for flow in inspector.flows("h1") if flow["unit"] == "admission.vif")
    why = inspector.explain("h1", vif["cookie"])
    assert (why["app"], why["function"], network) == ("admission", "admission.vif", "blue")
    assert why["doc"].startswith("An untagged packet from a VIF")
    assert why["source"].startswith("apps.admission:")
    assert why["row"].startswith("LocalPort '")
    assert any(read.startswith("Network(id=") for read in why["reads"])
    assert inspector.explain("h1", vif["flow"])["cookie"] == vif["cookie"]
    assert inspector.explain("h1", vif["openflow"][:60])["cookie"] == vif["cookie"]
    flood = next(flow for flow in inspector.flows("h1") if flow["unit"] == "switching.flood_chunk")
    assert any(read.endswith(": 1 rows") for read in inspector.explain("h1", flood["cookie"])["reads"])


@pytest.mark.parametrize(("wanted", "found"), [("priority=100", r"\d+ flows"), ("0x9b00", "0 flows")])
def test_a_flow_that_is_not_told_clearly_is_not_explained(inspector, wanted, found):
    with pytest.raises(LookupError, match=f"{found} of h1 match"):
        inspector.explain("h1", wanted)


def test_all_of_it_is_json(inspector):
    told = [inspector.status(), inspector.hosts(), inspector.switches(), inspector.ports(), inspector.flows("h1")]
    assert json.loads(json.dumps(told)) == told
