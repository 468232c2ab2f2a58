"""`GET /v2.0/convergence`: which switches have acknowledged a revision of the store, and to wait until all have.

Every write's answer says which revision it became.  `?revision=N` is the one asked for (the newest, if left out),
`&wait=SECONDS` for how long the answer may be held back while some switch has yet to acknowledge it, and
`&connected=true` leaves switches that are away out of account.
"""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl

from rest import errors, inspection
from rest.context import Answer, Call, Context
from rest.errors import bad_request

LONGEST = 60
"""Seconds that an answer is held back at most."""
PARAMETERS = ("revision", "wait", "connected")


def answer(context: Context, call: Call, parts: list[str]) -> Answer:
    """The body is Inspector.convergence's; who may not look inside the controller is not told the switches' names.

    Raises ApiError: 400 for a parameter that can't be, 404 for a revision that is not there yet.
    """
    inspector = context.inspector
    if parts or inspector is None or call.method != "GET":
        raise errors.no_such_path()
    given = _parameters(call.request.query_string)
    newest = context.store.revision
    revision = _revision(given["revision"]) if "revision" in given else newest
    wait = _seconds(given.get("wait", "0"))
    connected = _truth(given.get("connected", "false"))
    if revision > newest:
        text = f"Revision {revision} could not be found: the newest is {newest}."
        raise errors.ApiError(404, "RevisionNotFound", text)
    found = inspector.convergence(revision, wait, connected)
    if not context.access.allows(call.caller, inspection.RULE, {}):
        del found["switches"]
    return Answer(200, json.dumps(found))


def _parameters(text: str) -> dict[str, str]:
    given: dict[str, str] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, errors="replace"):
        if name not in PARAMETERS:
            raise bad_request(f"'{name}' is no parameter here: there are {', '.join(PARAMETERS)}")
        if name in given:
            raise bad_request(f"{name}: may be given once only")
        given[name] = value
    return given


def _revision(text: str) -> int:
    if not re.fullmatch("[0-9]{1,18}", text, re.ASCII):
        raise bad_request(f"revision: '{text}' is not a revision number, an integer of 0 or more")
    return int(text)


def _seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{0,9})?", text, re.ASCII) or float(text) > LONGEST:
        raise bad_request(f"wait: '{text}' is not a number of seconds from 0 to {LONGEST}")
    return float(text)


def _truth(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise bad_request(f"connected: '{text}' is neither 'true' nor 'false'")
    return text.lower() == "true"
