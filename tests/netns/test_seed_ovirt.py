"""oVirt's integration as its page "Detailed OSN Integration" has it, to packets: the engine asks, VDSM plugs VIFs in,
guests get their leases.

The first test is the life of networks and vNICs.  The second one is the page's work-flow around it: the manager's
plugin.ini, Keystone, the engine's authentication URL, and the bridges of a host.  What the page installs besides (the
message queue, agents) is not there any more.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from typing import Any

import pytest

from demo.testbed.served import PROJECT
from tests.netns.cloud import Cloud
from tests.netns.dhcp import udhcpc
from tests.netns.plugin_file import Plugin
from tests.netns.testbed import Testbed, wait_until
from tests.rest.ovirt import Engine, Nic, ProviderFailure

NICS = tuple(Nic(f"0000000{n}-0000-4000-8000-000000000001", f"nic{n}", f"00:1a:4a:16:01:5{n}") for n in (1, 2))
pytestmark = pytest.mark.skipif(not shutil.which("udhcpc"), reason="needs udhcpc (make setup)")


def asking(cloud: Cloud) -> Any:
    """How an engine reaches the controller."""

    def ask(method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        answer = cloud.controller.request(method, path, body, {"X-Auth-Token": token} if token else {})
        return answer.status, answer.body

    return ask


@pytest.mark.parametrize("where", [{}, {"physnet": "physnet1", "vlan": 1005}], ids=["tunnel", "vlan"])
def test_from_adding_the_provider_to_two_vms_that_talk_and_back(bed, where):
    cloud = Cloud(bed)
    engine = Engine(asking(cloud))
    engine.test_connection()
    network = engine.add_network("red", **where)
    assert engine.networks()[network]["name"] == "red"
    engine.add_subnet(network, "10.35.0.0/24", "red addresses", gateway="10.35.0.1", dns=["192.0.2.53"])
    ports = [engine.allocate(network, nic, None, host.name) for nic, host in zip(NICS, cloud.hosts, strict=True)]
    assert [port["mac_address"] for port in ports] == [nic.mac for nic in NICS]
    vms = [host.plug(port | {"fixed_ips": []}, mtu=1500) for host, port in zip(cloud.hosts, ports, strict=True)]
    cloud.controller.wait_active(*(port["id"] for port in ports))
    clients = [udhcpc(vm, host) for vm, host in zip(vms, cloud.hosts, strict=True)]
    addresses = [client.wait("bound")["ip"] for client in clients]
    assert addresses == [port["fixed_ips"][0]["ip_address"] for port in ports]
    assert vms[0].ping(addresses[1]).ok and vms[1].ping(addresses[0]).ok

    # A vNIC without security groups gets nothing more (its profile lists none).
    bare = engine.allocate(network, NICS[1], (), cloud.hosts[1].name)
    assert bare["security_groups"] == []
    wait_until(lambda: not vms[0].ping(addresses[1], count=1, timeout=1).ok, 10, "the groups' rules are gone")
    with pytest.raises(ProviderFailure):
        engine.remove_network(network)
    for client, nic, vm, host in zip(clients, NICS, vms, cloud.hosts, strict=True):
        client.stop()
        host.vsctl("del-port", vm.tap)
        engine.deallocate(nic)
    engine.remove_subnet(engine.subnets(network)[0]["id"])
    engine.remove_network(network)
    assert network not in engine.networks()


KEYSTONE = 35357
PLUGIN = """\
[DATABASE]
sql_connection = sqlite:///{directory}/ovs_neutron.sqlite
[OVS]
tenant_network_type = vlan
network_vlan_ranges = physnet1:1000:2999
bridge_mappings = physnet1:br-eth1
"""


class Installation(Cloud):
    """The manager, its plugin.ini and a Keystone on the port of that time; two hosts with the bridges of the page."""

    def __init__(self, bed: Testbed) -> None:
        self.bed = bed
        self.keystone = f"http://{bed.controller_ip}:{KEYSTONE}/v2.0"
        identity = ("--auth", "builtin", "--identity", f"{bed.controller_ip}:{KEYSTONE}")
        self.controller = Plugin(bed, PLUGIN.format(directory=bed.directory), *identity)
        self.controller.start()
        (password,) = re.findall(r"user admin, project admin, password (\S+) \(", self.controller.log)
        self.controller.token = self.sign_in("admin", password, "admin")
        self.hosts = [bed.hypervisor() for _ in range(2)]  # with br-eth1, as `ovs-vsctl add-br` made it
        for host in self.hosts:
            host.vsctl("add-br", "br-int", "--", "set", "Bridge", "br-int", "datapath_type=netdev")
            host.join(bridge_mappings="", local_ip="")
        wait_until(lambda: self.connected() == 4, 30, "four bridges are programmed")

    def sign_in(self, user: str, password: str, tenant: str) -> str:
        """A token of Keystone v2.0, as the engine asks for it."""
        body = {"auth": {"passwordCredentials": {"username": user, "password": password}, "tenantName": tenant}}
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.keystone}/tokens", json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=15) as answer:
            return str(json.load(answer)["access"]["token"]["id"])

    def account(self, *words: str) -> None:
        command = [sys.executable, "-m", "controller", *words, "--config", str(self.controller.config_file)]
        subprocess.run(command, check=True, cwd=PROJECT, capture_output=True)


def test_from_plugin_ini_and_keystone_to_two_vms_that_talk(bed):
    cloud = Installation(bed)
    cloud.account("project", "create", "ovirt")
    cloud.account("user", "create", "engine", "--project", "ovirt", "--role", "admin", "--password", "engine-secret")
    engine = Engine(asking(cloud), lambda: cloud.sign_in("engine", "engine-secret", "ovirt"))
    engine.test_connection()
    network = engine.add_network("red")
    (found,) = engine.networks().values()
    assert (found["physical_network"], 1000 <= found["vlan"] <= 2999) == ("physnet1", True)
    engine.add_subnet(network, "10.35.0.0/24", "red addresses")
    ports = [engine.allocate(network, nic, None, host.name) for nic, host in zip(NICS, cloud.hosts, strict=True)]
    vms = [host.plug(port | {"fixed_ips": []}, mtu=1500) for host, port in zip(cloud.hosts, ports, strict=True)]
    cloud.controller.wait_active(*(port["id"] for port in ports))
    clients = [udhcpc(vm, host) for vm, host in zip(vms, cloud.hosts, strict=True)]
    addresses = [client.wait("bound")["ip"] for client in clients]
    with cloud.hosts[0].capture("eth1", "icmp or vlan") as wire:
        assert vms[0].ping(addresses[1]).ok and vms[1].ping(addresses[0]).ok
    carried = [packet for packet in wire.packets if "ICMP echo request" in packet]
    assert carried and all(f"vlan {found['vlan']}," in packet for packet in carried)
    for client in clients:
        client.stop()
