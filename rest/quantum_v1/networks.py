"""`/v1.x/tenants/TENANT/networks`"""

from __future__ import annotations

from typing import Any

from controller.core.model import Network, Port
from controller.core.plan import Draft
from controller.core.plans.attachments import in_use
from controller.core.plans.owners import AUTO_DELETE_OWNERS
from controller.core.plans.refusals import network_in_use
from controller.core.plans.revision import existing
from rest.errors import bad_request
from rest.quantum_v1.asked import Asked
from rest.quantum_v1.filters import NETWORKS, kept


def _found(asked: Asked) -> list[Network]:
    rows = asked.visible(Network, "project_id", asked.tenant)
    return kept(asked.net, rows, NETWORKS, asked.call.request.query_string)


def index(asked: Asked) -> dict[str, Any]:
    return {"networks": [{"id": network.id} for network in _found(asked)]}


def index_in_full(asked: Asked) -> dict[str, Any]:
    return {"networks": [asked.shown.network(network) for network in _found(asked)]}


def create(asked: Asked) -> dict[str, Any]:
    made = asked.create(Network, {"name": _name(asked)})
    return {"network": {"id": made.id}}


def _name(asked: Asked) -> Any:
    given = asked.body("network")
    if "name" not in given:
        raise bad_request("Failed to parse request. Required attribute 'name' not specified")
    return given["name"]


def show(asked: Asked, network: str) -> dict[str, Any]:
    return {"network": asked.shown.network(asked.network(network).row)}


def show_in_full(asked: Asked, network: str) -> dict[str, Any]:
    """With its ports, and their attachments."""
    row = asked.network(network).row
    ports = kept(asked.net, asked.visible(Port, "network_id", network), {}, "")
    return {"network": {**asked.shown.network(row), "ports": [asked.shown.port_in_full(port) for port in ports]}}


def rename(asked: Asked, network: str) -> None:
    asked.change(asked.network(network), {"name": _name(asked)})


def delete(asked: Asked, network: str) -> None:
    """With its ports, unless one of them is in use."""
    asked.require(asked.network(network), "delete")

    def plan(draft: Draft) -> None:
        row = existing(draft, Network, network)
        ports = [p for p in draft.find(Port, "network_id", network) if p.device_owner not in AUTO_DELETE_OWNERS]
        used = [port.id for port in ports if in_use(draft, port)]
        if used:
            raise network_in_use(network, used)
        for gone in (*ports, row):
            asked.delete(draft, gone)

    asked.execute(plan)
