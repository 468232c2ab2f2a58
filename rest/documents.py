"""The documents around the resources: versions, the list of resources, extensions."""

from __future__ import annotations

import json
from typing import Any

from rest import errors
from rest.context import Answer, Call, Context


def _reading(call: Call) -> None:
    if call.method != "GET":
        raise errors.no_such_path()


def versions(context: Context, call: Call, parts: list[str]) -> Answer:
    """`GET /`: v2.0 alone, for Neutron's clients know of no other version; those of v1.0 and v1.1 never look here."""
    _reading(call)
    link = {"rel": "self", "href": f"{call.request.host_url}/v2.0/"}
    return Answer(200, json.dumps({"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}))


def resources(context: Context, call: Call, parts: list[str]) -> Answer:
    """`GET /v2.0/`"""
    _reading(call)
    found = [
        {
            "links": [{"rel": "self", "href": f"{call.request.host_url}/v2.0/{resource.collection}"}],
            "name": resource.name,
            "collection": resource.plural,
        }
        for resource in context.resources
        if resource.parent is None
    ]
    return Answer(200, json.dumps({"resources": found}))


def extensions(context: Context, call: Call, parts: list[str]) -> Answer:
    """`GET /v2.0/extensions[/ALIAS]`"""
    _reading(call)
    if not parts:
        shown: Any = {"extensions": [_shown(extension) for extension in context.extensions]}
        return Answer(200, json.dumps(shown))
    found = [extension for extension in context.extensions if [extension.alias] == parts]
    if not found:
        raise errors.ApiError(404, "HTTPNotFound", f"Extension with alias {'/'.join(parts)} does not exist")
    return Answer(200, json.dumps({"extension": _shown(found[0])}))


def _shown(extension: Any) -> dict[str, Any]:
    return {**extension._asdict(), "links": []}
