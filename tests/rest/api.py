"""A client of the API as one callable: the real application over the real store on an embedded database."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from webob import Request, Response

from controller.core.app import App
from controller.core.plans import once
from controller.core.settings import Settings
from controller.io.store import Store, Unavailable
from rest.wsgi import application

SETTINGS = Settings(vlan_ranges=(("physnet1", ((100, 199),)),))


class Reply(NamedTuple):
    """`body` is the JSON answer, None when there is none."""

    status: int
    body: Any
    headers: Any

    @property
    def error(self) -> tuple[int, str, str]:
        """Status, type and message of an error; every error has exactly these parts."""
        (name,) = self.body
        assert name == "NeutronError"
        assert set(self.body[name]) == {"type", "message", "detail"}
        return self.status, self.body[name]["type"], self.body[name]["message"]


class Api:
    """`api("POST", "/v2.0/networks", {...})`; a body of bytes is sent as it is."""

    def __init__(
        self,
        settings: Settings = SETTINGS,
        inspector: Any = None,
        store: Store | None = None,
        apps: Iterable[App] = (),
        **more: Any,
    ) -> None:
        """`more`: what rest.wsgi.application takes besides (authenticate, policy)."""
        apps = tuple(apps)
        self.store = store or Store("sqlite://", settings)
        self.store.execute(partial(once.run, apps), who="patchbay")
        self.application = application(self.store, settings, inspector, apps=apps, unavailable=Unavailable, **more)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """The answer as it is, whatever it is in."""
        request = Request.blank(path, method=method)
        if body is not None:
            request.body = body if isinstance(body, bytes) else json.dumps(body).encode()
        for name, value in headers.items():
            request.headers[name.replace("_", "-")] = value
        return request.get_response(self.application)

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        response = self.ask(method, path, body, **headers)
        assert response.headers["X-Openstack-Request-Id"].startswith("req-")
        if not response.body:
            return Reply(response.status_int, None, response.headers)
        assert response.content_type == "application/json"
        return Reply(response.status_int, response.json, response.headers)

    def make(self, name: str, /, **values: Any) -> Any:
        """Create one network, subnet or port, which must work; attribute names' colons are written `__`."""
        body = {name: {key.replace("__", ":"): value for key, value in values.items()}}
        reply = self("POST", f"/v2.0/{name}s", body)
        assert reply.status == 201, reply
        return reply.body[name]

    def get(self, path: str) -> Any:
        """What a GET, which must work, answers inside its one key."""
        reply = self("GET", path)
        assert reply.status == 200, reply
        return next(iter(reply.body.values()))
