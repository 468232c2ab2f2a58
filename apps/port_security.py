"""Port security: whether a port may send as itself only, and what may reach it is ruled by its security groups.

It is on unless the network says otherwise, and never for ports of the network itself (`network:dhcp` and the like).
Stored only where it is off.
"""

from __future__ import annotations

from typing import Any

from controller.core.app import App
from controller.core.model import Network, Port
from controller.core.plan import Draft
from controller.core.plans.owners import TRUSTED
from controller.core.row import attr

app = App("port_security")
app.extension(
    "port-security",
    "Port Security",
    "Whether ports are protected, by network and by port.",
    "2012-07-23T10:00:00-00:00",
)


@app.row(key="network_id", extends=Network)
class NetworkSecurity:
    """What new ports of a network have when they don't say."""

    network_id: str
    port_security_enabled: bool = attr(default=True, initial=True, check="boolean", filter=False)


@app.row(key="port_id", extends=Port)
class PortSecurity:
    """Whether a port is protected."""

    port_id: str
    port_security_enabled: bool = attr(default=True, initial=None, check="boolean", filter=False)

    @staticmethod
    def enabled(net: Any, port_id: str) -> bool:
        """Whether that port is protected."""
        side = net.get(PortSecurity, port_id)
        return side is None or side.port_security_enabled


@app.prepare(Port)
def as_the_network_says(draft: Draft, old: Port | None, values: dict[str, Any]) -> None:
    """A new port has what it asks for, else what its network has; one of the network itself is never protected."""
    if old is not None:
        return
    if values.get("device_owner", "").startswith(TRUSTED):
        values["port_security_enabled"] = False
    elif "port_security_enabled" not in values:
        network = draft.get(NetworkSecurity, values["network_id"])
        values["port_security_enabled"] = network is None or network.port_security_enabled
