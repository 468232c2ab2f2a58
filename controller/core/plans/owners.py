"""What a port's `device_owner` means for what may be done with it (the values are Neutron's)."""

from __future__ import annotations

ROUTER_INTERFACE_OWNERS = (
    "network:router_interface",
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
)
"""Routers' ports on the networks that they route for."""

GATEWAY_OWNER = "network:router_gateway"
"""A router's port on an external network."""

ROUTER_OWNERS = (*ROUTER_INTERFACE_OWNERS, GATEWAY_OWNER)
"""Routers' ports: they never make their own addresses."""

DHCP_OWNER = "network:dhcp"

ROUTED_OWNER = "network:routed"
"""Who has addresses that are routed to wherever they are used."""

AUTO_DELETE_OWNERS = (DHCP_OWNER, "network:distributed", "network:floatingip_agent_gateway")
"""Owners of ports that go with their network or subnet instead of keeping it."""

TRUSTED = "network:"
"""What the owners of ports that belong to the network itself begin with: they are neither protected nor filtered."""
