"""Hosts that change, and hosts that join in other ways: the controller follows them live."""

from __future__ import annotations

from pathlib import Path

from tests.ovs.cloud import VLANS, Cloud, add_bridge, ask_for, cookie, dump, name_of, ours
from tests.ovs.controller import Controller
from tests.ovs.sandbox import Sandbox


def test_a_bridge_that_is_deleted_is_made_again(cloud: Cloud) -> None:
    network = cloud.network()
    port, other = cloud.plug(network, cloud.h1, "tap1"), cloud.plug(network, cloud.h2, "tap1")
    cloud.h1.vsctl("del-br", "br-int")
    cloud.wait_status(port, "DOWN")
    cloud.controller.wait(lambda: "br-int" in cloud.h1.vsctl("list-br").split(), "br-int")
    cloud.h1.add_vif("br-int", "tap1", port["id"], port["mac_address"])
    cloud.wait_status(port, "ACTIVE")
    cloud.wait_equal(cloud.h1, "h1")
    assert cloud.controller.status(other["id"]) == "ACTIVE"


def test_a_bound_port_is_prepared_for_before_its_vif_and_until_it_is_bound_no_more(cloud: Cloud) -> None:
    network = cloud.network()
    cloud.plug(network, cloud.h2, "tap1", protected=True)
    without = dump(cloud.h1)
    port = cloud.controller.make("port", network_id=network["id"], binding__host_id="h1")
    cloud.controller.wait(lambda: len(dump(cloud.h1)) > len(without) + 10, "flows of its network and its group")
    cloud.wait_equal(cloud.h1, "h1")
    prepared = {cookie(line) for line in dump(cloud.h1)}
    cloud.h1.add_vif("br-int", "tap1", port["id"], port["mac_address"])
    cloud.wait_status(port, "ACTIVE")
    cloud.wait_equal(cloud.h1, "h1")
    assert len({cookie(line) for line in dump(cloud.h1)} - prepared) <= 12
    cloud.h1.vsctl("del-port", "tap1")
    cloud.wait_status(port, "DOWN")
    cloud.controller.wait(lambda: {cookie(line) for line in dump(cloud.h1)} == prepared, "the VIF's flows to go")
    cloud.controller.rest("PUT", f"/v2.0/ports/{port['id']}", {"port": {"binding:host_id": ""}})
    cloud.controller.wait(lambda: len(dump(cloud.h1)) == len(without), "all to go")


def test_a_provider_bridge_that_goes_and_comes_back_is_programmed_again(cloud: Cloud) -> None:
    cloud.plug(cloud.vlan(1000), cloud.h1, "tap1")
    cloud.h1.vsctl("del-br", "br-eth1")
    fault = "bridge_mappings names bridges that are not there: physnet1:br-eth1"
    cloud.controller.wait(lambda: cloud.controller.look("hosts")[0]["fault"] == fault, "the fault", 4)
    add_bridge(cloud.h1, "br-eth1")
    cloud.wait_equal(cloud.h1, "h1", "br-eth1")
    cloud.controller.wait(lambda: not cloud.controller.look("hosts")[0]["fault"], "the fault to go")
    assert any("5096->vlan_vid" in line for line in dump(cloud.h1, "br-eth1"))


def test_peers_follow_a_tunnel_address_that_changes(cloud: Cloud) -> None:
    network = cloud.network()
    one, other = (cloud.plug(network, host, "tap1") for host in cloud.hosts)
    ask_for(cloud, one, other)
    cloud.h2.vsctl("set", "Open_vSwitch", ".", "external_ids:local_ip=192.0.2.77")
    cloud.controller.wait(lambda: not [line for line in dump(cloud.h1) if "192.0.2.2->tun_dst" in line], "old flows")
    cloud.wait_equal(cloud.h1, "h1")
    assert len([line for line in dump(cloud.h1) if "192.0.2.77->tun_dst" in line]) == 2
    local = cloud.h2.vsctl("get", "Interface", "pb-vxlan", "options:local_ip")
    assert local.strip('"') == "192.0.2.77"


def test_a_host_whose_tunnels_are_too_narrow_is_noted_while_they_are(cloud: Cloud) -> None:
    def note() -> str:
        return str(cloud.controller.look("hosts")[0]["note"])

    cloud.plug(cloud.network(), cloud.h1, "tap1")
    add_bridge(cloud.h1, "br-ex")
    cloud.h1.vsctl("set", "Open_vSwitch", ".", "external_ids:local_ip_interface=br-ex")
    wide = cloud.h1.vsctl("get", "Interface", "br-ex", "mtu").strip()
    assert wide == "1500", "as wide as global_physnet_mtu: nothing to note"
    cloud.h1.vsctl("set", "Interface", "br-ex", "mtu_request=1400")
    cloud.controller.wait(lambda: note() == "br-ex has MTU 1400, tunnels of a network need 1500", "the note")
    cloud.h1.vsctl("set", "Interface", "br-ex", "mtu_request=1500")
    cloud.controller.wait(lambda: not note(), "the note to go")
    cloud.h1.vsctl("remove", "Open_vSwitch", ".", "external_ids", "local_ip_interface")
    cloud.h1.vsctl("set", "Open_vSwitch", ".", "external_ids:local_ip_mtu=1450")
    cloud.controller.wait(lambda: note() == "local_ip has MTU 1450, tunnels of a network need 1500", "the other note")
    cloud.h1.vsctl("set", "Open_vSwitch", ".", "external_ids:local_ip_mtu=wide")
    fault = "external_ids:local_ip_mtu: 'wide' is not a number of bytes from 68 to 65535"
    cloud.controller.wait(lambda: cloud.controller.look("hosts")[0]["fault"] == fault, "the fault", 4)


def test_a_physical_network_moves_to_another_bridge(cloud: Cloud) -> None:
    cloud.plug(cloud.vlan(1000), cloud.h1, "tap1")
    add_bridge(cloud.h1, "br-eth2")
    cloud.h1.vsctl("set", "Open_vSwitch", ".", "external_ids:bridge_mappings=physnet1:br-eth2")
    cloud.wait_equal(cloud.h1, "h1", "br-eth2")
    cloud.wait_equal(cloud.h1, "h1")
    assert any("5096->vlan_vid" in line for line in dump(cloud.h1, "br-eth2"))
    ports = cloud.h1.vsctl("list-ports", "br-int").split()
    assert "int-br-eth2" in ports
    (inward,) = [line for line in dump(cloud.h1) if "dl_vlan=1000" in line]
    assert f"in_port={cloud.h1.vsctl('get', 'Interface', 'int-br-eth2', 'ofport')}," in inward


def test_hosts_may_join_by_set_controller_alone(tmp_path: Path, hosts: list[Sandbox]) -> None:
    """VIFs by tap names, patch and tunnel ports as they stand; both hosts have one address, so sections tell them."""
    dpids = [(f"{n:015x}1", f"{n:015x}2") for n in (0xA, 0xB)]
    sections = {
        f"host:h{n}": {"dpids": ",".join(ids), "local_ip": f"192.0.2.{n}", "bridge_mappings": "physnet1:br-eth1"}
        for n, ids in enumerate(dpids, 1)
    }
    with Controller(tmp_path / "controller", {**VLANS, **sections}) as controller:
        networks = [controller.make("network"), controller.make("network", provider__network_type="vlan")]
        ports = [controller.make("port", network_id=network["id"]) for network in networks for _ in hosts]
        for number, (host, ids) in enumerate(zip(hosts, dpids, strict=True)):
            for bridge, dpid in zip(("br-int", "br-eth1"), ids, strict=True):
                settings = ("fail_mode=secure", "protocols=OpenFlow14", f"other_config:datapath-id={dpid}")
                add_bridge(host, bridge, *settings)
            by_hand(host, "br-int", "int-br-eth1", "type=patch", "options:peer=phy-br-eth1")
            by_hand(host, "br-eth1", "phy-br-eth1", "type=patch", "options:peer=int-br-eth1")
            tunnel = ("type=vxlan", "options:remote_ip=flow", "options:key=flow")
            by_hand(host, "br-int", "vxlan0", *tunnel)
            for port in ports[number::2]:
                host.add_vif("br-int", f"tap{port['id'][:11]}")
            for bridge in ("br-int", "br-eth1"):
                target = f"tcp:{controller.address}:{controller.ports['openflow']}"
                host.vsctl("--no-wait", "set-controller", bridge, target)
        for port in ports:
            controller.wait(lambda p=port: controller.status(p["id"]) == "ACTIVE", name_of(port))
        assert [(h["name"], h["joined_by"]) for h in controller.look("hosts")] == [
            ("h1", "controller"),
            ("h2", "controller"),
        ]
        controller.wait(lambda: any("192.0.2.2->tun_dst" in line for line in dump(hosts[0])), "the way to the other")
        # A port is ACTIVE by its br-int; the other host's br-eth1 may take its flows later.
        controller.wait(
            lambda: any("actions=set_field:" in line and "NORMAL" in line for line in dump(hosts[1], "br-eth1")),
            "the VLAN's way out",
        )
        hosts[0].vsctl("del-port", f"tap{ports[0]['id'][:11]}")
        controller.wait(lambda: controller.status(ports[0]["id"]) == "DOWN", "DOWN")


def by_hand(host: Sandbox, bridge: str, name: str, *settings: str) -> None:
    host.vsctl("add-port", bridge, name, "--", "set", "Interface", name, *settings)


def test_a_second_bridge_with_the_same_dpid_is_refused(cloud: Cloud) -> None:
    dpid = cloud.h1.vsctl("get", "bridge", "br-int", "datapath_id").strip('"')
    whole = ours(cloud.h1)
    add_bridge(cloud.h2, "twin", f"other_config:datapath-id={dpid}", "protocols=OpenFlow14")
    target = f"tcp:{cloud.controller.address}:{cloud.controller.ports['openflow']}"
    cloud.h2.vsctl("--no-wait", "set-controller", "twin", target)
    line = f"bridge {dpid} from 127.0.0.1 ended: dpid {dpid} is connected already, from 127.0.0.1"
    cloud.controller.wait(lambda: line in cloud.controller.log, "the refusal")
    assert dump(cloud.h2, "twin") == []
    assert ours(cloud.h1) == whole
    cloud.plug(cloud.network(), cloud.h1, "tap1")
