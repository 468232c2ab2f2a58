"""Plans for networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.model import Fault, LocalVlan, Network, Port, Segment, Subnet
from controller.core.plan import Draft
from controller.core.plans import allocate, ports, refusals, segments, subnets
from controller.core.plans.owners import AUTO_DELETE_OWNERS
from controller.core.plans.parse import Carrier
from controller.core.plans.refusals import invalid_input
from controller.core.plans.revision import existing, update
from controller.core.settings import Settings

OVERHEAD = {"vxlan": 50, "geneve": 50, "gre": 42}
"""Bytes that a tunnel takes from the MTU, the outer IPv4 header included (Neutron's figures)."""
OVER_IPV6 = 20
"""Bytes that an outer IPv6 header takes more than one of IPv4."""
PROVIDER = ("network_type", "physical_network", "segmentation_id")


def create(draft: Draft, values: dict[str, Any]) -> Network:
    """Make a network and its segments.

    `values`: fields of Network; and `network_type`, `physical_network`, `segmentation_id`, where left out or None they
    are chosen from the configured ranges; or `segments`, a tuple of Carrier.  Refuses with NoNetworkAvailable,
    VlanIdInUse, TunnelIdInUse, FlatNetworkInUse, InvalidInput and what plans.segments refuses.
    """
    values = dict(values)
    asked = Carrier(*(values.pop(name, None) for name in PROVIDER))
    several = values.pop("segments", None) or ()
    network_id = draft.new_id()
    carried = segments.make(draft, network_id, values.get("project_id", ""), asked, several)
    values["mtu"] = _mtu(draft, carried, values.get("mtu", 0))
    stamps: dict[str, Any] = {"created_at": draft.now, "updated_at": draft.now}
    network = Network(id=network_id, key=allocate.next_key(draft, "network key"), **values, **stamps)
    return draft.put(network)


def largest_mtu(settings: Settings, types: Iterable[str]) -> int:
    """The MTU that a network of these types may have at most, in bytes."""
    outer = settings.overlay_ip_version
    tunnelled = (settings.tunnel_mtu - overhead(type, outer) for type in types if type in OVERHEAD)
    return min([settings.global_physnet_mtu, *tunnelled])


def overhead(type: str, ip_version: int) -> int:
    """Bytes that a network of a type takes from the MTU of what carries it, between addresses of an IP version."""
    return OVERHEAD[type] + (OVER_IPV6 if ip_version == 6 else 0) if type in OVERHEAD else 0


def _mtu(draft: Draft, carried: Iterable[Segment], asked: int) -> int:
    largest = largest_mtu(draft.settings, (segment.network_type for segment in carried))
    if asked > largest:
        raise invalid_input(f"Requested MTU is too big, maximum is {largest}")
    return asked or largest


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> Network:
    """Update a network.  Refuses an MTU that its subnets can't have."""
    network = existing(draft, Network, key, revision)
    if "mtu" in values:
        values = {**values, "mtu": _mtu(draft, draft.find(Segment, "network_id", key), values["mtu"])}
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
