"""Which path is answered by what, and how: one handler for every resource, and the documents around them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from webob import Request

from controller.core.net import Net
from controller.core.plan import Draft, Plan, Refusal
from controller.core.plans import wiring
from controller.core.plans.refusals import bad_resource, not_found
from rest import body, convergence, errors, extensions, query
from rest.resource import Resource, Views


class Store(Protocol):
    """What this API needs of the store."""

    net: Net
    revision: int

    def execute(self, plan: Plan, *, who: str, request_id: str = "") -> Any:
        """Run the plan and commit it: an outcome with a `result`.  Raises what the plan raises."""


class Inspector(Protocol):
    """What the controller can be asked about the running network, in JSON-able values; LookupError: no such switch."""

    def hosts(self) -> Any: ...
    def faults(self) -> Any: ...
    def ports(self) -> Any: ...
    def switches(self) -> Any: ...
    def flows(self, switch: str) -> Any: ...
    def explain(self, switch: str, flow: str) -> Any: ...
    def status(self) -> Any: ...
    def convergence(self, revision: int, wait: float, connected: bool) -> Any: ...


class Answer(NamedTuple):
    """A status and a JSON text ('' where there is no body)."""

    status: int
    text: str = ""


class Call(NamedTuple):
    """One request on its way: who asks (a project, '' if it doesn't say) and under which request id."""

    request: Request
    who: str
    id: str


class Routes:
    """The API over a store."""

    def __init__(
        self, store: Store, resources: tuple[Resource, ...], inspector: Inspector | None, body_limit: int
    ) -> None:
        self._store = store
        self._resources = {resource.collection: resource for resource in resources}
        self._inspector = inspector
        self._body_limit = body_limit
        self._views = Views()

    def answer(self, call: Call, path: str) -> Answer:
        """Answer the request for a path.  Raises ApiError, Refusal and whatever the store raises."""
        parts = [part for part in path.split("/") if part]
        if parts:
            parts[-1] = parts[-1].removesuffix(".json")
        if not parts:
            return self._read_only(call, lambda: _versions(call.request))
        if parts[:3] == ["patchbay", "v1", "hosts"] and len(parts) == 4 and call.request.method == "DELETE":
            self._execute(call, lambda draft: wiring.forget_host(draft, parts[3]))
            return Answer(204)
        if parts[0] == "patchbay" and self._inspector is not None:
            return self._read_only(call, lambda: _inspect(self._inspector, parts[1:]))
        if parts[0] != "v2.0":
            raise errors.no_such_path()
        if len(parts) == 1:
            return self._read_only(call, lambda: self._resource_document(call.request))
        if parts[1] == "extensions":
            return self._read_only(call, lambda: _extensions(parts[2:]))
        if parts[1:] == ["convergence"] and (asked := self._inspector) is not None:
            return self._read_only(call, lambda: convergence.answer(call.request, asked, lambda: self._store.revision))
        resource = self._resources.get(parts[1])
        if resource is None or len(parts) > 3:
            raise errors.no_such_path()
        return self._collection(call, resource) if len(parts) == 2 else self._member(call, resource, parts[2])

    def _read_only(self, call: Call, document: Callable[[], Any]) -> Answer:
        if call.request.method not in ("GET", "HEAD"):
            raise errors.no_such_path()
        return Answer(200, json.dumps(document()))

    def _resource_document(self, request: Request) -> Any:
        return {
            "resources": [
                {
                    "links": [{"rel": "self", "href": f"{request.host_url}/v2.0/{resource.collection}"}],
                    "name": resource.name,
                    "collection": resource.collection,
                }
                for resource in self._resources.values()
            ]
        }

    # -----------------------------------------------------------------------------------------------------------------
    # Resources

    def _collection(self, call: Call, resource: Resource) -> Answer:
        if call.request.method in ("GET", "HEAD"):
            return self._list(call, resource)
        if call.request.method == "POST":
            return self._create(call, resource)
        raise errors.not_allowed(("GET", "POST"))

    def _member(self, call: Call, resource: Resource, key: str) -> Answer:
        if call.request.method in ("GET", "HEAD"):
            return self._show(call, resource, key)
        if call.request.method == "PUT":
            return self._update(call, resource, key)
        if call.request.method == "DELETE":
            return self._delete(call, resource, key)
        raise errors.not_allowed(("GET", "PUT", "DELETE"))

    def _list(self, call: Call, resource: Resource) -> Answer:
        asked = query.read(resource, call.request.query_string)
        found = query.select(resource, self._store.net, self._views, asked)
        if asked.fields:
            texts = [json.dumps(query.shown(view, asked.fields)) for view in found]
        else:
            texts = [view.text for view in found]
        links = query.links(asked, found, f"{call.request.host_url}/v2.0/{resource.collection}")
        more = f', "{resource.collection}_links": {json.dumps(links)}' if links else ""
        return Answer(200, f'{{"{resource.collection}": [{", ".join(texts)}]{more}}}')

    def _show(self, call: Call, resource: Resource, key: str) -> Answer:
        asked = query.read(resource, call.request.query_string)
        net = self._store.net
        row = net.get(resource.row_type, key)
        if row is None:
            raise not_found(resource.row_type.__name__, key)
        view = self._views.view(resource, net, row)
        text = json.dumps(query.shown(view, asked.fields)) if asked.fields else view.text
        return Answer(200, f'{{"{resource.name}": {text}}}')

    def _create(self, call: Call, resource: Resource) -> Answer:
        found = body.document(body.read(call.request, self._body_limit))
        items, bulk = body.created(resource, found, call.who)

        def plan(draft: Draft) -> list[Any]:
            return [resource.create(draft, values) for values in items]

        rows = self._execute(call, plan)
        texts = [self._views.view(resource, self._store.net, row).text for row in rows]
        name, text = (resource.collection, f"[{', '.join(texts)}]") if bulk else (resource.name, texts[0])
        return Answer(201, f'{{"{name}": {text}}}')

    def _update(self, call: Call, resource: Resource, key: str) -> Answer:
        found = body.document(body.read(call.request, self._body_limit))
        if self._store.net.get(resource.row_type, key) is None:
            raise not_found(resource.row_type.__name__, key)
        values, revision = body.changed(resource, found), _revision(call.request)
        row = self._execute(call, lambda draft: resource.change(draft, key, values, revision))
        return Answer(200, f'{{"{resource.name}": {self._views.view(resource, self._store.net, row).text}}}')

    def _delete(self, call: Call, resource: Resource, key: str) -> Answer:
        if body.read(call.request, self._body_limit):
            raise errors.bad_request("Request body is not supported in DELETE.")
        revision = _revision(call.request)
        self._execute(call, lambda draft: resource.delete(draft, key, revision))
        return Answer(204)

    def _execute(self, call: Call, plan: Plan) -> Any:
        return self._store.execute(plan, who=call.who, request_id=call.id).result


def _revision(request: Request) -> int | None:
    """What `If-Match: revision_number=N` insists on, or None."""
    for text in request.headers.get("If-Match", "").split(","):
        if "revision_number" in text:
            match = re.fullmatch(r'\s*"?revision_number=([0-9]{1,18})"?\s*', text)
            if match is None:
                raise bad_resource("if-match", "Revision constraint must be in the form of revision_number=<int>")
            return int(match[1])
    return None


def _versions(request: Request) -> Any:
    link = {"rel": "self", "href": f"{request.host_url}/v2.0/"}
    return {"versions": [{"id": "v2.0", "status": "CURRENT", "links": [link]}]}


def _extensions(parts: list[str]) -> Any:
    if not parts:
        return {"extensions": [extensions.shown(extension) for extension in extensions.EXTENSIONS]}
    found = [extension for extension in extensions.EXTENSIONS if [extension.alias] == parts]
    if not found:
        raise errors.ApiError(404, "HTTPNotFound", f"Extension with alias {'/'.join(parts)} does not exist")
    return {"extension": extensions.shown(found[0])}


def _inspect(inspector: Inspector | None, parts: list[str]) -> Any:
    """`/patchbay/v1/...`: what the controller knows about the running network."""
    assert inspector is not None
    try:
        match parts:
            case ["v1", "hosts"]:
                return inspector.hosts()
            case ["v1", "ports"]:
                return inspector.ports()
            case ["v1", "faults"]:
                return inspector.faults()
            case ["v1", "status"]:
                return inspector.status()
            case ["v1", "switches"]:
                return inspector.switches()
            case ["v1", "switches", *switch, "flows"] if switch and "flows" not in switch:
                return inspector.flows("/".join(switch))
            case ["v1", "switches", *words, "explain"] if "flows" in words:
                at = words.index("flows")  # names of switches and texts of flows have slashes of their own
                return inspector.explain("/".join(words[:at]), "/".join(words[at + 1 :]))
    except LookupError as error:
        raise Refusal("NotFound", str(error.args[0] if error.args else error), 404) from error
    raise errors.no_such_path()
