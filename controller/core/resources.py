"""The core resources: networks, subnets and ports, as Neutron's clients know them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from controller.core.app import App
from controller.core.model import Binding, Fault, Host, Network, Port, RbacPolicy, Segment, Subnet
from controller.core.net import Net
from controller.core.plans import networks, ports, sharing, subnets
from controller.core.plans.parse import Carrier
from controller.core.resource import ABSENT, SHARED_FILTER, Computed, Filter, Resource, Sharing, Source
from controller.core.resource_set import ResourceSet
from controller.core.row import Attribute
from controller.core.segments import segments_of
from controller.core.settings import Settings
from controller.core.vif import OVS, vif_details, vif_type


def declare(settings: Settings, apps: Iterable[App] = ()) -> ResourceSet:
    """All resources: the core's, then those of the apps, each with what apps add to it."""
    apps = tuple(apps)
    resources = (*_core(settings), *(resource for app in apps for resource in app.resources))
    return ResourceSet(
        [_extended(resource, settings, apps) for resource in resources],
        [rule for app in apps for rule in app.rules],
        [preparation for app in apps for preparation in app.preparations],
        [preparation for app in apps for preparation in app.list_preparations],
    )


def _extended(resource: Resource, settings: Settings, apps: Iterable[App]) -> Resource:
    """The resource with what apps add to it."""
    for more in (more for app in apps for more in app.extended if more.row_type is resource.row_type and resource.own):
        resource = replace(
            resource,
            computed=(*resource.computed, *more.computed(settings)),
            sources=(*resource.sources, *more.sources),
            filters=(*resource.filters, *more.filters),
            actions=(*resource.actions, *more.actions),
        )
    return resource


def _core(settings: Settings) -> tuple[Resource, ...]:
    return (
        Resource(
            "network",
            "networks",
            Network,
            networks.create,
            networks.change,
            networks.delete,
            computed=_NETWORK,
            sources=(
                Source(Segment, lambda net, segment: (segment.network_id,)),
                Source(Subnet, lambda net, subnet: (subnet.network_id,)),
                _faults("Network"),
            ),
            sharing=Sharing((sharing.SHARED, sharing.EXTERNAL)),
            quota=100,
        ),
        Resource(
            "subnet",
            "subnets",
            Subnet,
            subnets.create,
            subnets.change,
            subnets.delete,
            computed=_SUBNET,
            sources=(Source(RbacPolicy, _subnets_of),),
            filters=(Filter("shared", _is_on_shared, SHARED_FILTER.check),),
            quota=100,
        ),
        Resource(
            "port",
            "ports",
            Port,
            ports.create,
            ports.change,
            ports.delete,
            computed=_PORT,
            sources=(
                Source(Binding, lambda net, binding: (binding.port_id,)),
                Source(Host, lambda net, host: (port.id for port in net.find(Port, "host_id", host.name))),
                Source(Segment, lambda net, segment: _ports(net, segment.network_id)),
                _faults("Port"),
            ),
            shapes={"profile": _loaded},
            quota=500,
        ),
    )


def _faults(kind: str) -> Source:
    return Source(Fault, lambda net, fault: (fault.id,) if fault.kind == kind else ())


_loaded = lru_cache(maxsize=1024)(json.loads)
"""JSON of a text: most ports have the same (views are shown, never changed)."""


def read_only(name: str, check: str = "string", filter: bool = True) -> Attribute:
    """An attribute that clients see and never give."""
    return Attribute(name, post=False, put=False, check=check, filter=filter)


# ---------------------------------------------------------------------------------------------------------------------
# Networks


def _of_segment(field: str, check: str) -> Computed:
    def read(net: Net, network: Network) -> Any:
        found = segments_of(net, network.id)
        if len(found) > 1:
            return ABSENT
        return getattr(found[0], field) if found else None

    return Computed(field, Attribute(f"provider:{field}", put=False, check=check), read)


def _segments(net: Net, network: Network) -> Any:
    """Those of a network that has several; one is told by the provider attributes."""
    found = segments_of(net, network.id)
    if len(found) < 2:
        return ABSENT
    return [{f"provider:{field}": getattr(segment, field) for field in Carrier._fields} for segment in found]


def _network_status(net: Net, network: Network) -> str:
    return "ERROR" if net.get(Fault, ("Network", network.id)) else "ACTIVE"


def _is_one_domain(net: Net, network: Network) -> bool:
    """Whether its hosts meet without a router: subnets on segments are joined by one."""
    return all(subnet.segment_id is None for subnet in net.find(Subnet, "network_id", network.id))


def _subnets(net: Net, network: Network) -> list[str]:
    return [subnet.id for subnet in net.find(Subnet, "network_id", network.id)]


_NETWORK = (
    Computed("status", read_only("status"), _network_status),
    Computed("subnets", read_only("subnets", filter=False), _subnets),
    _of_segment("network_type", "network_type"),
    _of_segment("physical_network", "physical_network"),
    _of_segment("segmentation_id", "segmentation_id"),
    Computed(
        "external",
        Attribute("router:external", default=False, check="boolean"),
        lambda net, network: sharing.external(net, network.id),
        sharing.open_to_routers,
    ),
    Computed("segments", Attribute("segments", put=False, check="segments", filter=False), _segments),
    Computed("", read_only("l2_adjacency", "boolean", filter=False), _is_one_domain),
)

# ---------------------------------------------------------------------------------------------------------------------
# Subnets: they are shared as their networks are


def _subnets_of(net: Net, policy: RbacPolicy) -> Iterable[str]:
    return (subnet.id for subnet in net.find(Subnet, "network_id", policy.object_id))


def _is_on_shared(net: Net, subnet: Subnet, values: list[Any], project_id: str) -> bool:
    return sharing.shared(net, subnet.network_id, project_id) in values


_SUBNET = (
    Computed(
        "shared",
        Attribute("shared", post=False, put=False, default=False, check="boolean", shown=False),
        lambda net, subnet: sharing.shared(net, subnet.network_id, sharing.EVERYONE),
    ),
    Computed(
        "external",
        Attribute("router:external", post=False, put=False, default=False, check="boolean"),
        lambda net, subnet: sharing.external(net, subnet.network_id),
    ),
)

# ---------------------------------------------------------------------------------------------------------------------
# Ports


def _port_status(net: Net, port: Port) -> str:
    if net.get(Fault, ("Port", port.id)):
        return "ERROR"
    binding = net.get(Binding, port.id)
    return "ACTIVE" if port.admin_state_up and binding and binding.active else "DOWN"


def _ports(net: Net, network_id: str) -> Iterable[str]:
    return (port.id for port in net.find(Port, "network_id", network_id))


def _vif_type(net: Net, port: Port) -> str:
    return vif_type(net, port.network_id, port.host_id, port.vnic_type, port.profile)


def _vif_details(net: Net, port: Port) -> dict[str, Any]:
    """`fault` says why a port is in ERROR."""
    fault = net.get(Fault, ("Port", port.id))
    details: dict[str, Any] = {"fault": fault.reason} if fault else {}
    if _vif_type(net, port) == OVS:
        details |= {**vif_details(net, port.host_id), "bound_drivers": {"0": "openvswitch"}}
    return details


_PORT = (
    Computed("status", read_only("status"), _port_status),
    Computed("vif_type", read_only("binding:vif_type"), _vif_type),
    Computed("vif_details", read_only("binding:vif_details", filter=False), _vif_details),
)
