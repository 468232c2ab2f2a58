"""What clients tell about ports and ask of them, and nothing here depends on: small extensions of Neutron's."""

from __future__ import annotations

from controller.core.app import App
from controller.core.model import Port
from controller.core.plans.checks import one_of
from controller.core.row import attr

app = App("port_extras")
app.extension(
    "data-plane-status",
    "Port data plane status extension",
    "An administrator says whether what carries a port works.",
    "2017-01-24T10:00:00-00:00",
)


@app.row(key="port_id", extends=Port)
class DataPlane:
    """What somebody who watches the network says of a port's way: ACTIVE, DOWN, or nothing."""

    port_id: str
    data_plane_status: str | None = attr(
        default=None, post=False, check=one_of(None, "ACTIVE", "DOWN"), filter=False, quiet=True
    )
