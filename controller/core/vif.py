"""How a host plugs a port's VIF: Neutron's `binding:vif_type` and `binding:vif_details`.

A known host that can carry the port's network plugs it into Open vSwitch.  To one that can't, or that has not joined
(yet), the port can't be bound: that follows from the rows that are there, so it changes when the host does.
"""

from __future__ import annotations

import json
from typing import Any

from controller.core.model import Host
from controller.core.segments import reaches

UNBOUND, OVS, FAILED = "unbound", "ovs", "binding_failed"

PLUGGED = ("normal", "vdpa")
"""Kinds of VIF that are plugged into `br-int` like any other; `direct` ones are when they have a representor there."""


def vif_type(net: Any, network_id: str, host_name: str, vnic_type: str = "normal", profile: str = "{}") -> str:
    """UNBOUND without a host, OVS where the VIF can be plugged, else FAILED.  `profile` is JSON text."""
    if not host_name:
        return UNBOUND
    host = net.get(Host, host_name)
    can = host is not None and _is_plugged(vnic_type, profile) and reaches(net, host, network_id)
    return OVS if can else FAILED


def _is_plugged(vnic_type: str, profile: str) -> bool:
    if vnic_type == "direct":
        capabilities = json.loads(profile).get("capabilities")
        return isinstance(capabilities, list) and "switchdev" in capabilities
    return vnic_type in PLUGGED


def vif_details(net: Any, host_name: str) -> dict[str, Any]:
    """What Nova's os-vif plugs a VIF by, on a known host."""
    host = net.get(Host, host_name)
    return {
        "connectivity": "l2",
        "port_filter": False,
        "ovs_hybrid_plug": False,
        "datapath_type": host.datapath_type or "system",
        "bridge_name": host.integration_bridge,
    }
