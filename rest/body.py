"""Request bodies: from bytes to the values that plans take, by the attributes that a resource declares.

The rules, their order and their texts are those of Neutron's `prepare_request_body`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from webob import Request

from controller.core.caller import Caller
from controller.core.plans import checks, parse
from controller.core.resource import PROJECT_ID, TENANT_ID, Resource
from controller.core.row import REQUIRED
from rest import received
from rest.errors import bad_request, unreadable

BULK_LIMIT = 5000
"""Resources made by one request: all in one transaction, so others wait for it."""


class Item(NamedTuple):
    """What a request says of one row: `values` by field, as plans take them; `given` by name on the wire, untouched."""

    values: dict[str, Any]
    given: dict[str, Any]

    def target(self, resource: Resource) -> dict[str, Any]:
        """What a policy rule is asked about: the values by name on the wire, as far as they are known."""
        held = ((wire, slot.field) for wire, slot in resource.attributes.items())
        return {wire: self.values[field] for wire, field in held if field in self.values}


def read(request: Request, limit: int) -> bytes:
    """The body.  Raises ApiError: 413 when it is longer than `limit` bytes, 408 and 400 when it can't be read."""
    try:
        return received.body(request, limit)
    except received.Unreadable as error:
        raise unreadable(error.status, error.message) from None


def document(body: bytes) -> dict[str, Any]:
    """The JSON object in a body.  Refuses anything else."""
    if not body:
        raise bad_request("Resource body required")
    try:
        found = received.parsed(body)
    except ValueError as error:
        raise bad_request("Body contains invalid data") from error
    if not isinstance(found, dict):
        raise bad_request("Body contains invalid data")
    return found


def created(resource: Resource, found: dict[str, Any], caller: Caller) -> tuple[list[Item], bool]:
    """Each row to make, and whether the request was a bulk one.  What doesn't say whose it is, is the caller's."""
    if resource.plural not in found:
        return [_created(resource, _item(resource, found), caller)], False
    items = found[resource.plural]
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise bad_request(f"Object '{resource.plural}' contains invalid data")
    if not items:
        raise bad_request("Resources required")
    if len(items) > BULK_LIMIT:
        raise bad_request(f"A bulk request may have at most {BULK_LIMIT} items")
    unwrapped = (_item(resource, item if resource.name in item else {resource.name: item}) for item in items)
    return [_created(resource, item, caller) for item in unwrapped], True


def _item(resource: Resource, found: dict[str, Any]) -> dict[str, Any]:
    item = found.get(resource.name)
    if item is None:
        raise bad_request(f"Unable to find '{resource.name}' in request body")
    if not isinstance(item, dict):
        raise bad_request(f"Object '{resource.name}' contains invalid data")
    return _one_project(item)


def _one_project(item: dict[str, Any]) -> dict[str, Any]:
    """The item with `tenant_id` under its other name."""
    if TENANT_ID not in item:
        return item
    rest = {name: value for name, value in item.items() if name != TENANT_ID}
    if rest.setdefault(PROJECT_ID, item[TENANT_ID]) != item[TENANT_ID]:
        raise bad_request("'project_id' and 'tenant_id' do not match")
    return rest


def _known(resource: Resource, item: dict[str, Any]) -> None:
    unknown = [name for name in item if name not in resource.attributes]
    if unknown:
        raise bad_request("Unrecognized attribute(s) '{}'".format(", ".join(map(parse.printable, unknown))))


def _created(resource: Resource, item: dict[str, Any], caller: Caller) -> Item:
    """A value that is neither given nor has a default is left out: the plan decides."""
    _require_own(item, caller)
    _known(resource, item)
    values: dict[str, Any] = {}
    for name, (field, attribute, _) in resource.attributes.items():
        if name in item:
            if not attribute.post:
                raise bad_request(f"Attribute '{name}' not allowed in POST")
            values[field] = checks.check(attribute.check, name, item[name])
        elif name == PROJECT_ID:
            values[field] = caller.project_id
        elif attribute.post and attribute.default is REQUIRED:
            raise bad_request(f"Failed to parse request. Required attribute '{name}' not specified")
        elif attribute.post and attribute.default is not None:
            values[field] = attribute.default
    values.pop("", None)  # checked, but no plan takes it
    return Item(values, item)


def _require_own(item: dict[str, Any], caller: Caller) -> None:
    if item.get(PROJECT_ID, caller.project_id) != caller.project_id and not caller.is_admin:
        raise bad_request(
            "Specifying 'project_id' other than the authenticated project in request is not allowed for the current "
            "user."
        )


def changed(resource: Resource, found: dict[str, Any]) -> Item:
    """What an update gives."""
    item = _item(resource, found)
    _known(resource, item)
    values: dict[str, Any] = {}
    for name, given in item.items():
        field, attribute, _ = resource.attributes[name]
        if not attribute.put:
            raise bad_request(f"Cannot update read-only attribute {TENANT_ID if name == PROJECT_ID else name}")
        values[field] = checks.check(attribute.check, name, given)
    values.pop("", None)
    return Item(values, item)
