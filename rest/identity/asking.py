"""One request to identity on its way: its body, who asks, and what it may have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from webob import Request

from controller.core.accounts import DEFAULT_DOMAIN, User, roles_of
from controller.core.net import Net
from controller.core.plan import Draft, Plan
from rest import received
from rest.identity import errors
from rest.identity.endpoints import Endpoints
from rest.identity.passwords import Passwords
from rest.identity.tokens import InvalidToken, Token, Tokens

BODY_LIMIT = 64 * 1024
"""Bytes of a request body."""


class Store(Protocol):
    """What identity needs of the store."""

    net: Net

    def execute(self, plan: Plan, *, who: str, request_id: str = "") -> Any: ...

    def catch_up(self) -> int: ...


class Service(NamedTuple):
    """What every request is answered from.  `clock` is in seconds since 1970."""

    store: Store
    tokens: Tokens
    passwords: Passwords
    endpoints: Endpoints
    clock: Callable[[], float]


class Reply(NamedTuple):
    status: int
    document: Any = None
    headers: Mapping[str, str] = MappingProxyType({})


class Ask:
    """A request, and the token that came with it."""

    def __init__(self, service: Service, request: Request, id: str) -> None:
        self.service = service
        self.request = request
        self.id = id
        self.net = service.store.net
        self.root = service.endpoints.identity_url(request)
        self.base = f"{self.root}/v3"

    # -- who asks -----------------------------------------------------------------------------------------------------

    @cached_property
    def token(self) -> Token:
        """The token in X-Auth-Token.  Raises IdentityError (401)."""
        try:
            return self.service.tokens.read(self.request.headers.get("X-Auth-Token", ""))
        except InvalidToken:
            raise errors.unauthorized() from None

    @cached_property
    def roles(self) -> frozenset[str]:
        return roles_of(self.net, self.token.user_id, self.token.project_id)

    def require(self, action: str, *, role: str = "admin", own: bool = False) -> None:
        """Go on for a caller who has the role, or when it is the caller's own business.  Raises IdentityError (403)."""
        if role not in self.roles and "admin" not in self.roles and not own:
            raise errors.forbidden(action)

    # -- what it says -------------------------------------------------------------------------------------------------

    def body(self, name: str) -> dict[str, Any]:
        """The object that the JSON body has under a name.  Raises IdentityError (400, 408, 413)."""
        try:
            found = received.parsed(received.body(self.request, BODY_LIMIT))
        except received.Unreadable as error:
            raise errors.IdentityError(error.status, error.message) from None
        except ValueError:
            raise errors.bad_request("The body is not valid JSON.") from None
        return child(found, name)

    def filters(self, *names: str) -> dict[str, str]:
        """Those of the query's parameters that are given."""
        return {name: self.request.GET[name] for name in names if name in self.request.GET}

    @property
    def no_domain_but_ours(self) -> bool:
        """Whether the query asks for another domain, in which there is nothing."""
        return self.request.GET.get("domain_id", DEFAULT_DOMAIN) != DEFAULT_DOMAIN

    # -- what it does -------------------------------------------------------------------------------------------------

    def write(self, plan: Callable[..., Any], *arguments: Any) -> Any:
        """Carry a plan out for the token's user; its result."""
        return self.write_as(self.token.user_id, plan, *arguments)

    def write_as(self, who: str, plan: Callable[..., Any], *arguments: Any) -> Any:
        """Carry a plan out for a user; its result."""

        def run(draft: Draft) -> Any:
            return plan(draft, *arguments)

        return self.service.store.execute(run, who=who, request_id=self.id).result

    def hashed(self, password: str) -> str:
        try:
            return self.service.passwords.hash(password)
        except ValueError as error:
            raise errors.invalid("password", str(error)) from None

    def is_password(self, user: User | None, password: str) -> bool:
        return self.service.passwords.fits(user.password_hash if user is not None else "", password)


def child(value: Any, name: str) -> dict[str, Any]:
    """The object that an object has under a name.  Raises IdentityError (400)."""
    found = value.get(name) if isinstance(value, dict) else None
    if not isinstance(found, dict):
        raise errors.bad_request(f"Expecting to find {name} as an object in the request body.")
    return found


def text(values: Mapping[str, Any], name: str) -> str:
    """The text that an object has under a name.  Raises IdentityError (400)."""
    found = values.get(name)
    if not isinstance(found, str):
        raise errors.invalid(name, "it is required" if found is None else f"{found!r} is not of type 'string'")
    try:
        found.encode()
    except UnicodeEncodeError:
        raise errors.invalid(name, "it is not Unicode text") from None
    return found
