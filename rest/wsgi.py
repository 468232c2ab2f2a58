"""The WSGI callable: what every request has in common."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from webob import Request, Response

from controller.core.plan import Refusal
from controller.core.plans import checks
from controller.core.settings import Settings
from rest import errors
from rest.resources import declare
from rest.routes import Answer, Call, Inspector, Routes, Store

BODY_LIMIT = 1024 * 1024
"""Bytes that a request body may have."""
RETRY_AFTER = 5
"""Seconds after which a client may ask again when the database was lost."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def application(
    store: Store,
    settings: Settings,
    inspector: Inspector | None = None,
    *,
    unavailable: type[Exception] | tuple[type[Exception], ...] = (),
    body_limit: int = BODY_LIMIT,
) -> Application:
    """The API over a store.

    `unavailable` is what the store raises when it lost its database (answered with 503 and Retry-After); `inspector`
    answers `/patchbay/v1`, which is not there without one.
    """
    routes = Routes(store, declare(settings), inspector, body_limit)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        request_id = f"req-{uuid.uuid4()}"
        headers: dict[str, str] = {}
        try:
            answered = routes.answer(Call(request, _project(request), request_id), _path(environ))
        except errors.ApiError as error:
            answered, headers = _error(error)
        except Refusal as refusal:
            answered, headers = _error(errors.from_refusal(refusal))
        except unavailable as lost:
            answered, headers = _error(errors.unavailable(str(lost), RETRY_AFTER))
        response = _response(answered, headers | {"X-Openstack-Request-Id": request_id})
        written: Iterable[bytes] = response(environ, start_response)
        return written

    return answer


def _project(request: Request) -> str:
    """Whose resources the request makes: no authentication yet, so a header may just say it."""
    given = request.headers.get("X-Project-Id") or request.headers.get("X-Tenant-Id") or ""
    project: str = checks.check("string", "project_id", given)
    return project


def _path(environ: dict[str, Any]) -> str:
    """The path as the client wrote it, in UTF-8 (a byte that isn't becomes U+FFFD)."""
    return str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")


def _error(error: errors.ApiError) -> tuple[Answer, dict[str, str]]:
    return Answer(error.status, json.dumps(errors.document(error))), dict(error.headers)


def _response(answered: Answer, headers: dict[str, str]) -> Response:
    response = Response(status=answered.status, headerlist=list(headers.items()))
    if answered.text:
        response.content_type = "application/json"
        response.body = answered.text.encode()
    return response
