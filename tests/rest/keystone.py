"""A client of the built-in identity as one callable, over the real store on an embedded database, with a clock."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from argon2 import PasswordHasher
from webob import Request

from controller.core.plans import accounts
from controller.core.settings import Settings
from controller.io.store import Store, Unavailable
from rest.identity.endpoints import Endpoints
from rest.identity.passwords import Passwords
from rest.identity.tokens import Tokens, new_key
from rest.identity.wsgi import application

START = 1_795_000_000
HOUR = 3600
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SECRET = "correct horse"


class Reply(NamedTuple):
    """`body` is the JSON answer, None when there is none."""

    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, title and message of an error; every error has exactly these parts."""
        (name,) = self.body
        assert name == "error"
        assert set(self.body[name]) == {"code", "title", "message"}
        assert self.body[name]["code"] == self.status
        return self.status, self.body[name]["title"], self.body[name]["message"]


class Keystone:
    """`keystone("GET", "/v3/users", token=...)`.  The first start was done: admin's password is SECRET."""

    def __init__(self, endpoints: Endpoints | None = None, store: Store | None = None) -> None:
        self.now = float(START)
        self.store = store or Store("sqlite://", Settings())
        self.passwords = Passwords(CHEAP)
        hashed = self.passwords.hash(SECRET)
        self.store.execute(lambda draft: accounts.bootstrap(draft, hashed, new_key(), START), who="test")
        self.tokens = Tokens(self.store.net, HOUR, clock=self.clock)
        self.application = application(
            self.store,
            self.tokens,
            self.passwords,
            endpoints or Endpoints(),
            unavailable=Unavailable,
            clock=self.clock,
        )

    def clock(self) -> float:
        return self.now

    def __call__(self, method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Reply:
        request = Request.blank(path, method=method, base_url="http://127.0.0.1:5000")
        if body is not None:
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        if token:
            request.headers["X-Auth-Token"] = token
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        response = request.get_response(self.application)
        assert response.headers["X-Openstack-Request-Id"].startswith("req-")
        if not response.body:
            return Reply(response.status_int, None, response.headers)
        assert response.content_type == "application/json"
        assert "argon2" not in response.text, "a hash leaves by REST"
        return Reply(response.status_int, response.json, response.headers)

    def sign_in(self, name: str = "admin", password: str = SECRET, project: str | None = "admin") -> Reply:
        """Ask for a token by names, as clients do."""
        user = {"name": name, "password": password, "domain": {"id": "default"}}
        auth: dict[str, Any] = {"identity": {"methods": ["password"], "password": {"user": user}}}
        if project is not None:
            auth["scope"] = {"project": {"name": project, "domain": {"name": "Default"}}}
        return self("POST", "/v3/auth/tokens", {"auth": auth})

    def token(self, *who: Any, **more: Any) -> str:
        """A token, which must be given."""
        reply = self.sign_in(*who, **more)
        assert reply.status == 201, reply
        return str(reply.headers["X-Subject-Token"])

    def make(self, kind: str, **values: Any) -> Any:
        """Create a project or user as admin."""
        reply = self("POST", f"/v3/{kind}s", {kind: values}, self.token())
        assert reply.status == 201, reply
        return reply.body[kind]

    def grant(self, user: str, project: str, role: str) -> None:
        assert self("PUT", f"/v3/projects/{project}/users/{user}/roles/{role}", token=self.token()).status == 204

    def member(self, name: str = "ann", role: str = "member") -> tuple[Any, Any]:
        """A user with a role in a project of the same name: (user, project).  The password is SECRET."""
        project = self.make("project", name=name)
        user = self.make("user", name=name, password=SECRET)
        self.grant(user["id"], project["id"], role)
        return user, project
