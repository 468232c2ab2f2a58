"""The resources that are there: networks, subnets and ports, as Neutron's clients know them."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

from controller.core.model import Binding, Fault, Host, Network, Port, Segment, Subnet
from controller.core.net import Net
from controller.core.plans import networks, ports, subnets
from controller.core.row import Attribute
from controller.core.settings import Settings
from rest.resource import Computed, Resource


def declare(settings: Settings) -> tuple[Resource, ...]:
    """All resources, in the order in which the resource document names them."""
    return (
        Resource(
            "network",
            "networks",
            Network,
            networks.create,
            networks.change,
            networks.delete,
            computed=_NETWORK,
            inputs=_network_inputs,
        ),
        Resource(
            "subnet",
            "subnets",
            Subnet,
            subnets.create,
            subnets.change,
            subnets.delete,
            shapes={"allocation_pools": _objects, "host_routes": _objects, "dns_nameservers": list},
        ),
        Resource(
            "port",
            "ports",
            Port,
            ports.create,
            ports.change,
            ports.delete,
            computed=_port_attributes(settings.integration_bridge),
            inputs=_port_inputs,
            shapes={"fixed_ips": _objects, "profile": _loaded},
        ),
    )


def _objects(values: tuple[Any, ...]) -> list[dict[str, Any]]:
    return [dict(zip(value._fields, value, strict=True)) for value in values]


_loaded = lru_cache(maxsize=1024)(json.loads)
"""JSON of a text: most ports have the same (views are shown, never changed)."""


def _read_only(name: str, check: str = "string", filter: bool = True) -> Attribute:
    return Attribute(name, post=False, put=False, check=check, filter=filter)


# ---------------------------------------------------------------------------------------------------------------------
# Networks


class _NetworkInputs(NamedTuple):
    segment: Segment | None
    subnets: tuple[str, ...]
    fault: Fault | None


def _network_inputs(net: Net, network: Network) -> _NetworkInputs:
    segments = net.find(Segment, "network_id", network.id)
    subnet_ids = tuple(subnet.id for subnet in net.find(Subnet, "network_id", network.id))
    return _NetworkInputs(segments[0] if segments else None, subnet_ids, net.get(Fault, ("Network", network.id)))


def _of_segment(field: str, check: str) -> Computed:
    def read(network: Network, inputs: _NetworkInputs) -> Any:
        return getattr(inputs.segment, field) if inputs.segment else None

    return Computed(field, Attribute(f"provider:{field}", put=False, check=check), read)


def _network_status(network: Network, inputs: _NetworkInputs) -> str:
    return "ERROR" if inputs.fault else "ACTIVE"


_NETWORK = (
    Computed("status", _read_only("status"), _network_status),
    Computed("subnets", _read_only("subnets", filter=False), lambda network, inputs: list(inputs.subnets)),
    _of_segment("network_type", "network_type"),
    _of_segment("physical_network", "physical_network"),
    _of_segment("segmentation_id", "segmentation_id"),
    Computed("", Attribute("router:external", default=False, check="never"), lambda network, inputs: False),
)

# ---------------------------------------------------------------------------------------------------------------------
# Ports


class _PortInputs(NamedTuple):
    binding: Binding | None
    fault: Fault | None
    host: Host | None


def _port_inputs(net: Net, port: Port) -> _PortInputs:
    host = net.get(Host, port.host_id) if port.host_id else None
    return _PortInputs(net.get(Binding, port.id), net.get(Fault, ("Port", port.id)), host)


def _port_status(port: Port, inputs: _PortInputs) -> str:
    if inputs.fault:
        return "ERROR"
    return "ACTIVE" if port.admin_state_up and inputs.binding and inputs.binding.active else "DOWN"


def _vif_type(port: Port, inputs: _PortInputs) -> str:
    return "ovs" if port.host_id else "unbound"


def _port_attributes(integration_bridge: str) -> tuple[Computed, ...]:
    def vif_details(port: Port, inputs: _PortInputs) -> dict[str, Any]:
        """What Nova's os-vif plugs the VIF by; `fault` says why a port is in ERROR."""
        details: dict[str, Any] = {"fault": inputs.fault.reason} if inputs.fault else {}
        if port.host_id:
            details |= {
                "connectivity": "l2",
                "port_filter": False,
                "ovs_hybrid_plug": False,
                "datapath_type": (inputs.host.datapath_type if inputs.host else "") or "system",
                "bridge_name": inputs.host.integration_bridge if inputs.host else integration_bridge,
                "bound_drivers": {"0": "openvswitch"},
            }
        return details

    return (
        Computed("status", _read_only("status"), _port_status),
        Computed("vif_type", _read_only("binding:vif_type"), _vif_type),
        Computed("vif_details", _read_only("binding:vif_details", filter=False), vif_details),
    )
