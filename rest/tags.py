"""`/collection/KEY/tags[/TAG]`: the tags of any resource that has some."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from controller.core.plans import parse
from controller.core.plans import tags as plans
from controller.core.plans.refusals import invalid_input
from controller.core.resource import Resource
from rest import body, errors, member
from rest.context import Answer, Call, Context
from rest.views import View


class Asked(NamedTuple):
    """Whose tags are asked for, and by whom."""

    context: Context
    call: Call
    resource: Resource
    key: Any

    def view(self, verb: str) -> View:
        """The row's view, if the caller may do that with its tags."""
        view = member.visible(self.context, self.call, self.resource, self.key)
        self.context.access.require_part(self.call.caller, self.resource, view, verb, "tags")
        return view

    def change(self, to: Callable[[plans.Tags], Any]) -> None:
        def plan(draft: Any) -> None:
            plans.change(draft, self.resource.row_type, self.key, to, self.resource.plural)

        self.context.execute(self.call, plan)


def answer(context: Context, call: Call, resource: Resource, key: Any, parts: list[str]) -> Answer:
    """`parts` are those of the path behind `tags`."""
    if len(parts) > 1:
        raise errors.no_such_path()
    asked = Asked(context, call, resource, key)
    handlers = _ONE if parts else _ALL
    if call.method not in handlers:
        raise errors.not_allowed(tuple(handlers))
    return handlers[call.method](asked, *map(_tag, parts))


def _tag(text: str) -> str:
    return str(_checked(parse.tag, text))


def _checked(check: Callable[[Any], Any], value: Any) -> Any:
    try:
        return check(value)
    except parse.Invalid as invalid:
        raise invalid_input(str(invalid)) from invalid


def _given(asked: Asked) -> tuple[plans.Tags, Answer]:
    """The tags in a body, and the answer, which repeats them."""
    read = body.read(asked.call.request, asked.context.body_limit)
    found = body.document(read)
    if "tags" not in found:
        raise invalid_input("Invalid tags body")
    return _checked(parse.tags, found["tags"]), Answer(200, json.dumps({"tags": found["tags"]}))


def _list(asked: Asked) -> Answer:
    return Answer(200, json.dumps({"tags": asked.view("get").value["tags"]}))


def _replace(asked: Asked) -> Answer:
    tags, answered = _given(asked)
    asked.view("update")
    asked.change(lambda held: tags)
    return answered


def _add(asked: Asked) -> Answer:
    tags, answered = _given(asked)
    asked.view("create")
    asked.change(lambda held: held + tags)
    return answered


def _clear(asked: Asked) -> Answer:
    asked.view("delete")
    asked.change(lambda held: ())
    return Answer(204)


def _has(asked: Asked, tag: str) -> Answer:
    plans.require(asked.view("get").value["tags"], tag)
    return Answer(204)


def _put(asked: Asked, tag: str) -> Answer:
    asked.view("update")
    asked.change(lambda held: (*held, tag))
    return Answer(201)


def _remove(asked: Asked, tag: str) -> Answer:
    asked.view("delete")
    asked.change(lambda held: plans.without(held, tag))
    return Answer(204)


_ALL: dict[str, Callable[..., Answer]] = {"GET": _list, "PUT": _replace, "POST": _add, "DELETE": _clear}
_ONE: dict[str, Callable[..., Answer]] = {"GET": _has, "PUT": _put, "DELETE": _remove}
