"""Which path and method of API v1 is answered by which handler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest import errors
from rest.context import Answer, Call, Context
from rest.errors import ApiError
from rest.quantum_v1 import form, networks, openapi, ports
from rest.quantum_v1.asked import Asked
from rest.quantum_v1.faults import Fault

VERSIONS = {"v1.0": 200, "v1.1": 202}
"""The versions, and the status of an answer that something was made."""

Serve = Callable[..., Any]
"""Answers with an object, or with None where there is nothing to say; it is given the variables of the path."""

NETWORKS = "tenants/TENANT/networks"
PORTS = f"{NETWORKS}/NETWORK/ports"
PATHS: dict[str, dict[str, Serve]] = {
    NETWORKS: {"GET": networks.index, "POST": networks.create},
    f"{NETWORKS}/detail": {"GET": networks.index_in_full},
    f"{NETWORKS}/NETWORK": {"GET": networks.show, "PUT": networks.rename, "DELETE": networks.delete},
    f"{NETWORKS}/NETWORK/detail": {"GET": networks.show_in_full},
    PORTS: {"GET": ports.index, "POST": ports.create},
    f"{PORTS}/detail": {"GET": ports.index_in_full},
    f"{PORTS}/PORT": {"GET": ports.show, "PUT": ports.update, "DELETE": ports.delete},
    f"{PORTS}/PORT/detail": {"GET": ports.show_in_full},
    f"{PORTS}/PORT/attachment": {"GET": ports.attachment, "PUT": ports.plug, "DELETE": ports.unplug},
    f"extensions/ovs/{PORTS}/PORT/stats": {"GET": ports.statistics},
}
"""What there is, by path; its parts in capitals are variables.  Of two that fit, the first one counts."""

EXTENSION = {
    "name": "Port Statistics",
    "alias": "portstats",
    "namespace": "http://docs.openstack.org/ext/portstats/api/v1.0",
    "description": "What the switch of a port has counted: bytes, packets and errors.",
    "updated": "2011-12-20T10:00:00-00:00",
    "links": [],
}
"""As Quantum called it; its path has `ovs` in it all the same."""


def answer(context: Context, call: Call, parts: list[str]) -> Answer:
    """The answer for a path, its version first.  Raises ApiError, Refusal and whatever the store raises."""
    said, last = form.of(call.request, parts[0], parts[-1])
    value = _answer(Asked(context, call, said), [*parts[1:-1], last] if parts[1:] else [])
    if value is None:
        return Answer(204)
    status = VERSIONS[said.version] if call.method == "POST" else 200
    return Answer(status, said.text(value), said.content_type)


def fault(call: Call, parts: list[str], error: ApiError) -> Fault:
    """An error, whoever raised it, in the form that the client of a path takes."""
    return Fault(error, form.of(call.request, parts[0], parts[-1])[0])


def _answer(asked: Asked, parts: list[str]) -> Any:
    if not parts or parts == ["openapi"]:
        return _document(asked, parts)
    if parts[:1] == ["extensions"] and len(parts) <= 2:
        return _extensions(asked, parts[1:])
    for path, methods in PATHS.items():
        variables = _fit(path.split("/"), parts)
        if variables is not None:
            return _serve(asked, methods, variables)
    raise errors.no_such_path()


def _fit(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    """The variables of a path that fits the pattern."""
    if len(pattern) != len(parts):
        return None
    pairs = list(zip(pattern, parts, strict=True))
    if any(name != part for name, part in pairs if not name.isupper()):
        return None
    return {name.lower(): part for name, part in pairs if name.isupper()}


def _serve(asked: Asked, methods: dict[str, Serve], variables: dict[str, str]) -> Any:
    serve = methods.get(asked.call.method)
    if serve is None:
        raise errors.not_allowed(tuple(methods))
    asked = Asked(asked.context, asked.call, asked.form, variables.pop("tenant"))
    asked.require_tenant()
    return serve(asked, **variables)


def _document(asked: Asked, parts: list[str]) -> Any:
    """What there is of the version, which is for everybody, or all that can be asked of it."""
    if asked.call.method != "GET":
        raise errors.not_allowed(("GET",))
    version = asked.form.version
    if parts:
        return openapi.document(version, VERSIONS[version])
    link = {"rel": "self", "href": f"{asked.call.request.host_url}/{version}/"}
    return {"version": {"id": version, "status": "DEPRECATED", "links": [link]}}


def _extensions(asked: Asked, alias: list[str]) -> Any:
    if asked.call.method != "GET":
        raise errors.not_allowed(("GET",))
    if not alias:
        return {"extensions": [EXTENSION]}
    if alias != [EXTENSION["alias"]]:
        raise ApiError(404, "HTTPNotFound", f"Extension with alias {alias[0]} does not exist")
    return {"extension": EXTENSION}
