"""`/quotas`: how much of each resource a project may have, and has."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from controller.core.model import Quota
from controller.core.plans import checks, parse, quotas
from controller.core.plans.refusals import bad_request
from controller.core.resource import PROJECT_ID, TENANT_ID, Resource
from controller.core.row import Check
from rest import body, errors
from rest.context import Answer, Call, Context

FLAGS = ("force", "check_limit")
"""What an update may say besides limits: whether a limit may be below what is used, and whether that is looked at
(it always is; the word is taken because clients send it)."""
ME = {"tenant": TENANT_ID, "project": PROJECT_ID}
"""`/quotas/tenant` and `/quotas/project` tell callers their own project."""


def answer(context: Context, call: Call, parts: list[str]) -> Answer:
    """`GET /quotas`, `GET|PUT|DELETE /quotas/PROJECT`, `GET /quotas/PROJECT/default|details`."""
    if not parts:
        return _only_get(call, lambda: _list(context, call))
    if parts[0] in ME and len(parts) == 1:
        return _only_get(call, lambda: _me(call, parts[0]))
    if len(parts) == 2 and parts[1] in _READ:
        return _only_get(call, lambda: _READ[parts[1]](context, call, parts[0]))
    handler = _WRITE.get(call.method)
    if len(parts) > 1:
        raise errors.no_such_path()
    if handler is None:
        raise errors.not_allowed(tuple(_WRITE))
    return handler(context, call, parts[0])


def schema(context: Context) -> dict[str, Any]:
    """The JSON Schema of a project's limits."""
    return {"type": "object", "properties": dict.fromkeys(_counted(context), dict(LIMIT.schema))}


def _only_get(call: Call, handler: Callable[[], Answer]) -> Answer:
    if call.method != "GET":
        raise errors.not_allowed(("GET",))
    return handler()


def _answered(name: str, value: Any) -> Answer:
    return Answer(200, json.dumps({name: value}))


def _me(call: Call, name: str) -> Answer:
    if not call.caller.project_id:
        raise errors.ApiError(400, "QuotaMissingTenant", "Tenant-id was missing from quota request.")
    return _answered(name, {ME[name]: call.caller.project_id})


def _list(context: Context, call: Call) -> Answer:
    """The projects that have limits of their own; others than administrators see their own project's."""
    _require(context, call, "get_quota", call.caller.project_id)
    projects = {own.project_id for own in context.net.all(Quota)}
    if not call.caller.is_admin:
        projects &= {call.caller.project_id}
    found = [
        {**_limits(context, project_id), PROJECT_ID: project_id, TENANT_ID: project_id}
        for project_id in sorted(projects)
    ]
    return _answered("quotas", found)


def _show(context: Context, call: Call, project_id: str) -> Answer:
    _require_own(context, call, project_id)
    return _answered("quota", _limits(context, project_id))


def _default(context: Context, call: Call, project_id: str) -> Answer:
    _require_own(context, call, project_id)
    limits = {name: quotas.default(context.settings, resource) for name, resource in _counted(context).items()}
    return _answered("quota", limits)


def _details(context: Context, call: Call, project_id: str) -> Answer:
    """`reserved` is what writes under way have claimed: nothing, as a write counts when it is committed."""
    if project_id != call.caller.project_id and not call.caller.is_admin:
        reason = "Only admin is authorized to access quotas for another project"
        raise errors.ApiError(403, "AdminRequired", f"User does not have admin privileges: {reason}.")
    limits = _limits(context, project_id)
    found = {
        name: {"limit": limits[name], "used": quotas.used(context.net, resource, project_id), "reserved": 0}
        for name, resource in _counted(context).items()
    }
    return _answered("quota", found)


def _update(context: Context, call: Call, project_id: str) -> Answer:
    given = body.document(body.read(call.request, context.body_limit))
    _require(context, call, "update_quota", call.caller.project_id)
    checks.check("string", PROJECT_ID, project_id)
    counted = _counted(context)
    limits, force = _read(given, counted)
    context.execute(call, lambda draft: quotas.change(draft, counted, project_id, limits, force))
    return _answered("quota", _limits(context, project_id))


def _read(given: dict[str, Any], counted: dict[str, Resource]) -> tuple[dict[str, int], bool]:
    """The limits that a body asks for, and whether it insists on them."""
    item = given.get("quota")
    if not isinstance(item, dict):
        raise bad_request("Unable to find 'quota' in request body" if item is None else "Body contains invalid data")
    flags = {name: checks.check("boolean", name, item[name]) for name in FLAGS if name in item}
    unknown = [parse.printable(name) for name in item if name not in counted and name not in FLAGS]
    if unknown:
        raise bad_request("Unrecognized attribute(s) '{}'".format(", ".join(unknown)))
    limits = {name: checks.check(LIMIT, name, value) for name, value in item.items() if name not in FLAGS}
    return limits, flags.get("force", False)


def _limit(value: Any) -> int:
    limit = parse.integer(value)
    if limit < quotas.UNLIMITED:
        raise parse.Invalid(f"'{limit}' is too small - must be at least '{quotas.UNLIMITED}'")
    if limit > quotas.LARGEST:
        raise parse.Invalid(f"'{limit}' is too large - must be no larger than '{quotas.LARGEST}'")
    return limit


LIMIT = Check(_limit, {"type": "integer", "minimum": quotas.UNLIMITED, "maximum": quotas.LARGEST})
"""A limit: so many, or -1 for as many as wanted."""


def _delete(context: Context, call: Call, project_id: str) -> Answer:
    if body.read(call.request, context.body_limit):
        raise errors.bad_request("Request body is not supported in DELETE.")
    _require(context, call, "delete_quota", call.caller.project_id)
    context.execute(call, lambda draft: quotas.forget(draft, project_id))
    return Answer(204)


def _counted(context: Context) -> dict[str, Resource]:
    return quotas.counted(context.resources)


def _limits(context: Context, project_id: str) -> dict[str, int]:
    return {
        name: quotas.limit(context.net, context.settings, resource, project_id)
        for name, resource in _counted(context).items()
    }


def _require_own(context: Context, call: Call, project_id: str) -> None:
    """Everybody may read the own project's limits; who may read another's is a matter of policy."""
    if project_id != call.caller.project_id:
        _require(context, call, "get_quota", project_id)


def _require(context: Context, call: Call, rule: str, project_id: str) -> None:
    context.access.require(call.caller, rule, {PROJECT_ID: project_id, TENANT_ID: project_id})


_READ: dict[str, Callable[[Context, Call, str], Answer]] = {"default": _default, "details": _details}
_WRITE: dict[str, Callable[[Context, Call, str], Answer]] = {"GET": _show, "PUT": _update, "DELETE": _delete}
