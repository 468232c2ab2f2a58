"""Which path is answered by which handler."""

from __future__ import annotations

from rest import collection, convergence, documents, errors, inspection, member, openapi, quotas, tags
from rest.context import Answer, Call, Context, Handler
from rest.errors import ApiError
from rest.quantum_v1 import routes as quantum_v1

SPECIAL: dict[str, Handler] = {
    "convergence": convergence.answer,
    "extensions": documents.extensions,
    "openapi": openapi.answer,
    "quotas": quotas.answer,
}
"""Below `/v2.0`, what is no resource (without the suffix `.json`, which every path may have)."""


def answer(context: Context, call: Call, path: str) -> Answer:
    """Answer the request for a path.  Raises ApiError, Refusal and whatever the store raises."""
    parts = _parts(path)
    if parts and parts[0] in quantum_v1.VERSIONS:
        return quantum_v1.answer(context, call, parts)
    if parts:
        parts[-1] = parts[-1].removesuffix(".json")
    if not parts:
        return documents.versions(context, call, parts)
    if parts[0] == "patchbay" and context.inspector is not None:
        return inspection.answer(context, call, parts[1:])
    if parts[0] != "v2.0":
        raise errors.no_such_path()
    if len(parts) == 1:
        return documents.resources(context, call, parts)
    special = SPECIAL.get(parts[1])
    return special(context, call, parts[2:]) if special is not None else _resource(context, call, parts[1:])


def error(call: Call, path: str, raised: ApiError) -> ApiError:
    """An error, whoever raised it, in the form of the API that the path is of."""
    parts = _parts(path)
    return quantum_v1.fault(call, parts, raised) if parts and parts[0] in quantum_v1.VERSIONS else raised


def _parts(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def _resource(context: Context, call: Call, parts: list[str]) -> Answer:
    """`/collection`, `/collection/KEY`, `/collection/KEY/action`, and the same below a parent's KEY."""
    resource = context.resources.at(parts[0])
    if resource is None:
        raise errors.no_such_path()
    if len(parts) == 1:
        return collection.answer(context, call, resource)
    if len(parts) == 2:
        return member.answer(context, call, resource, parts[1])
    if parts[2] == "tags" and resource.tagged:
        return tags.answer(context, call, resource, parts[1], parts[3:])
    child = context.resources.at(parts[2], parent=parts[0])
    if child is not None:
        parent = member.existing(context, call, resource, parts[1])
        if len(parts) == 3:
            return collection.answer(context, call, child, parent)
        if len(parts) == 4:
            return member.answer(context, call, child, parts[3], parent)
        return member.act(context, call, child, parts[3], parts[4:], parent)
    return member.act(context, call, resource, parts[1], parts[2:])
