"""All that is served under one port, and the law that every answer of it keeps."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from controller.core.accounts import with_implied
from controller.core.app import load
from controller.core.caller import Caller
from controller.core.inspect import Inspector
from rest.auth import Unauthorized
from rest.identity.wsgi import mounted
from rest.policy import Policy
from tests.rest.api import Api
from tests.rest.keystone import Keystone
from tests.world.world import World

ROOT = str(Path(__file__).resolve().parents[2])
PATIENCE = 30
"""Seconds after which a request counts as hanging: no measure of speed, the slowest machine answers in this time."""
APPS = load()


class Reply(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Server:
    """Everything that is served under one port, over one store with one object of each kind in it.

    With a policy, who asks is told by a header (`Who: member/p1`).
    """

    def __init__(self, policy: Policy | None = None) -> None:
        world = World()
        world.host()
        inspector = Inspector(world.settle().machine)
        self.api = Api(
            inspector=inspector, apps=APPS, policy=policy, authenticate=None if policy is None else _who_asks
        )
        network = self.api.make("network", name="a", project_id="p1")
        subnet = self.api.make("subnet", network_id=network["id"], cidr="10.0.0.0/24", ip_version=4, project_id="p1")
        port = self.api.make("port", network_id=network["id"], project_id="p1")
        self.members = {"networks": network["id"], "subnets": subnet["id"], "ports": port["id"]}
        keystone = Keystone(store=self.api.store)
        user, project = keystone.member()
        self.ids = [*self.members.values(), user["id"], project["id"]]
        self.tokens = [keystone.token(), keystone.token("ann", project="ann")]
        self.application = mounted("/identity", keystone.application, self.api.application)

    @property
    def store(self) -> Any:
        return self.api.store

    def ask(self, environ: dict[str, Any]) -> Reply:
        """The answer, of which everything is checked that holds for every one."""
        told: list[Any] = []
        before = self.store.revision
        with limited(PATIENCE):
            chunks = self.application(environ, lambda *answered: told.append(answered))
            body = b"".join(chunks)
        ((status, headers),) = told
        reply = Reply(int(status[:3]), dict(headers), body)
        _require_an_answer(environ["REQUEST_METHOD"], reply)
        if reply.status >= 400:
            assert self.store.revision == before, (environ, reply)
        return reply


def _who_asks(environ: dict[str, Any]) -> Caller:
    role, slash, project = environ.get("HTTP_WHO", "admin/p0").partition("/")
    if not slash:
        raise Unauthorized({})
    return Caller("u", project, with_implied([role]), role == "admin")


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Fail, wherever it is then, what has not ended after so many seconds."""

    def over(*_: Any) -> None:
        pytest.fail(f"no answer in {seconds} s")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _require_an_answer(method: str, reply: Reply) -> None:
    assert reply.status < 500 or _is_full(reply), reply
    assert re.fullmatch("req-[0-9a-f-]{36}", reply.headers["X-Openstack-Request-Id"])
    for name, value in reply.headers.items():
        assert not re.search(r"[^\x20-\x7e\x80-\xff]", name + value), (name, value)
    assert b"Traceback" not in reply.body and ROOT.encode() not in reply.body
    if not reply.body:
        assert reply.status < 400 or method == "HEAD", reply
        return
    assert reply.headers["Content-Type"].startswith("application/json")
    document = json.loads(reply.body, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    if reply.status >= 400:
        ((kind, error),) = document.items()
        assert (
            set(error) == {"NeutronError": {"type", "message", "detail"}, "error": {"code", "title", "message"}}[kind]
        )
        assert error["message"] and isinstance(error["message"], str)


def _is_full(reply: Reply) -> bool:
    """Neutron's 503 for a network when all VLANs and tunnel ids are taken: a condition of the cloud, and no fault."""
    return reply.status == 503 and b"NoNetworkAvailable" in reply.body
