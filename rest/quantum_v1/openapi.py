"""`GET /v1.x/openapi.json`: a version of Quantum's API as an OpenAPI 3.1 document.

Bodies are described as they are in JSON; every one can be had and given as XML, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from rest.quantum_v1.faults import NAMES, OTHERS, V10
from rest.quantum_v1.filters import NETWORKS, PORTS
from rest.quantum_v1.shown import DOWN, PROVISIONING, STATES, UNKNOWN, UP
from rest.quantum_v1.xml import COUNTERS

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
STATE: Schema = {"type": "string", "enum": list(STATES)}
CALLED: Schema = {"type": "string", "maxLength": 255}
STATUS = "op-status"

ONE_NETWORK, ONE_PORT = "tenants/TENANT/networks/NETWORK", "tenants/TENANT/networks/NETWORK/ports/PORT"
MANY_NETWORKS, MANY_PORTS = "tenants/TENANT/networks", f"{ONE_NETWORK}/ports"

OPERATIONS: dict[tuple[str, str], tuple[str, str | None, str | None]] = {
    (MANY_NETWORKS, "GET"): ("list_networks", None, "network_ids"),
    (MANY_NETWORKS, "POST"): ("create_network", "named_network", "made_network"),
    (f"{MANY_NETWORKS}/detail", "GET"): ("list_networks_in_full", None, "networks"),
    (ONE_NETWORK, "GET"): ("show_network", None, "network"),
    (ONE_NETWORK, "PUT"): ("rename_network", "named_network", None),
    (ONE_NETWORK, "DELETE"): ("delete_network", None, None),
    (f"{ONE_NETWORK}/detail", "GET"): ("show_network_in_full", None, "network_in_full"),
    (MANY_PORTS, "GET"): ("list_ports", None, "port_ids"),
    (MANY_PORTS, "POST"): ("create_port", "port_state", "made_port"),
    (f"{MANY_PORTS}/detail", "GET"): ("list_ports_in_full", None, "ports"),
    (ONE_PORT, "GET"): ("show_port", None, "port"),
    (ONE_PORT, "PUT"): ("update_port", "port_state", None),
    (ONE_PORT, "DELETE"): ("delete_port", None, None),
    (f"{ONE_PORT}/detail", "GET"): ("show_port_in_full", None, "port_in_full"),
    (f"{ONE_PORT}/attachment", "GET"): ("show_attachment", None, "attachment"),
    (f"{ONE_PORT}/attachment", "PUT"): ("plug", "interface", None),
    (f"{ONE_PORT}/attachment", "DELETE"): ("unplug", None, None),
    (f"extensions/ovs/{ONE_PORT}/stats", "GET"): ("show_port_statistics", None, "stats"),
    ("extensions", "GET"): ("list_extensions", None, "extensions"),
    ("extensions/ALIAS", "GET"): ("show_extension", None, "extension"),
}
"""Name of an operation, and the schemas of its body and of its answer, by path and method."""
OPTIONAL_BODY = "create_port"
FILTERS = {
    MANY_NETWORKS: NETWORKS,
    f"{MANY_NETWORKS}/detail": NETWORKS,
    MANY_PORTS: PORTS,
    f"{MANY_PORTS}/detail": PORTS,
}


def document(version: str, made: int) -> Schema:
    """The document of a version, whose status of an answer that something was made is `made`."""
    paths: Schema = {}
    for (path, method), (name, body, answer) in OPERATIONS.items():
        item = paths.setdefault(_template(path), {"parameters": _in_path(path)})
        item[method.lower()] = _operation(version, made, path, method, name, body, answer)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Quantum's API {version}",
            "description": "Networks, ports and attachments, as before Neutron. The same objects are in v2.0. "
            "Bodies are described as JSON; .xml behind a path, or a body in XML, has them in XML.",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"/{version}"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {**_schemas(version), "fault": _fault(version)},
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


def _template(path: str) -> str:
    return "/" + re.sub("[A-Z]+", lambda found: f"{{{found[0].lower()}}}", path)


def _in_path(path: str) -> list[Schema]:
    names = (part.lower() for part in path.split("/") if part.isupper())
    return [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]


def _operation(
    version: str, made: int, path: str, method: str, name: str, body: str | None, answer: str | None
) -> Schema:
    status = 204 if answer is None else made if method == "POST" else 200
    done: Schema = {"description": "Done."} | ({} if answer is None else {"content": _content(answer)})
    operation: Schema = {
        "operationId": name,
        "tags": [_tag(path)],
        "responses": {str(status): done, **_refusals(version)},
    }
    if body is not None:
        operation["requestBody"] = {"required": name != OPTIONAL_BODY, "content": _content(body)}
    if method == "GET" and path in FILTERS:
        operation["parameters"] = [{"name": one, "in": "query", "schema": TEXT} for one in FILTERS[path]]
    return operation


def _tag(path: str) -> str:
    if path.startswith("extensions"):
        return "extensions"
    return "ports" if MANY_PORTS in path else "networks"


def _refusals(version: str) -> Schema:
    """By status code; in v1.0 most faults have one of their own."""
    known = {str(status): name for status, name in NAMES.items()} | {"409": OTHERS}
    if version == "v1.0":
        known |= {str(status): name for status, name in V10.values()}
    return {code: {"description": known[code], "content": _content("fault")} for code in sorted(known)}


def _content(schema: str) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


# ---------------------------------------------------------------------------------------------------------------------
# Schemas


def _object(required: Iterable[str] = (), **properties: Schema) -> Schema:
    """An object with these properties, some of them required."""
    return {"type": "object", "required": list(required), "properties": properties}


def _in(name: str, schema: Schema) -> Schema:
    return _object([name], **{name: schema})


def _list(name: str, schema: Schema) -> Schema:
    return _in(name, {"type": "array", "items": schema})


def _schemas(version: str) -> Schema:
    told = {} if version == "v1.0" else {STATUS: {"type": "string", "enum": [UP, DOWN, PROVISIONING, UNKNOWN]}}
    only_id, plugged = _object(["id"], id=TEXT), _object(id=TEXT)
    network = _object(["id", "name", *told], id=TEXT, name=TEXT, **told)
    port = _object(["id", "state", *told], id=TEXT, state=STATE, **told)
    port_in_full = _with(port, attachment=only_id)
    extension = _object(["name", "alias"], **dict.fromkeys(("name", "alias", "namespace", "description"), TEXT))
    return {
        "network_ids": _list("networks", only_id),
        "networks": _list("networks", network),
        "network": _in("network", network),
        "network_in_full": _in("network", _with(network, ports={"type": "array", "items": port_in_full})),
        "made_network": _in("network", only_id),
        "named_network": _in("network", _object(["name"], name=CALLED)),
        "port_ids": _list("ports", only_id),
        "ports": _list("ports", port),
        "port": _in("port", port),
        "port_in_full": _in("port", port_in_full),
        "made_port": _in("port", only_id),
        "port_state": _in("port", _object(state={**STATE, "default": DOWN})),
        "attachment": _in("attachment", plugged),
        "interface": _in("attachment", _object(["id"], id={**CALLED, "minLength": 1})),
        "stats": _in("stats", _object(COUNTERS, **dict.fromkeys(COUNTERS, {"type": "integer"}))),
        "extensions": _list("extensions", extension),
        "extension": _in("extension", extension),
    }


def _with(schema: Schema, **properties: Schema) -> Schema:
    return {**schema, "properties": {**schema["properties"], **properties}}


def _fault(version: str) -> Schema:
    if version == "v1.0":
        names = [*(name for _, name in V10.values()), *NAMES.values(), OTHERS]
        told = _object(["code", "message", "detail"], code={"type": "integer"}, message=TEXT, detail=TEXT)
        return {**_object(**dict.fromkeys(names, told)), "minProperties": 1, "maxProperties": 1}
    return _in(
        "QuantumError", _object(["type", "message", "detail"], **dict.fromkeys(("type", "message", "detail"), TEXT))
    )
