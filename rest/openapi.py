"""`GET /v2.0/openapi.json`: the API as an OpenAPI 3.1 document, made from the declarations of its resources."""

from __future__ import annotations

import json
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from controller.core.plans import checks
from controller.core.resource import CHANGE, CREATE, DELETE, Resource
from controller.core.row import REQUIRED, SIDES, Attribute
from rest import errors, quotas
from rest.context import Answer, Call, Context
from rest.query import CONTROLS

Schema = dict[str, Any]

JSON_TYPES: dict[Any, Schema] = {str: {"type": "string"}, int: {"type": "integer"}, bool: {"type": "boolean"}}
ERRORS = {
    "400": "The request breaks a rule; the message names it.",
    "401": "The request has no valid token.",
    "403": "The policy does not allow it.",
    "404": "There is no such object, or the caller may not know of it.",
    "408": "The body did not come in time.",
    "409": "It contradicts what is there.",
    "412": "The revision is another one than If-Match insists on.",
    "413": "The body is too long.",
    "503": "The database is lost; try again after Retry-After seconds.",
}


def answer(context: Context, call: Call, parts: list[str]) -> Answer:
    """The document; it is the same for everybody."""
    if parts:
        raise errors.no_such_path()
    if call.method != "GET":
        raise errors.not_allowed(("GET",))
    return Answer(200, json.dumps(document(context)))


def document(context: Context) -> Schema:
    """The whole of it as a JSON object."""
    paths: Schema = {}
    schemas: Schema = {"NeutronError": _error()}
    for resource in context.resources:
        schemas |= _schemas(resource)
        paths |= _paths(context, resource)
    schemas["quota"] = quotas.schema(context)
    paths |= _quota_paths()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Patchbay",
            "description": "Neutron's networking API v2.0, and what Patchbay adds to it. Quantum's v1.0 and v1.1 have"
            " documents of their own: /v1.0/openapi.json and /v1.1/openapi.json.",
            "version": "v2.0",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/v2.0"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"}},
        },
    }


# ---------------------------------------------------------------------------------------------------------------------
# Schemas


def _error() -> Schema:
    text = {"type": "string"}
    inner = {"type": "object", "required": ["type", "message", "detail"]}
    return {
        "type": "object",
        "required": ["NeutronError"],
        "properties": {"NeutronError": {**inner, "properties": {"type": text, "message": text, "detail": text}}},
    }


def _schemas(resource: Resource) -> Schema:
    """What a resource looks like in answers, in a create and in an update."""
    found = {resource.name: _shown(resource)}
    if CREATE in resource.methods:
        found[f"{resource.name}_create"] = _given(resource, lambda attribute: attribute.post)
    if CHANGE in resource.methods:
        found[f"{resource.name}_update"] = _given(resource, lambda attribute: attribute.put)
    return found


def _shown(resource: Resource) -> Schema:
    hints = {row_type: get_type_hints(row_type) for row_type in (resource.row_type, *SIDES.get(resource.row_type, ()))}
    computed = {made.attribute.name for made in resource.computed}
    properties = {}
    for wire, slot in resource.attributes.items():
        hint = hints[slot.side or resource.row_type].get(slot.field)
        if slot.attribute.shown:
            free = wire in computed or hint is None or slot.field in resource.shapes
            properties[wire] = {} if free else of_annotation(hint)
    return {"type": "object", "properties": properties}


def of_annotation(annotation: Any) -> Schema:
    """The schema of a field's value as answers show it."""
    if annotation in JSON_TYPES:
        return JSON_TYPES[annotation]
    arguments = get_args(annotation)
    if get_origin(annotation) in (Union, UnionType):
        (plain,) = (argument for argument in arguments if argument is not NoneType)
        return {"anyOf": [of_annotation(plain), {"type": "null"}]}
    if get_origin(annotation) is tuple:
        return {"type": "array", "items": of_annotation(arguments[0])}
    if hasattr(annotation, "_fields"):
        parts = {name: of_annotation(hint) for name, hint in get_type_hints(annotation).items()}
        return {"type": "object", "properties": parts}
    return {}


def _given(resource: Resource, allowed: Any) -> Schema:
    held = {wire: slot.attribute for wire, slot in resource.attributes.items() if allowed(slot.attribute)}
    schema: Schema = {
        "type": "object",
        "properties": {wire: _accepted(attribute) for wire, attribute in held.items()},
        "additionalProperties": False,
    }
    required = [wire for wire, attribute in held.items() if attribute.default is REQUIRED]
    creates = allowed(Attribute("", post=True, put=False))
    return {**schema, "required": required} if required and creates else schema


def _accepted(attribute: Attribute) -> Schema:
    return dict(checks.of(attribute.check).schema)


# ---------------------------------------------------------------------------------------------------------------------
# Paths


def _paths(context: Context, resource: Resource) -> Schema:
    prefix, above = "", []
    if resource.parent is not None:
        prefix, above = f"/{resource.parent.collection}/{{parent_id}}", [_in_path("parent_id")]
    collection, member = f"{prefix}/{resource.collection}", f"{prefix}/{resource.collection}/{{id}}"
    here = [*above, _in_path("id")]
    paths: Schema = {
        collection: {"parameters": above, **_on_collection(resource)},
        member: {"parameters": here, **_on_member(resource)},
    }
    for action in resource.actions:
        body = _body({"type": "object"})
        paths[f"{member}/{action.name}"] = {
            "parameters": here,
            "put": _operation(resource, action.name, "200", {}, requestBody=body),
        }
    if resource.tagged:
        paths |= _tag_paths(resource, f"{member}/tags", here)
    return paths


def _tag_paths(resource: Resource, path: str, here: list[Schema]) -> Schema:
    """All tags of a row, and one of them."""
    all_of_them = _wrapped("tags", dict(checks.of("tags").schema))
    more = {"requestBody": _body(all_of_them)}
    return {
        path: {
            "parameters": here,
            "get": _operation(resource, "get_tags_of", "200", all_of_them),
            "put": _operation(resource, "replace_tags_of", "200", all_of_them, **more),
            "post": _operation(resource, "add_tags_to", "200", all_of_them, **more),
            "delete": _operation(resource, "remove_tags_of", "204", None),
        },
        f"{path}/{{tag}}": {
            "parameters": [*here, _in_path("tag")],
            "get": _operation(resource, "has_tag", "204", None),
            "put": _operation(resource, "add_tag_to", "201", None),
            "delete": _operation(resource, "remove_tag_of", "204", None),
        },
    }


def _in_path(name: str) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _wrapped(name: str, schema: Schema) -> Schema:
    return {"type": "object", "required": [name], "properties": {name: schema}}


def _on_collection(resource: Resource) -> Schema:
    many = {"type": "array", "items": _reference(resource.name)}
    verbs = {
        "get": _operation(
            resource, "list", "200", _wrapped(resource.plural, many), parameters=_query_parameters(resource)
        )
    }
    if CREATE in resource.methods:
        one = _wrapped(resource.name, _reference(f"{resource.name}_create"))
        bulk = {"type": "array", "items": _reference(f"{resource.name}_create"), "minItems": 1}
        body = _body({"oneOf": [one, _wrapped(resource.plural, bulk)]})
        made = {"anyOf": [_wrapped(resource.name, _reference(resource.name)), _wrapped(resource.plural, many)]}
        verbs["post"] = _operation(resource, "create", "201", made, requestBody=body)
    return verbs


def _on_member(resource: Resource) -> Schema:
    one = _wrapped(resource.name, _reference(resource.name))
    verbs = {"get": _operation(resource, "show", "200", one, parameters=[_fields()])}
    if CHANGE in resource.methods:
        body = _body(_wrapped(resource.name, _reference(f"{resource.name}_update")))
        verbs["put"] = _operation(resource, "update", "200", one, requestBody=body, parameters=[_if_match()])
    if DELETE in resource.methods:
        verbs["delete"] = _operation(resource, "delete", "204", None, parameters=[_if_match()])
    return verbs


def _body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _quota_paths() -> Schema:
    """Limits are no rows of their own to clients: a project has them, whether any were set or not."""
    one, many = _wrapped("quota", _reference("quota")), {"type": "array", "items": {"type": "object"}}
    here = {"parameters": [_in_path("project_id")]}
    member = "/quotas/{project_id}"
    details = _wrapped("quota", {"type": "object"})
    return {
        "/quotas": {"get": _described("list_quotas", "quotas", "200", _wrapped("quotas", many))},
        member: {
            **here,
            "get": _described("show_quota", "quotas", "200", one),
            "put": _described("update_quota", "quotas", "200", one, requestBody=_body(one)),
            "delete": _described("delete_quota", "quotas", "204", None),
        },
        f"{member}/default": {**here, "get": _described("show_default_quota", "quotas", "200", one)},
        f"{member}/details": {**here, "get": _described("show_quota_details", "quotas", "200", details)},
    }


def _operation(resource: Resource, verb: str, status: str, schema: Schema | None, **more: Any) -> Schema:
    named = resource.plural if verb == "list" else resource.name
    return _described(f"{verb}_{named}", resource.plural, status, schema, **more)


def _described(name: str, tag: str, status: str, schema: Schema | None, **more: Any) -> Schema:
    answered: Schema = {"description": "Done."}
    if schema is not None:
        answered["content"] = {"application/json": {"schema": schema}}
    refused = {"content": {"application/json": {"schema": _reference("NeutronError")}}}
    failures = {code: {"description": text, **refused} for code, text in ERRORS.items()}
    return {
        "operationId": name,
        "tags": [tag],
        "responses": {status: answered, **failures},
        **more,
    }


def _query_parameters(resource: Resource) -> list[Schema]:
    """Filters, and what every list can be asked for."""
    attributes = (wire for wire, slot in resource.attributes.items() if slot.attribute.filter)
    names = dict.fromkeys([*attributes, *(own.name for own in resource.filters)])
    filters = [{"name": name, "in": "query", "schema": _STRINGS} for name in names]
    controls = [
        {"name": name, "in": "query", "schema": {"type": "integer", "minimum": 0} if name == "limit" else _STRINGS}
        for name in CONTROLS
    ]
    return [*filters, *controls]


_STRINGS: Schema = {"type": "array", "items": {"type": "string"}}


def _fields() -> Schema:
    return {"name": "fields", "in": "query", "schema": _STRINGS}


def _if_match() -> Schema:
    return {"name": "If-Match", "in": "header", "schema": {"type": "string", "examples": ["revision_number=3"]}}
