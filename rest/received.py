"""A request's body as it comes in: bytes, held to a length, and the JSON in them, held to what the rest can bear."""

from __future__ import annotations

import json
import math
from typing import Any

from webob import Request

DEEPEST = 64
"""Lists and objects within each other.  What the API takes has six; whatever is made of a value (a message, a stored
text) goes as deep as the value does, and Python has an end to that."""


class Unreadable(Exception):
    """A body that can't be read; `status` is 400, 408 (it did not come in time) or 413 (too long)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def body(request: Request, limit: int) -> bytes:
    """The body, empty when there is none.  No more than `limit` bytes are ever held.  Raises Unreadable."""
    length = request.content_length
    if length is not None and length > limit:
        raise _too_long(limit)
    if length is None and "chunked" not in request.headers.get("Transfer-Encoding", "").lower():
        return b""
    stream, left, chunks = request.environ["wsgi.input"], limit + 1 if length is None else length, []
    while left > 0 and (chunk := _piece(stream, left)):
        chunks.append(chunk)
        left -= len(chunk)
    if length is None and left <= 0:
        raise _too_long(limit)
    if length is not None and left > 0:
        raise Unreadable(400, f"The request body ended {left} bytes before its Content-Length.")
    return b"".join(chunks)


def _piece(stream: Any, most: int) -> bytes:
    try:
        found: bytes = stream.read(most)
    except TimeoutError:
        raise Unreadable(408, "The request body did not come in time.") from None
    except (OSError, ValueError):  # it broke off; a chunk's length is no number
        raise Unreadable(400, "The request body could not be read to its end.") from None
    return found


def _too_long(limit: int) -> Unreadable:
    return Unreadable(413, f"The request body is larger than {limit} bytes, which is the limit.")


def parsed(text: bytes) -> Any:
    """The value of a JSON text (RFC 8259).  Raises ValueError also for what Python's parser lets pass: NaN, Infinity,
    numbers that come out as such, and what is nested deeper than DEEPEST."""
    try:
        found = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except RecursionError:
        raise ValueError("it is nested too deep") from None
    level = [found]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inside(outer) if isinstance(inner, dict | list)]
        if not level:
            return found
    raise ValueError("it is nested too deep")


def _finite(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise ValueError(f"{text} is out of range")
    return found


def _inside(outer: Any) -> Any:
    if isinstance(outer, dict):
        return outer.values()
    return outer if isinstance(outer, list) else ()
