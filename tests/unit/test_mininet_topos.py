"""The Mininet scenarios as graphs: consistent in themselves, and read by the controller as they are meant."""

from __future__ import annotations

import ipaddress
import subprocess
import sys
from pathlib import Path

import pytest

from controller import config
from mininet_topos import ini, scenarios

PROJECT = Path(__file__).resolve().parents[2]
LONGEST_INTERFACE_NAME = 15

graphs = pytest.mark.parametrize("graph", [scenarios.load(name) for name in scenarios.NAMES], ids=lambda g: g.name)


@pytest.mark.parametrize("name", scenarios.NAMES)
def test_importable_without_mininet(name):
    """Importing must not need Mininet: with it made impossible to import, the graph is there and `topos` is empty."""
    program = f"import sys; sys.modules['mininet'] = None\nfrom mininet_topos.{name} import GRAPH, topos\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "print(GRAPH.name, topos)"], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.stdout == f"{name} {{}}\n", done.stderr


def test_an_unknown_scenario_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="no scenario 'three_hosts'; there are one_host, two_hosts_vlan"):
        scenarios.load("three_hosts")


@graphs
def test_vms_are_on_integration_bridges_and_in_networks_that_exist(graph):
    assert {vm.switch for vm in graph.vms} == {host.bridge for host in graph.hosts}
    assert {vm.network for vm in graph.vms} == {network.name for network in graph.networks}
    for vm in graph.vms:
        assert ipaddress.ip_address(vm.ip) in ipaddress.ip_network(graph.network(vm.network).cidr)


@graphs
def test_names_macs_and_addresses_are_unique_and_interface_names_fit(graph):
    for values in (
        [vm.name for vm in graph.vms],
        [vm.mac for vm in graph.vms],
        [(vm.network, vm.ip) for vm in graph.vms],
        [vm.interface for vm in graph.vms],
    ):
        assert len(set(values)) == len(values) == 4
    ports = [f"{side}-{bridge}" for _, bridge in graph.patches() for side in ("int", "phy")]
    assert all(len(name) <= LONGEST_INTERFACE_NAME for name in [*ports, *(vm.interface for vm in graph.vms)])


@graphs
def test_overlapping_networks_make_pingall_a_proof_of_isolation(graph):
    blue, red = graph.networks
    assert blue.cidr == red.cidr
    assert [[vm.network for vm in graph.vms].count(name) for name in ("blue", "red")] == [2, 2]


@graphs
def test_networks_between_hosts_have_a_way_between_hosts(graph):
    spread = {vm.network for vm in graph.vms if len({v.switch for v in graph.vms if v.network == vm.network}) > 1}
    ends = {bridge for cable in graph.cables for bridge in cable}
    for network in (graph.network(name) for name in spread):
        if network.network_type == "vlan":
            assert ends == {bridge for host in graph.hosts for _, bridge in host.providers}
        else:
            assert network.network_type == "vxlan"
            assert ends == {host.underlay.bridge for host in graph.hosts}
    assert bool(spread) == (len(graph.hosts) > 1)


@graphs
def test_the_controller_reads_the_printed_configuration(graph, tmp_path):
    file = tmp_path / "scenario.ini"
    file.write_text(ini.text(graph))
    hosts = {host.name: host for host in config.load(str(file), {}).settings.hosts}
    assert set(hosts) == {host.name for host in graph.hosts}
    for host in graph.hosts:
        read = hosts[host.name]
        bridges = [host.bridge, *(bridge for _, bridge in host.providers)]
        assert read.dpids == tuple(graph.switches[bridge] for bridge in bridges)
        assert read.bridge_mappings == host.providers
        assert read.local_ip == (host.underlay.address if host.underlay else "")


def test_a_peers_address_is_nobodys_own():
    """Open vSwitch would deliver a tunnel to itself if a peer's address were local to the machine (graph.Underlay)."""
    underlays = [host.underlay for host in scenarios.load("two_hosts_tunnel").hosts]
    assert {u.address for u in underlays}.isdisjoint({u.own for u in underlays})


@pytest.mark.parametrize("arguments", [[], ["nowhere"], ["one_host", "two_hosts_vlan"]])
def test_the_command_line_refuses_what_is_no_scenario(arguments):
    done = subprocess.run(
        [sys.executable, "-m", "mininet_topos.ini", *arguments], cwd=PROJECT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "one_host, two_hosts_vlan, two_hosts_tunnel" in done.stderr
    assert done.stdout == ""
