"""Plans for networks and the segments that carry them."""

from __future__ import annotations

from typing import Any

from controller.core.model import TUNNEL_TYPES, Fault, LocalVlan, Network, Port, Segment, Subnet
from controller.core.plan import Draft
from controller.core.plans import allocate, ports, refusals, subnets
from controller.core.plans.owners import AUTO_DELETE_OWNERS
from controller.core.plans.refusals import invalid_input
from controller.core.plans.revision import existing, update

OVERHEAD = {"vxlan": 50, "geneve": 50, "gre": 42}
"""Bytes that a tunnel takes from the MTU, the outer IPv4 header included (Neutron's figures)."""


def create(draft: Draft, values: dict[str, Any]) -> Network:
    """Make a network and its segment.

    `values`: fields of Network; and `network_type`, `physical_network`, `segmentation_id`, where left out or None they
    are chosen from the configured ranges.  Refuses with NoNetworkAvailable, VlanIdInUse, TunnelIdInUse,
    FlatNetworkInUse or InvalidInput.
    """
    values = dict(values)
    asked = tuple(values.pop(name, None) for name in ("network_type", "physical_network", "segmentation_id"))
    network_type, physical_network, segmentation_id = _segment(draft, *asked)
    network_id = draft.new_id()
    values["mtu"] = _mtu(draft, network_type, values.get("mtu", 0))
    stamps: dict[str, Any] = {"created_at": draft.now, "updated_at": draft.now}
    network = Network(id=network_id, key=allocate.next_key(draft, "network key"), **values, **stamps)
    draft.put(network)
    draft.put(Segment(draft.new_id(), network_id, network_type, physical_network, segmentation_id))
    return network


def _segment(
    draft: Draft, network_type: str | None, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    if network_type is None:
        if physical_network is not None or segmentation_id is not None:
            raise invalid_input("network_type required")
        return allocate.tenant_segment(draft)
    if network_type == "vlan":
        return _vlan(draft, physical_network, segmentation_id)
    if network_type in TUNNEL_TYPES:
        return _tunnel(draft, network_type, physical_network, segmentation_id)
    if segmentation_id is not None:
        raise invalid_input(f"segmentation_id prohibited for {network_type} provider network")
    if network_type == "flat":
        return _flat(draft, physical_network)
    if physical_network is not None:
        raise invalid_input("physical_network prohibited for local provider network")
    return "local", None, None


def _flat(draft: Draft, physical_network: str | None) -> tuple[str, str | None, int | None]:
    known = draft.settings.flat_networks
    if not physical_network:
        raise invalid_input("physical_network required for flat provider network")
    if not known:
        raise invalid_input("Flat provider networks are disabled")
    if "*" not in known and physical_network not in known:
        raise invalid_input(f"physical_network '{physical_network}' unknown for flat provider network")
    if not allocate.segment_free(draft, "flat", physical_network, None):
        raise refusals.flat_network_in_use(physical_network)
    return "flat", physical_network, None


def _vlan(
    draft: Draft, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    ranges = dict(draft.settings.vlan_ranges)
    if not physical_network:
        if segmentation_id is not None:
            raise invalid_input("segmentation_id requires physical_network for VLAN provider network")
        return _any_vlan(draft, tuple(ranges))
    if physical_network not in ranges:
        raise invalid_input(f"physical_network '{physical_network}' unknown for VLAN provider network")
    if segmentation_id is None:
        return _any_vlan(draft, (physical_network,))
    low, high = allocate.VLANS
    if not low <= segmentation_id <= high:
        raise invalid_input(f"segmentation_id out of range ({low} through {high})")
    if not allocate.segment_free(draft, "vlan", physical_network, segmentation_id):
        raise refusals.vlan_in_use(segmentation_id, physical_network)
    return "vlan", physical_network, segmentation_id


def _any_vlan(draft: Draft, physical_networks: tuple[str, ...]) -> tuple[str, str | None, int | None]:
    ranges = dict(draft.settings.vlan_ranges)
    for physical_network in physical_networks:
        vid = allocate.vlan(draft, physical_network, ranges[physical_network])
        if vid is not None:
            return "vlan", physical_network, vid
    raise refusals.no_network_available()


def _tunnel(
    draft: Draft, network_type: str, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    if physical_network:
        raise invalid_input(f"provider:physical_network specified for {network_type} network")
    if segmentation_id is None:
        number = allocate.tunnel_id(draft, network_type)
        if number is None:
            raise refusals.no_network_available()
        return network_type, None, number
    largest = allocate.LARGEST_TUNNEL_ID[network_type]
    if not 1 <= segmentation_id <= largest:
        raise invalid_input(f"segmentation_id out of range (1 through {largest})")
    if not allocate.segment_free(draft, network_type, None, segmentation_id):
        raise refusals.tunnel_in_use(segmentation_id)
    return network_type, None, segmentation_id


def _mtu(draft: Draft, network_type: str, asked: int) -> int:
    largest = draft.settings.global_physnet_mtu - OVERHEAD.get(network_type, 0)
    if asked > largest:
        raise invalid_input(f"Requested MTU is too big, maximum is {largest}")
    return asked or largest


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> Network:
    """Update a network.  Refuses an MTU that its subnets can't have."""
    network = existing(draft, Network, key, revision)
    if "mtu" in values:
        (segment,) = draft.find(Segment, "network_id", key)
        values = {**values, "mtu": _mtu(draft, segment.network_type, values["mtu"])}
        for subnet in draft.find(Subnet, "network_id", key):
            subnets.require_mtu(key, values["mtu"], subnet.ip_version)
    return update(draft, network, values)  # type: ignore[no-any-return]


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    """Remove a network with its subnets, segment and allocations.  Refuses with NetworkInUse while it has ports."""
    network = existing(draft, Network, key, revision)
    on_it = draft.find(Port, "network_id", key)
    in_use = [port.id for port in on_it if port.device_owner not in AUTO_DELETE_OWNERS]
    if in_use:
        raise refusals.network_in_use(key, in_use)
    for port in on_it:
        ports.remove(draft, port)
    for subnet in draft.find(Subnet, "network_id", key):
        subnets.remove(draft, subnet)
    for row in (*draft.find(Segment, "network_id", key), *draft.find(LocalVlan, "network_id", key)):
        draft.remove(row)
    fault = draft.get(Fault, ("Network", key))
    if fault is not None:
        draft.remove(fault)
    draft.remove(network)
