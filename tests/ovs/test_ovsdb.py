"""The OVSDB edge against real ovsdb-server and ovs-vswitchd (dummy datapath), and against peers that misbehave."""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.core.effects import EnsureBridge, EnsurePatch, EnsureTunnel, RemovePort, SetTag
from controller.core.events import HostChanged, HostDown, HostUp, InterfacesChanged
from controller.io.ovsdb import OvsdbServer
from controller.io.ovsdb.view import read_local_ip, read_local_ip_mtu, read_mappings, read_zone
from controller.io.ovsdb.wire import MESSAGE_LIMIT, Splitter
from tests.ovs.ovsdb_process import OvsdbProcess
from tests.ovs.sandbox import Sandbox

BR_INT = EnsureBridge("br-int", "dummy", "secure", ("OpenFlow14",), True, "tcp:AUTO:6653")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Sandbox]:
    with Sandbox(tmp_path / "host") as sandbox:
        sandbox.vsctl("set", "Open_vSwitch", ".", "external_ids:hostname=h1", "external_ids:system-id=s1")
        yield sandbox


@pytest.fixture
def controller(tmp_path: Path) -> Iterator[OvsdbProcess]:
    with OvsdbProcess(tmp_path, probe=1.0) as process:
        yield process


def join(host: Sandbox, controller: OvsdbProcess) -> HostUp:
    start = len(controller.events)
    host.vsctl("--no-wait", "set-manager", f"tcp:{controller.address}")
    return controller.wait_for(HostUp, start)


def add_bridge(host: Sandbox, name: str, *settings: str) -> None:
    host.vsctl("add-br", name, "--", "set", "bridge", name, "datapath_type=dummy", *settings)


def ids(host: Sandbox, **values: str) -> None:
    """Set external_ids of the host; an underscore after "ovn" stands for OVN's hyphens."""
    for key, value in values.items():
        name = key.replace("_", "-") if key.startswith("ovn") else key
        host.vsctl("set", "Open_vSwitch", ".", f'external_ids:{name}="{value}"')


def shows(name: str) -> Callable[[object], bool]:
    """Holds for an InterfacesChanged that shows interface `name`."""
    return lambda event: isinstance(event, InterfacesChanged) and any(row.name == name for row in event.changed)


# ---------------------------------------------------------------------------------------------------------------------
# What a host says


def test_a_host_that_joins_is_described_whole(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(
        host,
        "br-eth1",
        "fail_mode=standalone",
        "protocols=OpenFlow14,OpenFlow10",
        "other_config:disable-in-band=true",
        "other_config:datapath-id=00000000000000a1",
    )
    host.add_vif("br-eth1", "tap1", "port-1", "fa:16:3e:00:00:01")
    host.vsctl("set", "port", "tap1", "tag=7", "--", "set-controller", "br-eth1", "tcp:127.0.0.1:1")
    ids(host, local_ip="192.0.2.1", bridge_mappings="physnet1:br-eth1", integration_bridge="br-main")

    up = join(host, controller)

    assert (up.name, up.local_ip, up.bridge_mappings) == ("h1", "192.0.2.1", (("physnet1", "br-eth1"),))
    assert (up.datapath_type, up.integration_bridge, up.problem) == ("dummy", "br-main", "")
    assert up.connection.startswith("tcp:127.0.0.1:")
    (bridge,) = up.bridges
    assert bridge == (
        "br-eth1",
        0xA1,
        "dummy",
        "standalone",
        ("OpenFlow10", "OpenFlow14"),
        ("tcp:127.0.0.1:1",),
        True,
        False,
    )
    vif = {row.name: row for row in up.interfaces}["tap1"]
    assert (vif.bridge, vif.type, vif.iface_id, vif.mac) == (
        "br-eth1",
        "dummy",
        "port-1",
        "fa:16:3e:00:00:01",
    )
    assert (vif.tag, vif.error, vif.ours, vif.mtu) == (7, "", False, 1500)


def test_an_interfaces_mtu_is_told(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br-eth1")
    host.vsctl("add-port", "br-eth1", "wide", "--", "set", "Interface", "wide", "type=dummy", "mtu_request=9000")
    join(host, controller)
    host.vsctl("set", "Interface", "wide", "mtu_request=1400")
    controller.wait_for(lambda event: shows("wide")(event) and event.changed[0].mtu == 1400)


def test_a_host_says_where_its_tunnel_address_is(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br-ex")
    ids(host, local_ip="192.0.2.9", local_ip_mtu="1600", local_ip_interface="br-ex")
    up = join(host, controller)
    assert (up.local_ip_mtu, up.local_ip_interface, up.problem) == (1600, "br-ex", "")
    assert "br-ex" in {row.name for row in up.interfaces}
    host.vsctl("set", "Interface", "br-ex", "mtu_request=1400")
    controller.wait_for(lambda event: shows("br-ex")(event) and event.changed[0].mtu == 1400)
    ids(host, local_ip_mtu="wide")
    changed = controller.wait_for(lambda event: isinstance(event, HostChanged) and event.problem)
    assert (changed.local_ip_mtu, changed.local_ip_interface) == (0, "br-ex")


@pytest.mark.parametrize(("hostname", "system_id", "name"), [("h", "s", "h"), ("", "s", "s"), ("", "", "127.0.0.1")])
def test_a_host_is_named_by_hostname_else_system_id_else_address(
    host: Sandbox, controller: OvsdbProcess, hostname: str, system_id: str, name: str
) -> None:
    host.vsctl("clear", "Open_vSwitch", ".", "external_ids")
    if hostname:
        ids(host, hostname=hostname)
    if system_id:
        host.vsctl("set", "Open_vSwitch", ".", f"external_ids:system-id={system_id}")
    assert join(host, controller).name == name


def test_ovn_names_are_read_and_changes_are_followed(host: Sandbox, controller: OvsdbProcess) -> None:
    ids(host, ovn_encap_ip="2001:db8::1", ovn_bridge_mappings="p1:br-a, p2:br-b")
    up = join(host, controller)
    assert (up.local_ip, up.bridge_mappings) == ("2001:db8::1", (("p1", "br-a"), ("p2", "br-b")))

    ids(host, local_ip="192.0.2.9", bridge_mappings="p1:br-c", datapath_type="netdev")
    changed = controller.wait_for(lambda event: isinstance(event, HostChanged) and event.datapath_type == "netdev")
    assert (changed.local_ip, changed.bridge_mappings) == ("192.0.2.9", (("p1", "br-c"),))


def test_a_malformed_mapping_is_a_problem_until_it_is_put_right(host: Sandbox, controller: OvsdbProcess) -> None:
    ids(host, bridge_mappings="physnet1", local_ip="192.0.2.1")
    up = join(host, controller)
    assert up.bridge_mappings == ()
    assert up.local_ip == "192.0.2.1"
    rule = "is not PHYSICAL_NETWORK:BRIDGE or PHYSICAL_NETWORK:BRIDGE:PORT"
    assert up.problem == f"external_ids:bridge_mappings: 'physnet1' {rule}"

    ids(host, bridge_mappings="physnet1:br-eth1")
    changed = controller.wait_for(HostChanged)
    assert (changed.bridge_mappings, changed.problem) == ((("physnet1", "br-eth1"),), "")


@pytest.mark.parametrize(
    ("text", "mappings", "rule"),
    [
        ("", (), ""),
        (" a:b , ,c:d,", (("a", "b"), ("c", "d")), ""),
        ("a:br-int:eth1,b:br-int:eth2", (("a", "br-int:eth1"), ("b", "br-int:eth2")), ""),
        ("a:", (), "is not PHYSICAL_NETWORK:BRIDGE or PHYSICAL_NETWORK:BRIDGE:PORT"),
        (":b", (), "is not PHYSICAL_NETWORK:BRIDGE or PHYSICAL_NETWORK:BRIDGE:PORT"),
        ("a:b:", (), "is not PHYSICAL_NETWORK:BRIDGE or PHYSICAL_NETWORK:BRIDGE:PORT"),
        ("a:b:c:d", (), "is not PHYSICAL_NETWORK:BRIDGE or PHYSICAL_NETWORK:BRIDGE:PORT"),
        ("a:b,a:c", (), "a second time"),
        ("a:b,c:b", (), "a second time"),
    ],
)
def test_bridge_mappings(text: str, mappings: tuple[tuple[str, str], ...], rule: str) -> None:
    found, problem = read_mappings({"bridge_mappings": text})
    assert found == mappings
    assert problem.endswith(rule)
    assert bool(problem) == bool(rule)
    assert read_mappings({"ovn-bridge-mappings": text})[0] == mappings


def test_a_zone_is_a_name_that_is_not_too_long() -> None:
    assert read_zone({}) == ("", "")
    assert read_zone({"availability_zone": " az1 "}) == ("az1", "")
    text = "external_ids:availability_zone: it has more than 255 characters"
    assert read_zone({"availability_zone": "a" * 256}) == ("", text)


@pytest.mark.parametrize(
    ("text", "mtu"),
    [("", 0), (" 1600 ", 1600), ("68", 68), ("65535", 65535), ("67", None), ("65536", None), ("x", None)],
)
def test_the_mtu_of_the_tunnel_address_is_a_number_of_bytes(text: str, mtu: int | None) -> None:
    rule = f"external_ids:local_ip_mtu: {text!r} is not a number of bytes from 68 to 65535"
    assert read_local_ip_mtu({"local_ip_mtu": text}) == ((0, rule) if mtu is None else (mtu, ""))


def test_local_ip_must_be_an_address() -> None:
    assert read_local_ip({"local_ip": "10.0.0.300"}) == ("", "external_ids:local_ip: '10.0.0.300' is not an IP address")
    assert read_local_ip({"ovn-encap-ip": "10.0.0.3,10.0.1.3"}) == ("10.0.0.3", "")
    assert read_local_ip({}) == ("", "")


def test_a_new_name_is_a_new_host(host: Sandbox, controller: OvsdbProcess) -> None:
    first = join(host, controller)
    ids(host, hostname="h2")
    second = controller.wait_for(HostUp, 1)
    assert second.name == "h2"
    assert controller.events == [first, HostDown("h1"), second]
    assert controller.ensure("h2", BR_INT) == ""
    assert "not connected" in controller.ensure("h1", BR_INT)


def test_interfaces_are_followed(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0")
    join(host, controller)
    host.add_vif("br0", "tap1", "port-1", "fa:16:3e:00:00:01")
    seen = controller.wait_for(shows("tap1"))
    assert seen.changed[0].iface_id == "port-1"
    assert seen.removed == ()

    for setting, iface_id in [("iface-status=inactive", ""), ("iface-status=active", "port-1")]:
        start = len(controller.events)
        host.vsctl("set", "interface", "tap1", f"external_ids:{setting}")
        assert controller.wait_for(shows("tap1"), start).changed[0].iface_id == iface_id

    start = len(controller.events)
    host.vsctl(
        "remove",
        "interface",
        "tap1",
        "external_ids",
        "iface-id",
        "--",
        "set",
        "interface",
        "tap1",
        "external_ids:xs-vif-uuid=xs-1",
        "--",
        "set",
        "port",
        "tap1",
        "tag=3",
    )
    row = controller.wait_for(shows("tap1"), start).changed[0]
    assert (row.iface_id, row.tag) == ("xs-1", 3)

    start = len(controller.events)
    host.vsctl("del-port", "tap1")
    gone = controller.wait_for(InterfacesChanged, start)
    assert (gone.changed, gone.removed) == ((), ("tap1",))


def test_an_interface_made_again_in_one_transaction_is_not_gone(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0")
    host.add_vif("br0", "tap1", "port-1")
    join(host, controller)
    host.vsctl(
        "del-port",
        "tap1",
        "--",
        "add-port",
        "br0",
        "tap1",
        "--",
        "set",
        "interface",
        "tap1",
        "type=dummy",
        "external_ids:iface-id=port-2",
    )
    seen = controller.wait_for(InterfacesChanged)
    assert seen.removed == ()
    assert [row.iface_id for row in seen.changed] == ["port-2"]


def test_an_interface_that_cannot_be_made_shows_its_error(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0")
    join(host, controller)
    host.vsctl("add-port", "br0", "bad", "--", "set", "interface", "bad", "type=nonsense")
    row = controller.wait_for(lambda event: shows("bad")(event) and event.changed[0].error).changed[0]
    assert "could not open network device bad" in row.error


def test_a_burst_is_one_event(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0")
    join(host, controller)
    host.stop_vswitchd()
    start = len(controller.events)
    names = [f"tap{number:02}" for number in range(40)]
    host.vsctl("--no-wait", *(word for name in names for word in ("--", "add-port", "br0", name)))
    assert [row.name for row in controller.wait_for(InterfacesChanged, start).changed] == names
    time.sleep(0.3)
    assert len(controller.events) == start + 1


def test_a_deleted_bridge_is_gone_with_its_ports(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0")
    host.add_vif("br0", "tap1")
    join(host, controller)
    host.vsctl("del-br", "br0")
    assert controller.wait_for(HostChanged).bridges == ()
    assert controller.wait_for(InterfacesChanged).removed == ("br0", "tap1")


def test_a_controller_that_connects_is_shown(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0", "other_config:disable-in-band=true")
    join(host, controller)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        host.vsctl("set-controller", "br0", f"tcp:127.0.0.1:{listener.getsockname()[1]}")
        listener.settimeout(5)
        switch, _ = listener.accept()
        switch.sendall(bytes([5, 0, 0, 8, 0, 0, 0, 1]))  # OFPT_HELLO of OpenFlow 1.4
        up = controller.wait_for(lambda event: isinstance(event, HostChanged) and event.bridges[0].connected)
        assert up.bridges[0].controllers[0].startswith("tcp:127.0.0.1:")


# ---------------------------------------------------------------------------------------------------------------------
# What is done on a host


def test_everything_a_host_needs_in_one_transaction_and_a_second_time_nothing(
    host: Sandbox, controller: OvsdbProcess
) -> None:
    join(host, controller)
    operations = (
        BR_INT,
        EnsureBridge("br-eth1", "dummy", controller="tcp:AUTO:6653", controller_type="service"),
        EnsurePatch("br-int", "int-br-eth1", "br-eth1", "phy-br-eth1"),
        EnsureTunnel("br-int", "vxlan0", "vxlan", "192.0.2.1"),
    )
    assert controller.ensure("h1", *operations) == ""

    bridge = ("get", "bridge", "br-int")
    assert host.vsctl(*bridge, "datapath_type", "fail_mode", "protocols") == "dummy\nsecure\n[]"
    assert host.vsctl(*bridge, "other_config:disable-in-band") == '"true"'
    assert host.vsctl("get-controller", "br-int") == "tcp:127.0.0.1:6653"
    assert host.vsctl("--bare", "--columns=type", "find", "controller", "type=service") == "service"
    assert host.vsctl("get", "interface", "int-br-eth1", "type", "options") == "patch\n{peer=phy-br-eth1}"
    assert host.vsctl("get", "interface", "phy-br-eth1", "type", "options") == "patch\n{peer=int-br-eth1}"
    assert host.vsctl("get", "interface", "vxlan0", "options") == '{key=flow, local_ip="192.0.2.1", remote_ip=flow}'
    for name in ("int-br-eth1", "phy-br-eth1", "vxlan0"):
        assert host.vsctl("get", "port", name, "external_ids:patchbay") == '"true"'
        assert host.vsctl("get", "interface", name, "error") == "[]"
    assert "int-br-eth1" in host.ofctl("show", "br-int")

    database = host.directory / "conf.db"
    time.sleep(0.2)
    size = database.stat().st_size
    assert controller.ensure("h1", *operations) == ""
    assert database.stat().st_size == size


def test_an_existing_bridge_keeps_what_is_not_ours(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br-int", "protocols=OpenFlow13", "other_config:mac-table-size=77")
    host.vsctl("set-controller", "br-int", "tcp:192.0.2.77:6653")
    join(host, controller)
    assert (
        controller.ensure("h1", EnsureBridge("br-int", "netdev", None, ("OpenFlow14",), True, "tcp:192.0.2.1:6653"))
        == ""
    )
    assert host.vsctl("get", "bridge", "br-int", "datapath_type", "fail_mode") == "dummy\n[]"
    assert host.vsctl("get", "bridge", "br-int", "protocols") == "[OpenFlow13, OpenFlow14]"
    assert host.vsctl("get", "bridge", "br-int", "other_config") == '{disable-in-band="true", mac-table-size="77"}'
    assert host.vsctl("get-controller", "br-int").split() == ["tcp:192.0.2.1:6653", "tcp:192.0.2.77:6653"]

    # A new target replaces ours, and ours only; a target that stands there already is not doubled.
    assert controller.ensure("h1", EnsureBridge("br-int", controller="tcp:192.0.2.2:6653")) == ""
    assert host.vsctl("get-controller", "br-int").split() == ["tcp:192.0.2.2:6653", "tcp:192.0.2.77:6653"]
    assert controller.ensure("h1", EnsureBridge("br-int", controller="tcp:192.0.2.77:6653")) == ""
    assert host.vsctl("get-controller", "br-int") == "tcp:192.0.2.77:6653"


def test_a_service_controller_takes_no_flow_away(host: Sandbox, controller: OvsdbProcess) -> None:
    """The first primary controller of a bridge flushes its flows; a service controller must not."""
    add_bridge(host, "br-eth1")
    host.ofctl("add-flow", "br-eth1", "priority=7,dl_vlan=5,actions=drop")
    join(host, controller)
    wanted = EnsureBridge("br-eth1", controller="tcp:AUTO:1", controller_type="service")
    assert controller.ensure("h1", wanted) == ""
    host.add_vif("br-eth1", "eth1")  # waits until the configuration is applied
    flows = host.ofctl("dump-flows", "br-eth1")
    assert "dl_vlan=5 actions=drop" in flows
    assert "priority=0 actions=NORMAL" in flows


def test_a_new_target_takes_no_flow_away(host: Sandbox, controller: OvsdbProcess) -> None:
    join(host, controller)
    assert controller.ensure("h1", BR_INT) == ""
    host.add_vif("br-int", "tap1")
    host.ofctl("add-flow", "br-int", "priority=7,dl_vlan=5,actions=drop")
    assert controller.ensure("h1", EnsureBridge("br-int", controller="tcp:AUTO:6654")) == ""
    host.add_vif("br-int", "tap2")
    assert host.vsctl("get-controller", "br-int") == "tcp:127.0.0.1:6654"
    assert "dl_vlan=5" in host.ofctl("dump-flows", "br-int")


def test_a_patch_pair_is_put_right(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br-int")
    add_bridge(host, "br-eth1")
    host.vsctl(
        "add-port",
        "br-int",
        "int-br-eth1",
        "--",
        "set",
        "interface",
        "int-br-eth1",
        "type=patch",
        "options:peer=elsewhere",
    )
    join(host, controller)
    assert controller.ensure("h1", EnsurePatch("br-int", "int-br-eth1", "br-eth1", "phy-br-eth1")) == ""
    assert host.vsctl("get", "interface", "int-br-eth1", "options:peer") == "phy-br-eth1"
    assert host.vsctl("get", "interface", "phy-br-eth1", "options:peer") == "int-br-eth1"
    assert host.vsctl("get", "port", "int-br-eth1", "external_ids") == "{}"


def test_our_port_on_another_bridge_is_moved(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br-int")
    add_bridge(host, "br-old")
    join(host, controller)
    assert controller.ensure("h1", EnsureTunnel("br-old", "vxlan0", "vxlan", "192.0.2.1")) == ""
    assert controller.ensure("h1", EnsureTunnel("br-int", "vxlan0", "vxlan", "192.0.2.1")) == ""
    assert host.vsctl("iface-to-br", "vxlan0") == "br-int"
    moved = controller.wait_for(lambda event: shows("vxlan0")(event) and event.changed[0].bridge == "br-int")
    assert moved.removed == ()


@pytest.mark.parametrize(
    ("type_", "local_ip", "ovs_type"),
    [
        ("vxlan", "192.0.2.1", "vxlan"),
        ("geneve", "2001:db8::1", "geneve"),
        ("gre", "192.0.2.1", "gre"),
        ("gre", "2001:db8::1", "ip6gre"),
    ],
)
def test_tunnels(host: Sandbox, controller: OvsdbProcess, type_: str, local_ip: str, ovs_type: str) -> None:
    add_bridge(host, "br-int")
    join(host, controller)
    assert controller.ensure("h1", EnsureTunnel("br-int", "tun0", type_, local_ip)) == ""
    row = controller.wait_for(shows("tun0")).changed[0]
    assert (row.type, row.ours) == (ovs_type, True)
    host.vsctl("set", "Open_vSwitch", ".", "external_ids:asked=1")  # returns when vswitchd has made the port
    assert int(host.vsctl("get", "interface", "tun0", "ofport")) > 0
    options = [host.vsctl("get", "interface", "tun0", f"options:{key}") for key in ("key", "local_ip", "remote_ip")]
    assert [option.strip('"') for option in options] == ["flow", local_ip, "flow"]


def test_a_new_local_ip_is_set_in_place(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br-int")
    join(host, controller)
    assert controller.ensure("h1", EnsureTunnel("br-int", "tun0", "vxlan", "192.0.2.1")) == ""
    host.vsctl("set", "interface", "tun0", "options:csum=true")
    before = host.vsctl("get", "interface", "tun0", "_uuid", "ofport")
    assert controller.ensure("h1", EnsureTunnel("br-int", "tun0", "vxlan", "192.0.2.2")) == ""
    assert host.vsctl("get", "interface", "tun0", "_uuid", "ofport") == before
    assert host.vsctl("get", "interface", "tun0", "options:local_ip", "options:csum") == '"192.0.2.2"\n"true"'


def test_only_our_ports_are_removed(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br-int")
    host.add_vif("br-int", "eth1")
    join(host, controller)
    assert controller.ensure("h1", EnsureTunnel("br-int", "tun0", "vxlan", "192.0.2.1")) == ""
    error = controller.ensure("h1", RemovePort("br-int", "tun0"), RemovePort("br-int", "eth1"))
    assert error == "port eth1 of br-int can't be removed: it is not ours"
    assert host.vsctl("list-ports", "br-int").split() == ["eth1", "tun0"]
    assert controller.ensure("h1", RemovePort("br-int", "tun0"), RemovePort("br-int", "tun0")) == ""
    assert host.vsctl("list-ports", "br-int") == "eth1"


def test_tags_are_shown(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br-int")
    host.add_vif("br-int", "tap1")
    join(host, controller)
    assert controller.ensure("h1", SetTag("br-int", "tap1", 5), SetTag("br-int", "gone", 6)) == ""
    assert host.vsctl("get", "port", "tap1", "tag") == "5"
    assert controller.ensure("h1", SetTag("br-int", "tap1", None)) == ""
    assert host.vsctl("get", "port", "tap1", "tag") == "[]"


def configured(host: Sandbox) -> list[str]:
    """What `ovs-vsctl show` says, less what becomes of it by itself."""
    return [line for line in host.vsctl("show").splitlines() if "is_connected" not in line]


@pytest.mark.parametrize(
    ("operation", "error"),
    [
        (EnsurePatch("br-int", "tap1", "br-int", "x"), "port tap1 can't be made on br-int: a port of that name exists"),
        (EnsureTunnel("br-int", "tap1", "gre", "192.0.2.1"), "port tap1 can't be made on br-int: a port of that name"),
        (EnsureTunnel("br-no", "tun0", "gre", "192.0.2.1"), "port tun0 can't be made: there is no bridge br-no"),
        (EnsureBridge("tap1"), "bridge tap1 can't be made: a port of that name exists"),
        (EnsureBridge("br-int", fail_mode="maybe"), "['maybe'] is not a value for column fail_mode of table Bridge"),
        (SetTag("br-int", "tap1", 5000), "[5000] is not a value for column tag of table Port"),
    ],
)
def test_what_is_refused_changes_nothing(
    host: Sandbox, controller: OvsdbProcess, operation: object, error: str
) -> None:
    add_bridge(host, "br-int")
    host.add_vif("br-int", "tap1")
    join(host, controller)
    before = configured(host)
    assert controller.ensure("h1", EnsureBridge("br-new", "dummy"), operation).startswith(error)
    assert configured(host) == before
    assert controller.ensure("h1", EnsureBridge("br-new", "dummy")) == ""


def test_a_host_that_is_not_here_is_an_error(controller: OvsdbProcess) -> None:
    assert controller.ensure("nobody", BR_INT) == "not carried out: the host is not connected"


# ---------------------------------------------------------------------------------------------------------------------
# Coming and going


def test_a_host_leaves_and_comes_back(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0")
    join(host, controller)
    host.stop_ovsdb()
    controller.wait_for(HostDown)
    start = len(controller.events)
    host.start_ovsdb()
    assert [bridge.name for bridge in controller.wait_for(HostUp, start).bridges] == ["br0"]


def test_a_restart_of_vswitchd_is_no_departure(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0")
    host.add_vif("br0", "tap1", "port-1")
    join(host, controller)
    host.restart_vswitchd()
    assert controller.ensure("h1", SetTag("br0", "tap1", 5)) == ""
    row = controller.wait_for(lambda event: shows("tap1")(event) and event.changed[0].tag == 5).changed[0]
    assert row.iface_id == "port-1"
    assert not [event for event in controller.events if isinstance(event, HostDown)]


def test_a_host_that_falls_silent_is_down(host: Sandbox, controller: OvsdbProcess) -> None:
    join(host, controller)
    freeze(host, signal.SIGSTOP)
    try:
        controller.send(("h1", (BR_INT,)))
        controller.wait_for(HostDown)
        assert "silent for" in controller.log
        done = controller.wait_for(lambda event: type(event).__name__ == "OvsdbDone")
        assert done.error == "the connection closed before the host answered"
        assert controller.events.index(done) < controller.events.index(HostDown("h1"))
    finally:
        freeze(host, signal.SIGCONT)


def freeze(host: Sandbox, number: signal.Signals) -> None:
    os.kill(host.pid("ovsdb-server"), number)


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Sandbox]:
    """A second host that calls itself as the first."""
    with Sandbox(tmp_path / "twin") as sandbox:
        ids(sandbox, hostname="h1")
        add_bridge(sandbox, "br-twin")
        yield sandbox


def test_a_name_in_use_is_refused(host: Sandbox, twin: Sandbox, controller: OvsdbProcess) -> None:
    join(host, controller)
    twin.vsctl("--no-wait", "set-manager", f"tcp:{controller.address}")
    host.wait(lambda: "host name 'h1' is in use by the live connection of tcp:" in controller.log, "the refusal")
    assert controller.ensure("h1", BR_INT) == ""
    assert len([event for event in controller.events if isinstance(event, HostUp)]) == 1
    assert twin.vsctl("list-br") == "br-twin"


def test_a_dead_connection_gives_way(host: Sandbox, twin: Sandbox, tmp_path: Path) -> None:
    with OvsdbProcess(tmp_path, probe=3.0) as controller:  # too long to notice by itself within this test's patience
        join(host, controller)
        freeze(host, signal.SIGSTOP)
        began = time.monotonic()
        try:
            twin.vsctl("--no-wait", "set-manager", f"tcp:{controller.address}")
            up = controller.wait_for(HostUp, 1)
        finally:
            freeze(host, signal.SIGCONT)
        assert time.monotonic() - began < 4
        assert controller.events[1] == HostDown("h1")
        assert [bridge.name for bridge in up.bridges] == ["br-twin"]


def test_stop_ends_all(host: Sandbox, controller: OvsdbProcess) -> None:
    join(host, controller)
    controller.send(None)
    controller.wait_for(HostDown)
    assert refuses(controller.address)


def refuses(address: str) -> bool:
    name, _, port = address.rpartition(":")
    try:
        socket.create_connection((name, int(port))).close()
    except ConnectionRefusedError:
        return True
    return False


def test_ipv6(host: Sandbox, tmp_path: Path) -> None:
    with OvsdbProcess(tmp_path, "[::1]:0") as controller:
        assert join(host, controller).connection.startswith("tcp:[::1]:")
        assert controller.ensure("h1", BR_INT) == ""
        assert host.vsctl("get-controller", "br-int") == "tcp:[::1]:6653"


def test_an_address_that_cannot_be_had() -> None:
    with pytest.raises(ValueError, match="OVSDB address '6640' is not HOST:PORT"):
        OvsdbServer("6640", print, logging.getLogger()).start()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        OvsdbServer(f"127.0.0.1:{taken.getsockname()[1]}", print, logging.getLogger()).start()


# ---------------------------------------------------------------------------------------------------------------------
# Peers that misbehave

SCHEMA = json.loads(Path("/usr/share/openvswitch/vswitch.ovsschema").read_text())


def reply(result: object) -> Callable[[dict[str, object]], bytes]:
    return lambda request: json.dumps({"id": request["id"], "result": result, "error": None}).encode()


def as_host(then: bytes) -> Callable[[dict[str, object]], bytes]:
    """Answer as an ovsdb-server does until the monitor request; then send `then`."""

    def answer(request: dict[str, object]) -> bytes:
        if request["method"] == "get_schema" and request["params"] == ["Open_vSwitch"]:
            return reply(SCHEMA)(request)
        if request["method"] in ("get_schema", "echo"):
            return json.dumps({"id": request["id"], "result": None, "error": "no"}).encode()
        return then

    return answer


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (b"\x16\x03\x01\x00\xff garbage", "what it sends is not JSON-RPC: a message is not a JSON object"),
        (b"GET / HTTP/1.1\r\n\r\n", "not JSON-RPC"),
        (b'{"id": 1}', "not JSON-RPC"),
        (b'{"id": "\xff"}', "not JSON-RPC"),
        (b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not JSON-RPC"),
        (b'{"id": 0, "result": {"tables', "did not describe itself within"),
        (b"", "did not describe itself within"),
        (reply({"tables": {}}), "its schema is not that of Open_vSwitch"),
        (reply(["x"]), "its schema is not that of Open_vSwitch"),
        (reply({**SCHEMA, "version": 3}), "its schema can't be read"),
        (as_host(b'{"method": "update3", "params": [null, "x", {"No": {}}], "id": null}'), "did not describe itself"),
        (as_host(b'{"method": "monitor_canceled", "params": [], "id": null}'), "does not follow RFC 7047"),
        (as_host(b'{"method": "update", "params": ['), "did not describe itself"),
    ],
)
def test_a_peer_that_is_no_host(controller: OvsdbProcess, behaviour: object, reason: str) -> None:
    name, _, port = controller.address.rpartition(":")
    with socket.create_connection((name, int(port)), timeout=10) as peer:
        if isinstance(behaviour, bytes):
            peer.sendall(behaviour)
        converse(peer, behaviour)
    await_log(controller)
    lines = [line for line in controller.log.splitlines() if line]
    assert len(lines) == 1
    assert reason in lines[0]
    assert "tcp:127.0.0.1:" in lines[0]
    assert controller.events == []


def await_log(controller: OvsdbProcess) -> None:
    deadline = time.monotonic() + 5
    while not controller.log and time.monotonic() < deadline:
        time.sleep(0.01)


def converse(peer: socket.socket, behaviour: object) -> None:
    """Answer requests as `behaviour` says until the other side closes the connection."""
    received = b""
    while True:
        try:
            data = peer.recv(65536)
        except ConnectionResetError:
            return
        if not data:
            return
        received += data
        while callable(behaviour) and received:
            request, end = json.JSONDecoder().raw_decode(received.decode())
            received = received[end:]
            peer.sendall(behaviour(request))


def test_a_peer_that_sends_without_end_holds_up_nobody(host: Sandbox, controller: OvsdbProcess) -> None:
    add_bridge(host, "br0")
    join(host, controller)
    name, _, port = controller.address.rpartition(":")
    with socket.create_connection((name, int(port))) as peer:
        peer.setblocking(False)
        slowest = 0.0
        peer.send(b'{"id": 0, "result": "')
        for tag in range(1, 9):
            for _ in range(64):
                try:
                    peer.send(b"x" * 65536)
                except BlockingIOError:
                    break
                except OSError:  # it was closed, as it should be in the end
                    break
            began = time.monotonic()
            assert controller.ensure("h1", EnsureBridge(f"br{tag}", "dummy")) == ""
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 1.0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


NESTED = [({"a": {"b": {"c": {"d": '}{\\"'}}, "{": {}}}, ""), ({"e": {"f": "}"}}, " "), ({}, "")]


@settings(deadline=None)  # a loaded machine is no fault
@example(messages=NESTED, ascii_only=True, cuts=[])
@example(messages=NESTED, ascii_only=True, cuts=[1] * 100)
@given(
    messages=st.lists(st.tuples(st.dictionaries(st.text(), VALUES), st.sampled_from(["", " ", "\r\n"])), max_size=5),
    ascii_only=st.booleans(),
    cuts=st.lists(st.integers(min_value=1, max_value=50)),
)
def test_messages_are_found_however_the_bytes_are_cut(
    messages: list[tuple[dict[str, object], str]], ascii_only: bool, cuts: list[int]
) -> None:
    data = "".join(json.dumps(message, ensure_ascii=ascii_only) + blank for message, blank in messages).encode()
    splitter = Splitter()
    for size in cuts:
        splitter.feed(data[:size])
        data = data[size:]
    splitter.feed(data)
    assert [json.loads(text) for text in splitter.ready] == [message for message, _ in messages]


def test_a_message_has_a_limit_and_reading_it_takes_linear_time() -> None:
    splitter = Splitter()
    splitter.feed(b'{"id": "' + b"x" * (MESSAGE_LIMIT - 100))
    began = time.monotonic()
    for _ in range(90):
        splitter.feed(b"x")
    assert time.monotonic() - began < 0.5
    with pytest.raises(ValueError, match="a message is longer than 16777216 bytes"):
        splitter.feed(b"x" * 100)
