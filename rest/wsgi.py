"""The WSGI callable: what every request has in common."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from webob import Request, Response

from controller.core.app import App
from controller.core.caller import Caller
from controller.core.plan import Refusal
from controller.core.resources import declare
from controller.core.settings import Settings
from rest import errors, routes
from rest.access import Policy, Unlimited
from rest.auth import Trusting
from rest.context import Answer, Call, Context, Inspector, Store
from rest.extensions import EXTENSIONS
from rest.policies.usual import usual_rules

LOG = logging.getLogger("patchbay.rest")

BODY_LIMIT = 1024 * 1024
"""Bytes that a request body may have."""
RETRY_AFTER = 5
"""Seconds after which a client may ask again when the database was lost."""

REVISION = "X-Patchbay-Revision"
"""The header of a write's answer that says as which revision it was committed."""

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def application(
    store: Store,
    settings: Settings,
    inspector: Inspector | None = None,
    *,
    apps: Iterable[App] = (),
    authenticate: Callable[[dict[str, Any]], Caller] | None = None,
    policy: Policy | None = None,
    unavailable: type[Exception] | tuple[type[Exception], ...] = (),
    body_limit: int = BODY_LIMIT,
) -> Application:
    """The API over a store.

    `apps` add resources, attributes and rules.  `authenticate(environ)` says who asks, or raises ApiError (without it
    everybody is an administrator); `policy` says what they may do.  `unavailable` is what the store raises when it lost
    its database (answered with 503 and Retry-After).  `inspector` answers `/patchbay/v1`, which is not there without.
    """
    apps = tuple(apps)
    extensions = sorted({*EXTENSIONS, *(extension for app in apps for extension in app.extensions)})
    resources, policy = declare(settings, apps), policy or Unlimited()
    policy.register([rule for app in apps for rule in app.policies])
    policy.register(usual_rules(resources, policy.has))
    context = Context(store, settings, resources, policy, tuple(extensions), inspector, body_limit)
    who = authenticate or Trusting().authenticate

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        request_id = f"req-{uuid.uuid4()}"
        headers: dict[str, str] = {}
        call, path = Call(request, request_id), _path(environ)
        try:
            store.fresh()  # writes, too: what they name is looked up, and policy asked about it, before they run
            call.caller = who(environ)
            answered = routes.answer(context, call, path)
        except errors.ApiError as error:
            answered, headers = _error(call, path, error)
        except Refusal as refusal:
            answered, headers = _error(call, path, errors.from_refusal(refusal))
        except unavailable as lost:
            answered, headers = _error(call, path, errors.unavailable(str(lost), RETRY_AFTER))
        except Exception:
            LOG.exception("%s: a bug in the API", request_id)
            answered, headers = _error(call, path, errors.bug())
        if call.revision:
            headers[REVISION] = str(call.revision)
        response = _response(answered, headers | {"X-Openstack-Request-Id": request_id})
        written: Iterable[bytes] = response(environ, start_response)
        return written

    return answer


def _path(environ: dict[str, Any]) -> str:
    """The path as the client wrote it, in UTF-8 (a byte that isn't becomes U+FFFD)."""
    return str(environ.get("PATH_INFO", "")).encode("latin-1").decode("utf-8", "replace")


def _error(call: Call, path: str, raised: errors.ApiError) -> tuple[Answer, dict[str, str]]:
    error = routes.error(call, path, raised)
    return Answer(error.status, error.text(), error.content_type), dict(error.headers)


def refused(environ: dict[str, Any], raised: errors.ApiError) -> Response:
    """The answer to a request that did not reach the application, in the form of the API that it asked."""
    return _response(*_error(Call(Request(environ), ""), _path(environ), raised))


def _response(answered: Answer, headers: dict[str, str]) -> Response:
    response = Response(status=answered.status, headerlist=list(headers.items()))
    if answered.text:
        response.content_type = answered.content_type
        response.body = answered.text.encode()
    return response
