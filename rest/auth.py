"""Who a request is from: one of three ways to find out, chosen by `[api] auth_strategy`.

An Authenticator turns a WSGI environment into a Caller, or raises Unauthorized.  It is asked once for each request, so
what it found out about a token is kept until the token ends or anything about accounts or policy changes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Protocol

from controller.core.accounts import KINDS, roles_of
from controller.core.caller import NOBODY, Caller
from controller.core.kept import Kept
from controller.core.net import Change, Net
from controller.core.plans import checks
from rest.errors import ApiError
from rest.identity.tokens import InvalidToken, Token, Tokens
from rest.policy import Rules

Environ = dict[str, Any]
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

PUBLIC = frozenset({"", "/", "/v1.0", "/v1.0/", "/v1.1", "/v1.1/", "/v2.0", "/v2.0/", "/healthcheck"})
"""Paths that are answered to everybody: the versions (clients look there before they have a token) and the state."""
REMEMBERED = 10_000
"""Tokens whose callers are kept at most."""
PACE = 1.0
"""Seconds after which other processes' changes of accounts are looked for again."""


class Unauthorized(ApiError):
    """Nobody we know: 401 in Keystone's form, with `WWW-Authenticate` in the headers."""

    STATUS = 401
    TITLE = "Unauthorized"
    MESSAGE = "The request you have made requires authentication."

    def __init__(self, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(self.STATUS, self.TITLE, self.MESSAGE, headers)

    def document(self) -> dict[str, object]:
        return {"error": {"code": self.status, "title": self.type, "message": self.message}}


class IdentityUnavailable(Unauthorized):
    """The identity service can't be asked now, so nobody can be told from anybody: 503."""

    STATUS = 503
    TITLE = "Service Unavailable"
    MESSAGE = "The identity service does not answer; try again later."


class Authenticator(Protocol):
    def authenticate(self, environ: Environ) -> Caller:
        """Who asks.  Raises Unauthorized."""


def is_public(path: str) -> bool:
    """Whether a path (PATH_INFO) is answered without a token."""
    return path in PUBLIC


class Open:
    """Another authenticator, which is not asked about public paths: whoever reads those is nobody."""

    def __init__(self, inner: Authenticator) -> None:
        self._inner = inner
        self._nobody = Caller()

    def authenticate(self, environ: Environ) -> Caller:
        return self._nobody if is_public(environ.get("PATH_INFO", "")) else self._inner.authenticate(environ)


class Trusting:
    """`auth_strategy = none`: everybody is an administrator, of the project that the request names."""

    def __init__(self) -> None:
        self._callers = Kept(_administrator, REMEMBERED)

    def authenticate(self, environ: Environ) -> Caller:
        """The project is what X-Project-Id (or X-Tenant-Id) says, '' without; no other header is believed.  Raises
        Refusal for a value that is no project id."""
        given = environ.get("HTTP_X_PROJECT_ID") or environ.get("HTTP_X_TENANT_ID") or ""
        caller: Caller = self._callers[given]
        return caller


def _administrator(project: str) -> Caller:
    return replace(NOBODY, project_id=checks.check("string", "project_id", project))


class Store(Protocol):
    """What the built-in identity needs of the store, to follow accounts."""

    net: Net

    def subscribe(self, listener: Callable[[int, tuple[Change, ...]], None]) -> None: ...

    def catch_up(self) -> int: ...


class BuiltIn:
    """`auth_strategy = builtin`: tokens of the identity inside this process, or of another one on the same database.

    `uri` says where clients get tokens (WWW-Authenticate).  `unavailable` is what the store raises when it lost its
    database: tokens are then checked by what is in memory.  `clock` is in seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        tokens: Tokens,
        policy: Rules,
        uri: str,
        *,
        unavailable: type[Exception] | tuple[type[Exception], ...] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._tokens = tokens
        self._policy = policy
        self._headers = {"WWW-Authenticate": f'Keystone uri="{uri}"'}
        self._unavailable = unavailable
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Caller]] = {}
        self._policy_seen = policy.generation
        self._looked = 0.0
        store.subscribe(self._changed)

    def authenticate(self, environ: Environ) -> Caller:
        """The caller of X-Auth-Token, with the roles it has now.  X-Service-Token adds the service's roles."""
        given = environ.get("HTTP_X_AUTH_TOKEN", ""), environ.get("HTTP_X_SERVICE_TOKEN", "")
        now = self._clock()
        if now - self._looked >= PACE or now < self._looked:
            self._looked = now
            self._follow()
        if self._policy.generation != self._policy_seen:
            self._policy_seen = self._policy.generation
            self._known.clear()
        found = self._known.get(given)
        if found is None or found[0] <= now:
            found = self._verify(*given)
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            self._known[given] = found
        return found[1]

    def _verify(self, text: str, service_text: str) -> tuple[float, Caller]:
        """Until when (seconds since 1970) a token and a service token are good, and for whom."""
        try:
            token = self._tokens.read(text)
            service = self._tokens.read(service_text) if service_text else None
        except InvalidToken:
            raise Unauthorized(self._headers) from None
        roles = self._roles(token)
        if token.project_id and not roles:
            raise Unauthorized(self._headers)
        service_roles = frozenset() if service is None else self._roles(service)
        caller = Caller(token.user_id, token.project_id, roles, False, service_roles)
        until = token.expires if service is None else min(token.expires, service.expires)
        return until, replace(caller, is_admin=self._policy.admin(caller))

    def _roles(self, token: Token) -> frozenset[str]:
        return roles_of(self._store.net, token.user_id, token.project_id)

    def _follow(self) -> None:
        try:
            self._store.catch_up()
        except self._unavailable:
            return

    def _changed(self, _: int, changes: tuple[Change, ...]) -> None:
        if any(change.row_type in KINDS for change in changes):
            self._known.clear()


class Keystone:
    """`auth_strategy = keystone`: a Keystone elsewhere is asked, by a WSGI middleware that is handed in.

    `middleware(application)` is keystonemiddleware's auth_token: it removes the identity headers of the client, checks
    its tokens, and calls the application with headers of its own; or it answers itself when a token is no good.
    """

    def __init__(self, middleware: Callable[[Application], Application], policy: Rules) -> None:
        self._policy = policy
        self._checked = middleware(_tell)

    def authenticate(self, environ: Environ) -> Caller:
        """What the middleware says of the request's tokens.  Raises IdentityUnavailable when it could not ask."""
        told: list[Environ] = []
        answer = _Answer()
        for _ in self._checked(environ | {_TOLD: told}, answer):
            pass
        if answer.status >= 500:
            raise IdentityUnavailable({"Retry-After": "5"})
        if not told or told[0].get("HTTP_X_IDENTITY_STATUS") != "Confirmed":
            raise Unauthorized({name: value for name, value in answer.headers if name.lower() == "www-authenticate"})
        caller = Caller(
            told[0].get("HTTP_X_USER_ID") or "",
            told[0].get("HTTP_X_PROJECT_ID") or "",
            _roles(told[0].get("HTTP_X_ROLES")),
            False,
            _roles(told[0].get("HTTP_X_SERVICE_ROLES")),
        )
        return replace(caller, is_admin=self._policy.admin(caller))


_TOLD = "patchbay.told"
"""Where in its environment the middleware's application leaves what it was told."""


def _tell(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    environ[_TOLD].append(environ)
    start_response("204 No Content", [])
    return []


class _Answer:
    """The start_response of a question to the middleware."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[str, str]] = []

    def __call__(self, status: str, headers: list[tuple[str, str]], _: Any = None) -> None:
        self.status = int(status.split()[0])
        self.headers = headers


def _roles(header: str | None) -> frozenset[str]:
    return frozenset(role.strip().lower() for role in (header or "").split(",") if role.strip())
