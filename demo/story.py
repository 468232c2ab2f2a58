"""Two simulated hypervisors with real Open vSwitch, a VLAN and a VXLAN network with VMs on both, and pings across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from demo import paths
from demo.screen import Screen
from demo.testbed import Controller, Hypervisor, Ping, Testbed, Vm, wait_until

CONFIG = {"ovs": {"network_vlan_ranges": "physnet1:1000:1999", "tunnel_id_ranges": "1:65535"}}
"""The controller's INI file."""

VLAN = {"provider:network_type": "vlan", "provider:physical_network": "physnet1", "provider:segmentation_id": 1000}
VXLAN = {"provider:network_type": "vxlan", "provider:segmentation_id": 77}


@dataclass(frozen=True, slots=True)
class Guest:
    """A VM with the name it goes by, and where it runs."""

    name: str
    vm: Vm
    hv: Hypervisor
    network: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trip:
    """A ping from one guest to another."""

    source: Guest
    target: Guest
    ping: Ping


def tell(screen: Screen, bed: Testbed) -> bool:
    """The whole demo, on an empty testbed.  Returns whether every ping was answered."""
    screen.heading("Steps")
    hosts, controller = _set_up(screen, bed)
    guests = [*_network(screen, controller, hosts, "blue", "10.1.0.0/24", VLAN)]
    guests += _network(screen, controller, hosts, "green", "10.2.0.0/24", VXLAN)
    with screen.step("all ports are ACTIVE: the switches have acknowledged their flows"):
        controller.wait_active(*(str(guest.vm.port["id"]) for guest in guests))
    trips = [_ping(screen, source, target) for source in guests for target in guests if _are_apart(source, target)]
    screen.heading("The paths the packets took (ovs-appctl ofproto/trace, hop by hop)")
    for trip in trips:
        paths.show(screen, trip.source, trip.target)
    _summary(screen, trips)
    return all(trip.ping.ok for trip in trips)


def _set_up(screen: Screen, bed: Testbed) -> tuple[list[Hypervisor], Controller]:
    with screen.step("start two hypervisors: own ovsdb-server and ovs-vswitchd each, userspace datapath") as step:
        hosts = [bed.hypervisor("hv1"), bed.hypervisor("hv2")]
        step.note(", ".join(f"{hv.name} {hv.local_ip}" for hv in hosts))
    with screen.step("start the controller on an empty SQLite database") as step:
        controller = bed.controller(CONFIG)
        step.note(controller.rest)
    for hv in hosts:
        with screen.step(f"{hv.name} joins: ovs-vsctl set-manager tcp:{bed.controller_ip}:6640") as step:
            hv.join()
            wait_until(lambda hv=hv: _is_joined(hv), 20, f"{hv.name}: br-int connected")  # type: ignore[misc]
            step.note("br-int, patch ports made and connected")
    return hosts, controller


def _is_joined(hv: Hypervisor) -> bool:
    """Whether the controller has made br-int and programs it (is_connected in OVSDB lags by seconds)."""
    return "br-int" in hv.vsctl("list-br").split() and bool(
        hv.appctl("bridge/dump-flows", "br-int").count("table_id=16")
    )


def _network(
    screen: Screen, controller: Controller, hosts: list[Hypervisor], name: str, cidr: str, provider: dict[str, Any]
) -> list[Guest]:
    kind, number = provider["provider:network_type"], provider["provider:segmentation_id"]
    with screen.step(f"POST /v2.0/networks, subnets: {name}, {kind} {number}, {cidr}"):
        network = controller.post("networks", name=name, **provider)
        controller.post("subnets", network_id=network["id"], ip_version=4, cidr=cidr)
    guests = []
    for hv in hosts:
        with screen.step(f"POST /v2.0/ports, plug a VM of {name} into {hv.name}") as step:
            guest = _guest(controller, hv, network, f"{name}-{hv.name}")
            guests.append(guest)
            step.note(f"{guest.name} {guest.vm.ip} {guest.vm.mac}")
    return guests


def _guest(controller: Controller, hv: Hypervisor, network: dict[str, Any], name: str) -> Guest:
    port = controller.post("ports", name=name, network_id=network["id"], **{"binding:host_id": hv.name})
    return Guest(name, hv.plug(port, mtu=network["mtu"]), hv, network)


def _are_apart(source: Guest, target: Guest) -> bool:
    return source.hv is not target.hv and source.network["id"] == target.network["id"]


def _ping(screen: Screen, source: Guest, target: Guest) -> Trip:
    with screen.step(f"{source.name} pings {target.name} ({target.vm.ip})") as step:
        ping = source.vm.ping(target.vm.ip, count=5)
        step.note(f"{ping.received} of {ping.sent} answered")
    return Trip(source, target, ping)


def _summary(screen: Screen, trips: list[Trip]) -> None:
    screen.heading("Result")
    rows = []
    for trip in trips:
        network, ping = trip.source.network, trip.ping
        kind = f"{network['provider:network_type']} {network['provider:segmentation_id']}"
        places = [f"{guest.name} {guest.vm.ip} on {guest.hv.name}" for guest in (trip.source, trip.target)]
        result = "ok" if ping.ok else f"{ping.lost} of {ping.sent} lost, {ping.duplicates} doubled"
        rtt = f"{ping.rtt:.2f} ms" if ping.rtt is not None else "-"
        rows.append([network["name"], kind, *places, result, rtt])
    screen.table(["network", "type", "from", "to", "result", "rtt (median)"], rows)
    screen.line()
