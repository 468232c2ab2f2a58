"""What a port's `device_owner` means for what may be done with it (the values are Neutron's)."""

from __future__ import annotations

GATEWAY_OWNER = "network:router_gateway"
"""A router's port on an external network."""

ROUTER_OWNERS = ("network:router_interface", "network:router_interface_distributed", GATEWAY_OWNER)
"""Routers' ports: they never make their own addresses."""

AUTO_DELETE_OWNERS = ("network:dhcp", "network:distributed", "network:floatingip_agent_gateway")
"""Owners of ports that go with their network or subnet instead of keeping it."""
