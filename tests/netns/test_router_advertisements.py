"""Linux guests configure themselves by our router advertisements: address, default route, MTU."""

from __future__ import annotations

from tests.netns.cloud import Cloud
from tests.netns.testbed import Vm, wait_until

MODES = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
OUTSIDE = "2001:db8::1"


def shown(vm: Vm, *what: str) -> str:
    return vm.run(["ip", "-6", *what, "dev", "eth0"]).stdout


def has_router(vm: Vm) -> bool:
    return "proto ra" in shown(vm, "route", "show", "default")


def test_guests_get_address_default_route_and_mtu_and_a_new_prefix(bed):
    cloud = Cloud(bed)
    made = cloud.network("vxlan")
    subnet = {"network_id": made["id"], "ip_version": 6, **MODES}
    cloud.controller.post("subnets", cidr="fd00::/64", gateway_ip="fd00::1", **subnet)
    router = {"device_owner": "network:router_interface", "fixed_ips": [{"ip_address": "fd00::1"}]}
    gateway = cloud.vm(made, cloud.hosts[1], **router)
    gateway.run(["ip", "addr", "add", f"{OUTSIDE}/128", "dev", "lo"])
    ports = [cloud.port(made, host) for host in cloud.hosts]
    guests = [host.plug(port | {"fixed_ips": []}, mtu=1500) for host, port in zip(cloud.hosts, ports, strict=True)]
    for port in ports:
        cloud.controller.wait_active(port["id"])
    for guest, port in zip(guests, ports, strict=True):
        (address,) = (fixed["ip_address"] for fixed in port["fixed_ips"])
        # The kernel asks again, as if the VM had been started now.
        guest.run(["ip", "link", "set", "eth0", "down"])
        guest.run(["ip", "link", "set", "eth0", "up"])
        wait_until(lambda: f"{address}/64" in shown(guest, "addr", "show"), 20, "the guest's address")  # noqa: B023
        route = shown(guest, "route", "show", "default")
        assert "default via fe80::" in route and "proto ra" in route
        assert guest.run(["cat", "/proc/sys/net/ipv6/conf/eth0/mtu"]).stdout.strip() == str(made["mtu"])
        assert guest.ping(OUTSIDE).ok
    assert guests[0].ping(ports[1]["fixed_ips"][0]["ip_address"]).ok

    # Nobody asks for routers now: a new prefix is told of.
    cloud.controller.post("subnets", cidr="fd05::/64", gateway_ip="fd05::1", **subnet)
    for guest in guests:
        wait_until(lambda: "fd05::" in shown(guest, "addr", "show"), 30, "an address of the new prefix")  # noqa: B023


def test_guests_lose_a_router_and_a_prefix_within_seconds(bed):
    cloud = Cloud(bed)
    made = cloud.network("vxlan")
    subnet = {"network_id": made["id"], "ip_version": 6, **MODES}
    cloud.controller.post("subnets", cidr="fd00::/64", gateway_ip="fd00::1", **subnet)
    going = cloud.controller.post("subnets", cidr="fd05::/64", gateway_ip="fd05::1", **subnet)
    fixed = [{"ip_address": "fd00::1"}]
    gateway = cloud.port(made, cloud.hosts[1], device_owner="network:router_interface", fixed_ips=fixed)
    router = cloud.hosts[1].plug(gateway, mtu=made["mtu"])
    ports = [cloud.port(made, host) for host in cloud.hosts]
    guests = [host.plug(port | {"fixed_ips": []}, mtu=1500) for host, port in zip(cloud.hosts, ports, strict=True)]
    for port in (gateway, *ports):
        cloud.controller.wait_active(port["id"])
    # Nobody asks: a router that comes is told of, too.
    for guest in guests:
        wait_until(lambda: has_router(guest), 30, "a default route")  # noqa: B023

    cloud.hosts[1].unplug(router)
    for guest in guests:
        wait_until(lambda: not has_router(guest), 15, "no default route any more")  # noqa: B023
        assert "fd00::" in shown(guest, "addr", "show", "-deprecated")
    cloud.hosts[1].plug(gateway, mtu=made["mtu"])
    for guest in guests:
        wait_until(lambda: has_router(guest), 15, "the default route again")  # noqa: B023

    cloud.controller.delete("subnets", going["id"])
    for guest in guests:
        wait_until(lambda: "fd05::" in shown(guest, "addr", "show", "deprecated"), 15, "a deprecated address")  # noqa: B023
        # The kernel goes by RFC 4862: two hours at most.
        assert " valid_lft 7" in shown(guest, "addr", "show", "deprecated")
        assert "fd00::" in shown(guest, "addr", "show", "-deprecated") and has_router(guest)
