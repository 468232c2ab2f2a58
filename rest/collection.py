"""`/collection`: list, and create one or many."""

from __future__ import annotations

import json
from typing import Any

from controller.core.plans import writes
from controller.core.resource import CREATE, Resource
from rest import body, errors, query
from rest.context import Answer, Call, Context, listed


def answer(context: Context, call: Call, resource: Resource, parent: Any = None) -> Answer:
    """`parent` is the row that the collection is below of, if it is."""
    if call.method == "GET":
        return _list(context, call, resource, parent)
    if call.method == "POST" and CREATE in resource.methods:
        return _create(context, call, resource, parent)
    raise errors.not_allowed(("GET", "POST") if CREATE in resource.methods else ("GET",))


def _list(context: Context, call: Call, resource: Resource, parent: Any) -> Answer:
    asked = query.read(resource, call.request.query_string)
    caller, reading = call.caller, context.access.reading(call.caller, resource)
    for prepare in context.resources.list_preparations(resource.row_type):
        plan = prepare(context.net, caller, asked.equal)
        if plan is not None:
            context.execute(call, plan)
    rows = query.candidates(resource, context.net, asked, parent)
    views = reading.visible(context.views.view(resource, row) for row in rows)
    found = query.select(resource, views, asked, context.net, caller.project_id)
    if asked.fields:
        texts = [json.dumps(query.shown(reading.object(view), asked.fields)) for view in found]
    else:
        texts = [reading.text(view) for view in found]
    links = query.links(asked, found, call.request.path_url)
    more = f', "{resource.plural}_links": {json.dumps(links)}' if links else ""
    return Answer(200, f'{{"{resource.plural}": {listed(texts)}{more}}}')


def _create(context: Context, call: Call, resource: Resource, parent: Any) -> Answer:
    found = body.document(body.read(call.request, context.body_limit))
    items, bulk = body.created(resource, found, call.caller)
    for item in items:
        if parent is not None:
            item.values[resource.parent.field] = parent.id  # type: ignore[union-attr]
        context.access.require_create(call.caller, resource, item.target(resource), item.given)
    values = [item.values for item in items]
    rows = context.execute(call, lambda draft: writes.create(context.resources, resource, draft, values))
    reading = context.access.reading(call.caller, resource)
    texts = [reading.text(context.views.view(resource, row)) for row in rows]
    name, text = (resource.plural, listed(texts)) if bulk else (resource.name, texts[0])
    return Answer(201, f'{{"{name}": {text}}}')
