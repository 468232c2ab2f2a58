"""`/v1.x/tenants/TENANT/networks/NETWORK/ports`, the attachments of ports, and what switches count of them."""

from __future__ import annotations

from typing import Any

from controller.core.model import Port
from controller.core.plan import Draft
from controller.core.plans import attachments, checks
from controller.core.plans.refusals import port_in_use
from controller.core.plans.revision import existing
from rest.errors import ApiError, bad_request
from rest.quantum_v1.asked import Asked
from rest.quantum_v1.faults import state_invalid
from rest.quantum_v1.filters import PORTS, kept
from rest.quantum_v1.shown import DOWN, STATES


def _found(asked: Asked, network: str) -> list[Port]:
    asked.network(network)
    return kept(asked.net, asked.visible(Port, "network_id", network), PORTS, asked.call.request.query_string)


def index(asked: Asked, network: str) -> dict[str, Any]:
    return {"ports": [{"id": port.id} for port in _found(asked, network)]}


def index_in_full(asked: Asked, network: str) -> dict[str, Any]:
    return {"ports": [asked.shown.port(port) for port in _found(asked, network)]}


def create(asked: Asked, network: str) -> dict[str, Any]:
    """A port whose VIF gives itself an address, if it wants one: so it has none of ours, and is not protected."""
    asked.network(network)
    values = {"fixed_ips": [], "port_security_enabled": False}
    made = asked.create(Port, {"network_id": network, "admin_state_up": _state(asked, optional=True), **values})
    return {"port": {"id": made.id}}


def _state(asked: Asked, optional: bool = False) -> bool:
    given = asked.body("port", optional).get("state", DOWN)
    if not isinstance(given, str) or given not in STATES:
        raise state_invalid(given)
    return STATES[given]


def show(asked: Asked, network: str, port: str) -> dict[str, Any]:
    return {"port": asked.shown.port(asked.port(network, port).row)}


def show_in_full(asked: Asked, network: str, port: str) -> dict[str, Any]:
    return {"port": asked.shown.port_in_full(asked.port(network, port).row)}


def update(asked: Asked, network: str, port: str) -> None:
    asked.change(asked.port(network, port), {"admin_state_up": _state(asked)})


def delete(asked: Asked, network: str, port: str) -> None:
    """Unless it has an attachment."""
    asked.require(asked.port(network, port), "delete")

    def plan(draft: Draft) -> None:
        row, vif_id = existing(draft, Port, port), attachments.attached(draft, port)
        if vif_id:
            raise port_in_use(network, port, vif_id)
        asked.delete(draft, row)

    asked.execute(plan)


# -- attachments ------------------------------------------------------------------------------------------------------


def attachment(asked: Asked, network: str, port: str) -> dict[str, Any]:
    vif_id = attachments.attached(asked.net, asked.port(network, port).row.id)
    return {"attachment": {"id": vif_id} if vif_id else {}}


def plug(asked: Asked, network: str, port: str) -> None:
    view = asked.port(network, port)
    given = asked.body("attachment")
    if not given.get("id"):
        raise bad_request("Failed to parse request. Required attribute 'id' not specified")
    vif_id = checks.check("string", "id", given["id"])
    asked.require(view, "update")
    asked.execute(lambda draft: attachments.plug(draft, port, vif_id))


def unplug(asked: Asked, network: str, port: str) -> None:
    asked.require(asked.port(network, port), "update")
    asked.execute(lambda draft: attachments.unplug(draft, port))


# -- statistics -------------------------------------------------------------------------------------------------------


def statistics(asked: Asked, network: str, port: str) -> dict[str, Any]:
    """What the port's switch has counted, asked now: bytes, packets and errors from the VIF (rx) and to it (tx)."""
    asked.port(network, port)
    if asked.context.inspector is None:
        raise ApiError(501, "HTTPNotImplemented", "This process does not know the switches; ask the controller.")
    try:
        counters = asked.context.inspector.counters(port)
    except (KeyError, IndexError):  # ours, and no port that is not plugged in
        raise
    except LookupError as error:
        raise ApiError(404, "PortNotPlugged", f"Port {port} is not plugged in: nothing is counted of it.") from error
    if counters is None:
        raise ApiError(503, "ServiceUnavailable", f"The switch of port {port} does not answer.")
    return {"stats": counters}
