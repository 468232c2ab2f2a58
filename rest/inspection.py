"""`/patchbay/v1/...`: what the controller knows about the running network, and what an operator tells it.

For administrators: whoever has the role that policy's `patchbay_inspect` asks for.
"""

from __future__ import annotations

import json
from typing import Any

from controller.core.plan import Refusal
from controller.core.plans import wiring
from rest import errors
from rest.context import Answer, Call, Context, Inspector

RULE = "patchbay_inspect"


def answer(context: Context, call: Call, parts: list[str]) -> Answer:
    """The answer for a path below `/patchbay`."""
    assert context.inspector is not None
    context.access.require(call.caller, RULE, {})
    if parts[:2] == ["v1", "hosts"] and len(parts) == 3 and call.method == "DELETE":
        context.execute(call, lambda draft: wiring.forget_host(draft, parts[2]))
        return Answer(204)
    if call.method != "GET":
        raise errors.no_such_path()
    try:
        return Answer(200, json.dumps(_inspect(context.inspector, parts)))
    except (KeyError, IndexError):  # ours, and no name that the caller had wrong
        raise
    except LookupError as error:
        raise Refusal("NotFound", str(error.args[0] if error.args else error), 404) from error


def _inspect(inspector: Inspector, parts: list[str]) -> Any:
    match parts:
        case ["v1", "hosts"]:
            return inspector.hosts()
        case ["v1", "ports"]:
            return inspector.ports()
        case ["v1", "ports", port, "check", *other] if len(other) < 2:
            return inspector.check(port, *other)
        case ["v1", "ports", source, "trace", target]:
            return inspector.trace(source, target)
        case ["v1", "faults"]:
            return inspector.faults()
        case ["v1", "status"]:
            return inspector.status()
        case ["v1", "switches"]:
            return inspector.switches()
        case ["v1", "switches", *switch, "flows"] if switch and "flows" not in switch:
            return inspector.flows("/".join(switch))
        case ["v1", "switches", *words, "explain"] if "flows" in words:
            at = words.index("flows")  # names of switches and texts of flows have slashes of their own
            return inspector.explain("/".join(words[:at]), "/".join(words[at + 1 :]))
    raise errors.no_such_path()
