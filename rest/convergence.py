"""`GET /v2.0/convergence`: which switches have acknowledged a revision of the store, and to wait until all have.

Every write's answer says which revision it became.  `?revision=N` is the one asked for (the newest, if left out),
`&wait=SECONDS` for how long the answer may be held back while some switch has yet to acknowledge it, and
`&connected=true` leaves switches that are away out of account.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Protocol
from urllib.parse import parse_qsl

from webob import Request

from rest.errors import ApiError, bad_request

LONGEST = 60
"""Seconds that an answer is held back at most."""
PARAMETERS = ("revision", "wait", "connected")


class Inspector(Protocol):
    """Who knows what switches have acknowledged."""

    def convergence(self, revision: int, wait: float, connected: bool) -> dict[str, Any]:
        """The answer's body; returned as soon as all switches are done, or after `wait` seconds."""


def answer(request: Request, inspector: Inspector, head: Callable[[], int]) -> dict[str, Any]:
    """The body of the answer (Inspector.convergence says what is in it).  `head` gives the newest revision.

    Raises ApiError: 400 for a parameter that can't be, 404 for a revision that is not there yet.
    """
    given = _parameters(request.query_string)
    newest = head()
    revision = _revision(given["revision"]) if "revision" in given else newest
    wait = _seconds(given.get("wait", "0"))
    connected = _truth(given.get("connected", "false"))
    if revision > newest:
        raise ApiError(404, "RevisionNotFound", f"Revision {revision} could not be found: the newest is {newest}.")
    return inspector.convergence(revision, wait, connected)


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
