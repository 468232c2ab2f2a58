"""The whole controller, as a process, over real Open vSwitch: what it makes, keeps and mends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.ovs.cloud import VLANS, Cloud, ask_for, cookie, dump, foreign, frame, ours
from tests.ovs.controller import Controller
from tests.ovs.sandbox import Sandbox

MENDED = 2.0
"""Seconds in which what others changed is mended."""

# ---------------------------------------------------------------------------------------------------------------------
# From a request to the wire, and back


def test_networks_are_wired_and_leave_nothing_behind(cloud: Cloud) -> None:
    before = {bridge: [ours(host, bridge) for host in cloud.hosts] for bridge in ("br-int", "br-eth1")}
    show = [host.vsctl("list-ports", "br-int") for host in cloud.hosts]
    networks = [cloud.network(), cloud.vlan(1000)]
    places = [(network, host) for network in networks for host in cloud.hosts]
    ports = [cloud.plug(network, host, f"tap{n}") for n, (network, host) in enumerate(places)]
    for number, host in enumerate(cloud.hosts, 1):
        cloud.wait_equal(host, f"h{number}")
        cloud.wait_equal(host, f"h{number}", "br-eth1")
        assert "pb-vxlan" in host.vsctl("list-ports", "br-int")
        assert any("dl_vlan=1000 actions=set_field:" in line for line in dump(host))
        assert any("actions=set_field:5096->vlan_vid,NORMAL" in line for line in dump(host, "br-eth1"))
        assert foreign(host) == []
    for port in ports:
        cloud.controller.rest("DELETE", f"/v2.0/ports/{port['id']}")
    for network in networks:
        cloud.controller.rest("DELETE", f"/v2.0/networks/{network['id']}")
    for n, (_, host) in enumerate(places):
        host.vsctl("del-port", f"tap{n}")

    def left() -> Any:
        now = {bridge: [ours(host, bridge) for host in cloud.hosts] for bridge in ("br-int", "br-eth1")}
        return now, [host.vsctl("list-ports", "br-int") for host in cloud.hosts]

    cloud.controller.wait(lambda: left() == (before, show), "everything to be taken back")


def test_a_port_is_active_when_its_switch_has_said_so_and_not_before(cloud: Cloud) -> None:
    """ovs-vswitchd is stopped just when it should acknowledge: the port is bound, and waits."""
    port = cloud.controller.make("port", network_id=cloud.network()["id"])
    cloud.h1.add_vif("br-int", "tap1")
    with stopped(cloud.h1):
        cloud.h1.vsctl("--no-wait", "set", "Interface", "tap1", f"external_ids:iface-id={port['id']}")
        cloud.controller.wait(lambda: cloud.controller.look("ports")[0]["host"] == "h1", "the port to be found")
        time.sleep(0.5)
        assert cloud.controller.status(port["id"]) == "DOWN"
    cloud.wait_status(port, "ACTIVE")


@contextmanager
def stopped(host: Sandbox) -> Iterator[None]:
    """ovs-vswitchd neither reads nor answers for a while."""
    os.kill(host.pid(), signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(host.pid(), signal.SIGCONT)


def test_a_port_is_down_without_its_vif_and_follows_it_to_another_host(cloud: Cloud) -> None:
    network = cloud.network()
    peer, port = cloud.plug(network, cloud.h1, "peer"), cloud.plug(network, cloud.h1, "tap1")
    cloud.h1.vsctl("del-port", "tap1")
    cloud.wait_status(port, "DOWN")
    assert cloud.controller.status(peer["id"]) == "ACTIVE"
    cloud.h2.add_vif("br-int", "tap1", port["id"], port["mac_address"])
    cloud.wait_status(port, "ACTIVE")
    shown = {found["id"]: found["host"] for found in cloud.controller.look("ports")}
    assert shown == {peer["id"]: "h1", port["id"]: "h2"}
    for number, host in enumerate(cloud.hosts, 1):
        cloud.wait_equal(host, f"h{number}")


# ---------------------------------------------------------------------------------------------------------------------
# Restarts


def watch(host: Sandbox, bridge: str) -> tuple[subprocess.Popen[str], Callable[[], str]]:
    """Have a bridge tell of every change of its flows; the function ends it, and gives what it has told."""
    file = host.directory / f"watch-{bridge}.txt"
    with file.open("w") as output:
        command = ["setpriv", "--pdeathsig", "KILL", "ovs-ofctl", "-O", "OpenFlow14", "monitor", bridge]
        process = subprocess.Popen(
            [*command, "watch:!initial"], env=host.environment, stdout=output, stderr=subprocess.STDOUT, text=True
        )
    host.wait(lambda: "FLOW_MONITOR" in file.read_text(), "the monitor")

    def told() -> str:
        process.kill()
        process.wait()
        return file.read_text()

    return process, told


def test_a_new_controller_after_kill_9_changes_nothing(cloud: Cloud) -> None:
    """Not one flow-mod to any bridge, and no port that goes DOWN meanwhile; flows that were asked for are kept too."""
    controller, network = cloud.controller, cloud.network()
    ports = [cloud.plug(network, host, "tap1") for host in cloud.hosts]
    vlan = cloud.vlan(1001)
    ports += [cloud.plug(vlan, host, "tap2") for host in cloud.hosts]
    ask_for(cloud, ports[0], ports[1])
    for number, host in enumerate(cloud.hosts, 1):
        cloud.wait_equal(host, f"h{number}")
    held = [(host, bridge) for host in cloud.hosts for bridge in ("br-int", "br-eth1")]
    before = [{cookie(line) for line in dump(host, bridge)} for host, bridge in held]
    monitors = [watch(host, bridge) for host, bridge in held]
    controller.kill9()
    controller.start()
    for number in (1, 2):
        controller.wait(lambda n=number: controller.settled(f"h{n}", "br-int", "br-eth1"), "the hosts to come back")
        assert {controller.status(port["id"]) for port in ports} == {"ACTIVE"}
    time.sleep(1.5)
    assert {controller.status(port["id"]) for port in ports} == {"ACTIVE"}
    assert [{cookie(line) for line in dump(host, bridge)} for host, bridge in held] == before
    for _, told in monitors:
        assert "event=" not in told()


def test_a_restarted_vswitchd_is_made_whole(cloud: Cloud) -> None:
    network = cloud.network()
    ports = [cloud.plug(network, host, "tap1") for host in cloud.hosts]
    ports.append(cloud.plug(cloud.vlan(1000), cloud.h1, "tap2"))
    cloud.h1.restart_vswitchd()
    cloud.wait_equal(cloud.h1, "h1", patience=15)
    cloud.wait_equal(cloud.h1, "h1", "br-eth1", patience=15)
    for port in ports:
        cloud.wait_status(port, "ACTIVE")


def test_a_controller_that_was_away_learns_what_happened(cloud: Cloud) -> None:
    """While it is dead, a VIF goes, another comes, and flows are tampered with."""
    controller, network = cloud.controller, cloud.network()
    gone = cloud.plug(network, cloud.h1, "tap1")
    come = controller.make("port", network_id=network["id"])
    controller.kill9()
    cloud.h1.vsctl("del-port", "tap1")
    cloud.h1.add_vif("br-int", "tap2", come["id"], come["mac_address"])
    cloud.h1.ofctl("del-flows", "br-int", "table=56")
    cloud.h1.ofctl("add-flow", "br-int", "table=56,priority=7,actions=drop")
    cloud.h1.ofctl("mod-flows", "br-int", "table=80,actions=drop")
    controller.start()
    cloud.wait_status(come, "ACTIVE")
    cloud.wait_status(gone, "DOWN")
    cloud.wait_equal(cloud.h1, "h1")
    assert foreign(cloud.h1) == []
    (drop,) = [line for line in dump(cloud.h1) if "table=80" in line and "drop" in line]
    assert "priority=90," in drop


# ---------------------------------------------------------------------------------------------------------------------
# Others change flows


def test_flows_that_are_deleted_or_changed_or_added_are_mended(cloud: Cloud) -> None:
    cloud.plug(cloud.network(), cloud.h1, "tap1")
    cloud.wait_equal(cloud.h1, "h1")
    host, whole = cloud.h1, ours(cloud.h1)
    actions = sorted(line.partition("actions=")[2] for line in dump(host))

    def mended() -> bool:
        now = sorted(line.partition("actions=")[2] for line in dump(host))
        return (ours(host), foreign(host), now) == (whole, [], actions)

    for damage in (
        ("del-flows", "br-int"),
        ("del-flows", "br-int", "table=56"),
        ("mod-flows", "br-int", "table=80,actions=drop"),
        ("add-flow", "br-int", "table=0,priority=500,actions=NORMAL"),
        ("add-flow", "br-int", "table=56,priority=0,actions=drop"),
        ("add-flow", "br-int", "cookie=0x9b00000000000001,table=200,priority=1,actions=drop"),
    ):
        host.ofctl(*damage)
        cloud.controller.wait(mended, f"{damage} to be mended", MENDED)


def test_on_a_provider_bridge_others_flows_are_left_alone(cloud: Cloud) -> None:
    cloud.plug(cloud.vlan(1000), cloud.h1, "tap1")
    cloud.wait_equal(cloud.h1, "h1", "br-eth1")
    theirs = "cookie=0x77,table=0,priority=200,dl_type=0x88cc,actions=drop"
    cloud.h1.ofctl("add-flow", "br-eth1", theirs)
    cloud.h1.ofctl("del-flows", "br-eth1", "cookie=0x9b00000000000000/0xff00000000000000")
    cloud.wait_equal(cloud.h1, "h1", "br-eth1", MENDED)
    assert [line for line in foreign(cloud.h1, "br-eth1") if "priority=200,dl_type=0x88cc" in line]


# ---------------------------------------------------------------------------------------------------------------------
# A switch that refuses a flow


def test_a_refused_flow_is_a_fault_of_its_object_until_it_is_taken(cloud: Cloud) -> None:
    """Table 56, one flow a MAC, is full: that port is in ERROR, all else is wired; more room heals it."""
    network = cloud.network()
    first = cloud.plug(network, cloud.h1, "tap1")
    room = len([line for line in dump(cloud.h1) if "table=56," in line])
    limit = ("create", "Flow_Table", f"flow_limit={room}", "overflow_policy=refuse")
    cloud.h1.vsctl("--id=@t", *limit, "--", "set", "bridge", "br-int", "flow_tables:56=@t")
    refused = cloud.controller.make("port", network_id=network["id"])
    cloud.h1.add_vif("br-int", "tap2", refused["id"], refused["mac_address"])
    cloud.wait_status(refused, "ERROR")
    faults = {port["id"]: port["fault"] for port in cloud.controller.look("ports")}
    assert "refused a flow of switching.unicast: OFPET_FLOW_MOD_FAILED/OFPFMFC_TABLE_FULL" in faults[refused["id"]]
    assert faults[first["id"]] == ""
    assert any(f"arp_tpa={refused['fixed_ips'][0]['ip_address']}," in line for line in dump(cloud.h1))
    elsewhere = cloud.plug(network, cloud.h2, "tap3")
    assert cloud.controller.status(elsewhere["id"]) == "ACTIVE"
    cloud.h1.vsctl("remove", "bridge", "br-int", "flow_tables", "56")
    cloud.h1.ofctl("del-flows", "br-int", "table=80")
    cloud.wait_status(refused, "ACTIVE")
    cloud.wait_equal(cloud.h1, "h1")


# ---------------------------------------------------------------------------------------------------------------------
# Packets that ask


def test_a_destination_that_is_sent_to_gets_its_flow_until_it_is_idle(
    tmp_path: Path, controller: Controller, hosts: list[Sandbox]
) -> None:
    controller.kill9()
    controller.configure({"ovs": {**VLANS["ovs"], "idle_timeout": 1}})
    controller.start()
    cloud = Cloud(controller, hosts)
    network = cloud.network()
    one, other = (cloud.plug(network, host, "tap1") for host in hosts)
    without = ours(cloud.h1)
    ask_for(cloud, one, other)
    (line,) = [line for line in dump(cloud.h1) if f"dl_dst={other['mac_address']}" in line]
    assert "idle_timeout=1," in line
    assert "set_field:192.0.2.2->tun_dst" in line
    cloud.controller.wait(lambda: ours(cloud.h1) == without, "the flow to go", 10)
    time.sleep(1.0)
    assert ours(cloud.h1) == without, "it came back without being asked for"
    cloud.wait_equal(cloud.h1, "h1")
    ask_for(cloud, one, other)


def test_a_port_that_asks_too_often_is_not_heard(tmp_path: Path, hosts: list[Sandbox]) -> None:
    """punt_rate: of a burst to many destinations only a few packets reach the controller."""
    recording = tmp_path / "recording"
    with Controller(tmp_path / "slow", {"ovs": {**VLANS["ovs"], "punt_rate": 1}}) as controller:
        controller.kill9()
        controller.start("--record", str(recording))
        cloud = Cloud(controller, hosts)
        network = cloud.network()
        one, other = (cloud.plug(network, host, "tap1") for host in hosts)
        cloud.wait_equal(cloud.h1, "h1")
        burst = [frame(one, {"mac_address": f"fa:16:3e:00:00:{n:02x}"}) for n in range(100)]
        cloud.h1.appctl("netdev-dummy/receive", "tap1", *burst)
        ask_for_again = frame(one, other)
        time.sleep(1.2)
        cloud.h1.appctl("netdev-dummy/receive", "tap1", ask_for_again)
        text = f"dl_dst={other['mac_address']}"
        controller.wait(lambda: any(text in line for line in dump(cloud.h1)), "the flow")
        assert 1 <= recording.read_text().count('"PacketIn"') <= 5
