"""oVirt's integration as its page has it, to packets: the engine asks, VDSM plugs VIFs in, guests get their leases."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from tests.netns.cloud import Cloud
from tests.netns.dhcp import udhcpc
from tests.netns.testbed import wait_until
from tests.rest.ovirt import Engine, Nic, ProviderFailure

NICS = tuple(Nic(f"0000000{n}-0000-4000-8000-000000000001", f"nic{n}", f"00:1a:4a:16:01:5{n}") for n in (1, 2))
pytestmark = pytest.mark.skipif(not shutil.which("udhcpc"), reason="needs udhcpc (make setup)")


@pytest.mark.parametrize("where", [{}, {"physnet": "physnet1", "vlan": 1005}], ids=["tunnel", "vlan"])
def test_from_adding_the_provider_to_two_vms_that_talk_and_back(bed, where):
    cloud = Cloud(bed)

    def ask(method: str, path: str, body: Any, token: str | None) -> tuple[int, Any]:
        answer = cloud.controller.request(method, path, body)
        return answer.status, answer.body

    engine = Engine(ask)
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
