"""An API under the default policy whose callers are of several projects: `projects("GET", path, by="ann")`."""

from __future__ import annotations

from typing import Any

from controller.core.caller import Caller
from rest.policy import Policy
from tests.rest.api import SETTINGS, Api, Reply

A, B, C = ("a" * 32, "b" * 32, "c" * 32)
"""Project ids."""
MEMBER = frozenset({"member", "reader"})
CALLERS = {
    "admin": Caller("root", C, frozenset({"admin", "manager", *MEMBER}), is_admin=True),
    "ann": Caller("ann", A, MEMBER),
    "bob": Caller("bob", B, MEMBER),
    "mia": Caller("mia", A, frozenset({"manager", *MEMBER})),
    "rob": Caller("rob", B, frozenset({"reader"})),
}


def _caller(environ: dict[str, Any]) -> Caller:
    return CALLERS[environ["HTTP_CALLER"]]


class Projects(Api):
    """`ann` and `mia` (a manager) are of project A, `bob` and `rob` (a reader) of B, `admin` of C."""

    def __init__(self, settings: Any = SETTINGS, rules: Any = (), **more: Any) -> None:
        """`rules`: those that apps declare, as (name, check, description)."""
        super().__init__(settings, authenticate=_caller, policy=Policy(more=rules), **more)

    def __call__(self, method: str, path: str, body: Any = None, *, by: str = "admin", **headers: str) -> Reply:
        return super().__call__(method, path, body, Caller=by, **headers)

    def made(self, collection: str, name: str, by: str, /, **values: Any) -> Any:
        """What a create, which must work, answers; attribute names' colons are written `__`."""
        body = {name: {key.replace("__", ":"): value for key, value in values.items()}}
        reply = self("POST", f"/v2.0/{collection}", body, by=by)
        assert reply.status == 201, reply
        return reply.body[name]

    def seen(self, path: str, by: str) -> Any:
        """What a GET, which must work, answers inside its one key."""
        reply = self("GET", path, by=by)
        assert reply.status == 200, reply
        return next(iter(reply.body.values()))
