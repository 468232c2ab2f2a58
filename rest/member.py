"""`/collection/KEY`: show, update, delete, and the actions of a resource."""

from __future__ import annotations

import json
import re
from typing import Any

from webob import Request

from controller.core.plans import writes
from controller.core.plans.refusals import bad_resource, not_found
from controller.core.resource import CHANGE, DELETE, Resource
from rest import body, errors, query
from rest.context import Answer, Call, Context
from rest.views import View


def answer(context: Context, call: Call, resource: Resource, key: str, parent: Any = None) -> Answer:
    """`parent` is the row that the collection is below of, if it is."""
    full = _key(key, parent)
    if call.method == "GET":
        return _show(context, call, resource, key, full)
    if call.method == "PUT" and CHANGE in resource.methods:
        return _update(context, call, resource, full)
    if call.method == "DELETE" and DELETE in resource.methods:
        return _delete(context, call, resource, full)
    names = {"PUT": CHANGE, "DELETE": DELETE}
    raise errors.not_allowed(("GET", *(verb for verb, name in names.items() if name in resource.methods)))


def existing(context: Context, call: Call, resource: Resource, key: Any) -> Any:
    """The row.  404 when it is not there or the caller may not see it."""
    return _view(context, call, resource, key).row


def _key(key: str, parent: Any) -> Any:
    return key if parent is None else (parent.id, key)


def _view(context: Context, call: Call, resource: Resource, key: Any) -> View:
    row = context.net.get(resource.row_type, key)
    if row is None:
        raise not_found(resource.row_type, key[-1] if isinstance(key, tuple) else key)
    view = context.views.view(resource, row)
    if not context.access.may_see(call.caller, resource, view):
        raise not_found(resource.row_type, key)
    return view


def _show(context: Context, call: Call, resource: Resource, key: str, full: Any) -> Answer:
    asked = query.read(resource, call.request.query_string)
    view = _view(context, call, resource, full)
    if asked.fields:
        value = query.shown(context.access.object(call.caller, resource, view), asked.fields)
        return Answer(200, json.dumps({resource.name: value}))
    return _shown(context, call, resource, view)


def _shown(context: Context, call: Call, resource: Resource, view: View) -> Answer:
    return Answer(200, f'{{"{resource.name}": {context.access.text(call.caller, resource, view)}}}')


def _update(context: Context, call: Call, resource: Resource, key: Any) -> Answer:
    found = body.document(body.read(call.request, context.body_limit))
    view = _view(context, call, resource, key)
    change, revision = body.changed(resource, found), _revision(call.request)
    context.access.require_row(call.caller, resource, view, "update", change.given)
    row = context.execute(
        call, lambda draft: writes.change(context.resources, resource, draft, key, change.values, revision)
    )
    return _shown(context, call, resource, context.views.view(resource, row))


def _delete(context: Context, call: Call, resource: Resource, key: Any) -> Answer:
    if body.read(call.request, context.body_limit):
        raise errors.bad_request("Request body is not supported in DELETE.")
    view, revision = _view(context, call, resource, key), _revision(call.request)
    context.access.require_row(call.caller, resource, view, "delete")
    context.execute(call, lambda draft: writes.delete(context.resources, resource, draft, key, revision))
    return Answer(204)


def act(context: Context, call: Call, resource: Resource, key: str, parts: list[str], parent: Any = None) -> Answer:
    """`PUT /collection/KEY/ACTION`"""
    action = next((action for action in resource.actions if [action.name] == parts), None)
    if action is None:
        raise errors.no_such_path()
    if call.method != "PUT":
        raise errors.not_allowed(("PUT",))
    found = body.document(body.read(call.request, context.body_limit))
    full = _key(key, parent)
    view = _view(context, call, resource, full)
    context.access.require_row(call.caller, resource, view, action.name)
    result = context.execute(call, lambda draft: action.plan(draft, full, found))
    if isinstance(result, dict):
        return Answer(200, json.dumps(result))
    row = context.net.get(resource.row_type, full)
    return _shown(context, call, resource, context.views.view(resource, row))


def _revision(request: Request) -> int | None:
    """What `If-Match: revision_number=N` insists on, or None."""
    for text in request.headers.get("If-Match", "").split(","):
        if "revision_number" in text:
            match = re.fullmatch(r'\s*"?revision_number=([0-9]{1,18})"?\s*', text)
            if match is None:
                raise bad_resource("if-match", "Revision constraint must be in the form of revision_number=<int>")
            return int(match[1])
    return None
