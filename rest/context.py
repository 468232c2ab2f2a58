"""What every handler of the API has at hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from webob import Request

from controller.core.caller import NOBODY, Caller
from controller.core.net import Change, Net
from controller.core.plan import Draft, Plan
from controller.core.resource import Extension
from controller.core.resource_set import ResourceSet
from controller.core.settings import Settings
from rest.access import Access, Policy
from rest.views import Views


class Store(Protocol):
    """What this API needs of the store."""

    net: Net
    revision: int

    def fresh(self) -> None:
        """Take over what other processes have written; quiet when the database is lost."""

    def execute(self, plan: Plan, *, who: str, request_id: str = "") -> Any:
        """Run the plan and commit it: an outcome with `result` and `revision`.  Raises what the plan raises."""

    def subscribe(self, listener: Callable[[int, tuple[Change, ...]], None]) -> None: ...


class Inspector(Protocol):
    """What the controller can be asked about the running network, in JSON-able values.  LookupError: no such name."""

    def hosts(self) -> Any: ...
    def faults(self) -> Any: ...
    def ports(self) -> Any: ...
    def check(self, port: str, other: str = "") -> Any: ...
    def trace(self, source: str, target: str) -> Any: ...
    def switches(self) -> Any: ...
    def flows(self, switch: str) -> Any: ...
    def explain(self, switch: str, flow: str) -> Any: ...
    def status(self) -> Any: ...
    def counters(self, port_id: str) -> dict[str, int] | None: ...
    def convergence(self, revision: int, wait: float, connected: bool) -> dict[str, Any]: ...


class Answer(NamedTuple):
    """A status and a JSON text ('' where there is no body)."""

    status: int
    text: str = ""
    content_type: str = "application/json"


@dataclass(slots=True)
class Call:
    """One request on its way: who asks, and under which request id.  `revision` is that of what it wrote, or 0."""

    request: Request
    id: str
    caller: Caller = NOBODY
    revision: int = 0

    @property
    def method(self) -> str:
        """GET for HEAD, too: only the body is left out of its answer."""
        return "GET" if self.request.method == "HEAD" else str(self.request.method)


@dataclass(frozen=True)
class Context:
    """`inspector` answers `/patchbay/v1`, which is not there without one; `body_limit` is in bytes."""

    store: Store
    settings: Settings
    resources: ResourceSet
    policy: Policy
    extensions: tuple[Extension, ...]
    inspector: Inspector | None = None
    body_limit: int = 1024 * 1024
    views: Views = field(init=False)
    access: Access = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "views", Views(self.store.net, self.resources))
        object.__setattr__(self, "access", Access(self.policy, self.store.net, self.resources, self.views))
        self.store.subscribe(self.views.forget)

    @property
    def net(self) -> Net:
        return self.store.net

    def execute(self, call: Call, plan: Callable[[Draft], Any]) -> Any:
        """Run a plan as the caller's and commit it; returns the plan's own result."""

        def asked(draft: Draft) -> Any:
            draft.caller, draft.resources = call.caller, self.resources
            return plan(draft)

        who = call.caller.project_id
        outcome = self.store.execute(asked, who=who, request_id=call.id)
        call.revision = outcome.revision
        return outcome.result


Handler = Callable[[Context, Call, list[str]], Answer]
"""Answers a request for a path below its own (`parts`).  Raises ApiError, Refusal and whatever the store raises."""


def listed(texts: Iterable[str]) -> str:
    return f"[{', '.join(texts)}]"
