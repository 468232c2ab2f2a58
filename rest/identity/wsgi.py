"""The WSGI application of identity: which path is answered by what, and what every request has in common."""

from __future__ import annotations

import json
import logging
import time
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from webob import Request, Response

from controller.core.plan import Refusal
from rest.identity import documents, errors, signing_in, v2, v3
from rest.identity.asking import Ask, Reply, Service, Store
from rest.identity.endpoints import Endpoints
from rest.identity.passwords import Passwords
from rest.identity.tokens import Tokens

LOG = logging.getLogger("patchbay.identity")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

GRANT = "/v3/projects/{project}/users/{user}/roles/{role}"
ROUTES: dict[str, dict[str, Callable[..., Reply]]] = {
    "/v3": {"GET": v3.version},
    "/v3/auth/tokens": {"POST": signing_in.issue, "GET": signing_in.show, "DELETE": signing_in.revoke},
    "/v3/auth/catalog": {"GET": signing_in.catalog},
    "/v3/auth/projects": {"GET": signing_in.own_projects},
    "/v3/auth/domains": {"GET": signing_in.own_domains},
    "/v3/domains": {"GET": v3.list_domains},
    "/v3/domains/{domain}": {"GET": v3.show_domain},
    "/v3/projects": {"GET": v3.list_projects, "POST": v3.create_project},
    "/v3/projects/{project}": {"GET": v3.show_project, "PATCH": v3.change_project, "DELETE": v3.delete_project},
    "/v3/users": {"GET": v3.list_users, "POST": v3.create_user},
    "/v3/users/{user}": {"GET": v3.show_user, "PATCH": v3.change_user, "DELETE": v3.delete_user},
    "/v3/users/{user}/password": {"POST": v3.change_password},
    "/v3/users/{user}/projects": {"GET": v3.list_user_projects},
    "/v3/users/{user}/groups": {"GET": v3.list_user_groups},
    "/v3/roles": {"GET": v3.list_roles},
    "/v3/roles/{role}": {"GET": v3.show_role},
    "/v3/projects/{project}/users/{user}/roles": {"GET": v3.list_grants},
    GRANT: {"GET": v3.check_grant, "PUT": v3.grant, "DELETE": v3.revoke},
    "/v3/role_assignments": {"GET": v3.list_assignments},
    "/v2.0": {"GET": v2.version},
    "/v2.0/tokens": {"POST": v2.issue},
    "/v2.0/tokens/{token}": {"GET": v2.show_token},
    "/v2.0/tenants": {"GET": v2.list_tenants},
}
"""HEAD is answered like GET, without the body."""


def application(
    store: Store,
    tokens: Tokens,
    passwords: Passwords,
    endpoints: Endpoints,
    *,
    unavailable: type[Exception] | tuple[type[Exception], ...] = (),
    clock: Callable[[], float] = time.time,
) -> Application:
    """Identity over a store.  `unavailable` is what the store raises when it lost its database: tokens are still given
    then, and nothing can be changed.  `clock` is in seconds since 1970."""
    service = Service(store, tokens, passwords, endpoints, clock)

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = Request(environ)
        request_id = f"req-{uuid.uuid4()}"
        try:
            _follow(store, unavailable)
            reply = _answer(Ask(service, request, request_id))
        except errors.IdentityError as error:
            reply = _failed(error, request)
        except Refusal as refusal:
            reply = _failed(errors.from_refusal(refusal), request)
        except UnicodeDecodeError:
            reply = _failed(errors.bad_request("The path and the query must be UTF-8."), request)
        except unavailable:
            reply = _failed(errors.unavailable(), request)
        except Exception:
            LOG.exception("%s: a bug in identity", request_id)
            reply = _failed(errors.bug(), request)
        response = _response(reply)
        response.headers["X-Openstack-Request-Id"] = request_id
        written: Iterable[bytes] = response(environ, start_response)
        return written

    return answer


def _follow(store: Store, unavailable: type[Exception] | tuple[type[Exception], ...]) -> None:
    """See what other processes have written: somebody made by `patchbay user create` can come in at once."""
    try:
        store.catch_up()
    except unavailable:
        return


def _answer(ask: Ask) -> Reply:
    parts = [part for part in ask.request.path_info.split("/") if part]
    method = "GET" if ask.request.method == "HEAD" else ask.request.method
    if not parts:
        return _versions(ask)
    for pattern, handlers in ROUTES.items():
        found = _match(pattern, parts)
        if found is not None:
            if method not in handlers:
                raise errors.IdentityError(405, "The method is not allowed for the requested URL.")
            return handlers[method](ask, **found)
    raise errors.no_such_path()


def _match(pattern: str, parts: list[str]) -> dict[str, str] | None:
    """The values of the names in braces; None when it is another path."""
    wanted = pattern.split("/")[1:]
    if len(wanted) != len(parts):
        return None
    found = {}
    for want, part in zip(wanted, parts, strict=True):
        if want.startswith("{"):
            found[want[1:-1]] = part
        elif want != part:
            return None
    return found


def _versions(ask: Ask) -> Reply:
    values = [documents.version(ask.base), documents.version_2(ask.root)]
    return Reply(300, {"versions": {"values": values}}, {"Location": f"{ask.base}/"})


def _failed(error: errors.IdentityError, request: Request) -> Reply:
    headers = {}
    if error.status == 401:
        headers = {"WWW-Authenticate": f'Keystone uri="{request.application_url}"'}
    elif error.status == 503:
        headers = {"Retry-After": "5"}
    return Reply(error.status, error.document(), headers)


def _response(reply: Reply) -> Response:
    response = Response(status=reply.status, headerlist=list(reply.headers.items()))
    if reply.document is not None:
        response.content_type = "application/json"
        response.body = json.dumps(reply.document).encode()
    return response


def mounted(prefix: str, inner: Application, outer: Application) -> Application:
    """Both applications: what is under the prefix (`/identity`) goes to the inner one."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path != prefix and not path.startswith(f"{prefix}/"):
            return outer(environ, start_response)
        place = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix, "PATH_INFO": path[len(prefix) :]}
        return inner(environ | place, start_response)

    return answer
