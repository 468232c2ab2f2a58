"""Real DHCP clients in VMs get their addresses and what else the model says, from the controller."""

from __future__ import annotations

import shutil
import signal
import time

import pytest

from tests.netns.cloud import Cloud
from tests.netns.dhcp import Client, dhclient, udhcpc
from tests.netns.testbed import Hypervisor, Vm

pytestmark = pytest.mark.skipif(
    not (shutil.which("udhcpc") and shutil.which("dhclient")), reason="needs udhcpc, dhclient (make setup)"
)
DHCP = "udp port 67 or udp port 68"
SUBNET = {
    "cidr": "10.0.0.0/24",
    "ip_version": 4,
    "dns_nameservers": ["192.0.2.53"],
    "host_routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.254"}],
}


def network(cloud: Cloud, type: str = "vxlan", subnet: dict | None = None) -> dict:
    made = cloud.network(type)
    cloud.controller.post("subnets", network_id=made["id"], **(subnet or SUBNET))
    return made


def bare(cloud: Cloud, made: dict, host: Hypervisor, **more) -> tuple[Vm, dict]:
    """A VM that knows no address, and its port."""
    port = cloud.port(made, host, **more)
    vm = host.plug(port | {"fixed_ips": []}, mtu=1500)
    cloud.controller.wait_active(port["id"])
    return vm, port


def address(port: dict) -> str:
    return port["fixed_ips"][0]["ip_address"]


def shown(vm: Vm, *what: str) -> str:
    return vm.run(["ip", *what]).stdout


def test_udhcpc_gets_all_it_needs_on_two_hosts_and_gives_it_up_and_renews(bed):
    cloud = Cloud(bed)
    made = network(cloud)
    guests = [bare(cloud, made, host) for host in cloud.hosts]
    clients = [
        udhcpc(vm, host, "mtu", "staticroutes", "hostname") for (vm, _), host in zip(guests, cloud.hosts, strict=True)
    ]
    for client, (vm, port) in zip(clients, guests, strict=True):
        told = client.wait("bound")
        assert (told["ip"], told["mask"], told["router"], told["dns"]) == (
            address(port),
            "24",
            "10.0.0.1",
            "192.0.2.53",
        )
        assert (told["lease"], told["serverid"], told["domain"]) == ("86400", "10.0.0.1", "openstacklocal")
        assert told["hostname"] == "host-" + address(port).replace(".", "-")
        assert f"{address(port)}/24 brd 10.0.0.255" in shown(vm, "address", "show", "dev", "eth0")
        assert f"mtu {made['mtu']} " in shown(vm, "link", "show", "dev", "eth0")
        routes = shown(vm, "route")
        assert "10.9.0.0/16 via 10.0.0.254" in routes and "default via 10.0.0.1" in routes
    (one, port), (_, other) = guests
    assert one.ping(address(other)).ok
    clients[0].signal(signal.SIGUSR1)
    assert clients[0].wait("renew", "bound", times=2)["ip"] == address(port)
    clients[0].signal(signal.SIGUSR2)
    clients[0].wait("deconfig", times=2)
    for client in clients:
        client.stop()
    again = udhcpc(one, cloud.hosts[0])
    assert again.wait("bound")["ip"] == address(port)
    again.stop()


def test_dhclient_gets_all_it_needs_and_renews_in_time(bed):
    cloud = Cloud(bed)
    made = network(cloud, "vlan")
    times = [{"opt_name": "T1", "opt_value": "3"}, {"opt_name": "T2", "opt_value": "6"}]
    extra = [*times, {"opt_name": "ntp-server", "opt_value": "192.0.2.123"}]
    vm, port = bare(cloud, made, cloud.hosts[1], extra_dhcp_opts=extra)
    client = dhclient(vm, cloud.hosts[1])
    told = client.wait("BOUND")
    assert (told["new_ip_address"], told["new_subnet_mask"]) == (address(port), "255.255.255.0")
    assert (told["new_routers"], told["new_domain_name_servers"]) == ("10.0.0.1", "192.0.2.53")
    assert (told["new_interface_mtu"], told["new_ntp_servers"]) == (str(made["mtu"]), "192.0.2.123")
    assert told["new_rfc3442"] == "16 10 9 10 0 0 254 0 10 0 0 1"
    assert told["new_broadcast_address"] == "10.0.0.255"
    # Nothing has the server's address here, so it is when it may ask anybody that it is answered.
    assert client.wait("REBIND", "RENEW", timeout=30)["new_ip_address"] == address(port)
    client.stop()


def test_a_guest_renews_with_the_server_itself_where_something_has_the_gateways_address(bed):
    cloud = Cloud(bed)
    made = network(cloud)
    gateway = cloud.port(made, cloud.hosts[1], fixed_ips=[{"ip_address": "10.0.0.1"}])
    cloud.hosts[1].plug(gateway, mtu=made["mtu"])
    cloud.controller.wait_active(gateway["id"])
    times = [{"opt_name": "T1", "opt_value": "3"}, {"opt_name": "T2", "opt_value": "600"}]
    vm, port = bare(cloud, made, cloud.hosts[0], extra_dhcp_opts=times)
    client = dhclient(vm, cloud.hosts[0])
    client.wait("BOUND")
    assert client.wait("RENEW", timeout=20)["new_ip_address"] == address(port)
    client.stop()


def test_a_guest_that_starts_while_the_controller_is_down_gets_its_address_after(bed):
    cloud = Cloud(bed)
    made = network(cloud)
    vm, port = bare(cloud, made, cloud.hosts[0])
    cloud.controller.kill9()
    client: Client = udhcpc(vm, cloud.hosts[0])
    client.wait("deconfig")
    with pytest.raises(TimeoutError):
        client.wait("bound", timeout=4)
    cloud.controller.start()
    assert client.wait("bound", timeout=60)["ip"] == address(port)
    client.stop()


def test_where_dhcp_is_off_a_guest_of_ours_answers_another_one(bed):
    cloud = Cloud(bed)
    made = network(cloud, subnet=SUBNET | {"enable_dhcp": False})
    server = cloud.vm(made, cloud.hosts[1], port_security_enabled=False)
    vm, _ = bare(cloud, made, cloud.hosts[0])
    with server.capture("udp dst port 67") as heard:
        client = udhcpc(vm, cloud.hosts[0])
        client.wait("deconfig")
        time.sleep(3)
    client.stop()
    assert heard.packets
    assert [reason for reason, _ in client.notes] == ["deconfig"]


def test_no_other_guest_hears_a_request(bed):
    cloud = Cloud(bed)
    made = network(cloud)
    others = [cloud.vm(made, host) for host in cloud.hosts]
    vm, _ = bare(cloud, made, cloud.hosts[0])
    with others[0].capture(DHCP) as here, others[1].capture(DHCP) as there:
        client = udhcpc(vm, cloud.hosts[0])
        client.wait("bound")
    client.stop()
    assert (here.packets, there.packets) == ([], [])


SIX = {"cidr": "fd00::/64", "ip_version": 6, "dns_nameservers": ["2001:db8::53"]}


def modes(mode: str) -> dict:
    return {"ipv6_address_mode": mode, "ipv6_ra_mode": mode}


def test_dhclient_gets_and_confirms_its_ipv6_address_on_two_hosts(bed):
    cloud = Cloud(bed)
    made = network(cloud, subnet=SIX | modes("dhcpv6-stateful"))
    times = [{"opt_name": "ntp-server", "opt_value": "2001:db8::123", "ip_version": 6}]
    guests = [bare(cloud, made, host, extra_dhcp_opts=times) for host in cloud.hosts]
    clients = [dhclient(vm, host, "-6") for (vm, _), host in zip(guests, cloud.hosts, strict=True)]
    for client, (vm, port) in zip(clients, guests, strict=True):
        told = client.wait("BOUND6")
        assert told["new_ip6_address"] == address(port)
        assert (told["new_dhcp6_name_servers"], told["new_dhcp6_domain_search"]) == ("2001:db8::53", "openstacklocal.")
        assert (told["new_preferred_life"], told["new_max_life"]) == ("86400", "86400")
        assert f"{address(port)}/128" in shown(vm, "-6", "address", "show", "dev", "eth0")
        vm.run(["ip", "-6", "route", "add", "fd00::/64", "dev", "eth0"])
    assert guests[0][0].ping(address(guests[1][1])).ok
    clients[0].stop()
    # It holds a lease and starts again: it asks whether the address is still its own.
    again = dhclient(guests[0][0], cloud.hosts[0], "-6")
    assert again.wait("REBIND6", "RENEW6", "BOUND6", "REBOOT6")["new_ip6_address"] == address(guests[0][1])
    for client in (again, clients[1]):
        client.stop()


def test_dhclient_is_informed_where_guests_make_their_ipv6_addresses_themselves(bed):
    cloud = Cloud(bed)
    made = network(cloud, "vlan", SIX | modes("dhcpv6-stateless"))
    vm, _ = bare(cloud, made, cloud.hosts[0])
    client = dhclient(vm, cloud.hosts[0], "-6", "-S")
    told = client.wait("RENEW6", "BOUND6", "REBIND6")
    assert (told["new_dhcp6_name_servers"], "new_ip6_address" in told) == ("2001:db8::53", False)
    client.stop()
