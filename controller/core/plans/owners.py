"""What a port's `device_owner` means for what may be done with it (the values are Neutron's)."""

from __future__ import annotations

ROUTER_OWNERS = ("network:router_interface", "network:router_interface_distributed", "network:router_gateway")
"""Routers' ports: they never make their own addresses."""

AUTO_DELETE_OWNERS = ("network:dhcp", "network:distributed", "network:floatingip_agent_gateway")
"""Owners of ports that go with their network or subnet instead of keeping it."""

TRUSTED = "network:"
"""What the owners of ports that belong to the network itself begin with: they are neither protected nor filtered."""
