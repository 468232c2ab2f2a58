"""The core resources: networks, subnets and ports, as Neutron's clients know them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from controller.core.app import App
from controller.core.model import Binding, Fault, Host, Network, Port, Segment, Subnet
from controller.core.net import Net
from controller.core.plans import networks, ports, subnets
from controller.core.resource import Computed, Resource, Source
from controller.core.resource_set import ResourceSet
from controller.core.row import Attribute
from controller.core.settings import Settings


def declare(settings: Settings, apps: Iterable[App] = ()) -> ResourceSet:
    """All resources: the core's, then those of the apps."""
    apps = tuple(apps)
    return ResourceSet(
        [*_core(settings), *(resource for app in apps for resource in app.resources)],
        [rule for app in apps for rule in app.rules],
        [preparation for app in apps for preparation in app.preparations],
    )


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
            quota=100,
        ),
        Resource("subnet", "subnets", Subnet, subnets.create, subnets.change, subnets.delete, quota=100),
        Resource(
            "port",
            "ports",
            Port,
            ports.create,
            ports.change,
            ports.delete,
            computed=_port_attributes(settings.integration_bridge),
            sources=(
                Source(Binding, lambda net, binding: (binding.port_id,)),
                Source(Host, lambda net, host: (port.id for port in net.find(Port, "host_id", host.name))),
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
        segments = net.find(Segment, "network_id", network.id)
        return getattr(segments[0], field) if segments else None

    return Computed(field, Attribute(f"provider:{field}", put=False, check=check), read)


def _network_status(net: Net, network: Network) -> str:
    return "ERROR" if net.get(Fault, ("Network", network.id)) else "ACTIVE"


def _subnets(net: Net, network: Network) -> list[str]:
    return [subnet.id for subnet in net.find(Subnet, "network_id", network.id)]


_NETWORK = (
    Computed("status", read_only("status"), _network_status),
    Computed("subnets", read_only("subnets", filter=False), _subnets),
    _of_segment("network_type", "network_type"),
    _of_segment("physical_network", "physical_network"),
    _of_segment("segmentation_id", "segmentation_id"),
    Computed("", Attribute("router:external", default=False, check="never"), lambda net, network: False),
)

# ---------------------------------------------------------------------------------------------------------------------
# Ports


def _port_status(net: Net, port: Port) -> str:
    if net.get(Fault, ("Port", port.id)):
        return "ERROR"
    binding = net.get(Binding, port.id)
    return "ACTIVE" if port.admin_state_up and binding and binding.active else "DOWN"


def _vif_type(net: Net, port: Port) -> str:
    return "ovs" if port.host_id else "unbound"


def _port_attributes(integration_bridge: str) -> tuple[Computed, ...]:
    def vif_details(net: Net, port: Port) -> dict[str, Any]:
        """What Nova's os-vif plugs the VIF by; `fault` says why a port is in ERROR."""
        fault = net.get(Fault, ("Port", port.id))
        details: dict[str, Any] = {"fault": fault.reason} if fault else {}
        if port.host_id:
            host = net.get(Host, port.host_id)
            details |= {
                "connectivity": "l2",
                "port_filter": False,
                "ovs_hybrid_plug": False,
                "datapath_type": (host.datapath_type if host else "") or "system",
                "bridge_name": host.integration_bridge if host else integration_bridge,
                "bound_drivers": {"0": "openvswitch"},
            }
        return details

    return (
        Computed("status", read_only("status"), _port_status),
        Computed("vif_type", read_only("binding:vif_type"), _vif_type),
        Computed("vif_details", read_only("binding:vif_details", filter=False), vif_details),
    )
