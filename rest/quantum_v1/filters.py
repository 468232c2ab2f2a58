"""Filters of v1's lists: of values given twice the last one counts, and all that are given must hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from controller.core.model import Attachment, Network, Port
from controller.core.plans.attachments import attached
from rest.errors import bad_request
from rest.quantum_v1.shown import network_status, port_status, state

Test = Callable[[Any, Any, str], bool]
"""Whether a row (of a Net) has the value that is asked for."""


def _is_attached(net: Any, port: Port) -> bool:
    return bool(attached(net, port.id))


def _wants(value: str) -> bool:
    return value.lower() == "true"


PORTS: dict[str, Test] = {
    "state": lambda net, port, value: state(port) == value,
    "op-status": lambda net, port, value: port_status(net, port) == value,
    "has-attachment": lambda net, port, value: _is_attached(net, port) == _wants(value),
    "attachment": lambda net, port, value: bool(value) and attached(net, port.id) == value,
}


def _ports(net: Any, network: Network) -> Any:
    return net.find(Port, "network_id", network.id)


def _any_port(test: Test) -> Test:
    return lambda net, network, value: any(test(net, port, value) for port in _ports(net, network))


NETWORKS: dict[str, Test] = {
    "name": lambda net, network, value: network.name == value,
    "op-status": lambda net, network, value: network_status(net, network) == value,
    "port-op-status": _any_port(PORTS["op-status"]),
    "port-state": _any_port(PORTS["state"]),
    "has-attachment": lambda net, network, value: (
        any(_is_attached(net, port) for port in _ports(net, network)) == _wants(value)
    ),
    "attachment": lambda net, network, value: any(
        port is not None and port.network_id == network.id
        for port in (net.get(Port, held.port_id) for held in net.find(Attachment, "vif_id", value))
    ),
    "port": lambda net, network, value: (port := net.get(Port, value)) is not None and port.network_id == network.id,
}


def kept(net: Any, rows: Iterable[Any], tests: dict[str, Test], query: str) -> list[Any]:
    """The rows that a query string asks for, oldest first.  Raises ApiError for a filter that is not there."""
    given = dict(parse_qsl(query, keep_blank_values=True, errors="replace"))
    unknown = [name for name in given if name not in tests]
    if unknown:
        raise bad_request(f"'{unknown[0]}' is no filter here: there are {', '.join(tests)}")
    found = [row for row in rows if all(tests[name](net, row, value) for name, value in given.items())]
    return sorted(found, key=lambda row: (row.created_at, row.key))
