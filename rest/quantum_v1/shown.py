"""What clients of API v1 see of networks and ports."""

from __future__ import annotations

from typing import Any

from controller.core.model import Agent, Binding, Fault, Network, Port
from controller.core.plans.attachments import attached

ACTIVE, DOWN = "ACTIVE", "DOWN"
"""A port's `state`: what its owner wants."""
STATES = {ACTIVE: True, DOWN: False}
UP, PROVISIONING, UNKNOWN = "UP", "PROVISIONING", "UNKNOWN"
"""Values of `op-status`, with DOWN: how it is."""


def state(port: Port) -> str:
    return ACTIVE if port.admin_state_up else DOWN


def port_status(net: Any, port: Port) -> str:
    """PROVISIONING while switches have yet to acknowledge its flows, UNKNOWN while its host is away."""
    binding = net.get(Binding, port.id)
    if binding is None or not port.admin_state_up or net.get(Fault, ("Port", port.id)):
        return DOWN
    if any(not agent.alive for agent in net.find(Agent, "host", binding.host)):
        return UNKNOWN
    return UP if binding.active else PROVISIONING


def network_status(net: Any, network: Network) -> str:
    return UP if network.admin_state_up and not net.get(Fault, ("Network", network.id)) else DOWN


class Shown:
    """Rows as objects of a version."""

    def __init__(self, net: Any, version: str) -> None:
        self._net = net
        self._tells_status = version != "v1.0"

    def network(self, network: Network) -> dict[str, Any]:
        return {"id": network.id, "name": network.name, **self._status(network_status, network)}

    def port(self, port: Port) -> dict[str, Any]:
        return {"id": port.id, "state": state(port), **self._status(port_status, port)}

    def port_in_full(self, port: Port) -> dict[str, Any]:
        """With its attachment, if it has one."""
        vif_id = attached(self._net, port.id)
        return {**self.port(port), **({"attachment": {"id": vif_id}} if vif_id else {})}

    def _status(self, told: Any, row: Any) -> dict[str, str]:
        return {"op-status": told(self._net, row)} if self._tells_status else {}
