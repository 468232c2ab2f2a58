"""One request about the objects of a tenant: what is there for its caller, and writes as v2.0 makes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from controller.core.model import Network, Port
from controller.core.plan import Draft
from controller.core.plans import writes
from controller.core.plans.refusals import not_found
from controller.core.resource import Resource
from rest import body, member
from rest.access import forbidden
from rest.context import Call, Context
from rest.errors import bad_request
from rest.quantum_v1 import form
from rest.quantum_v1.shown import Shown
from rest.views import View


@dataclass(frozen=True)
class Asked:
    """`form` is that of the answer; `tenant` is '' where the path names none."""

    context: Context
    call: Call
    form: form.Form
    tenant: str = ""

    @property
    def net(self) -> Any:
        return self.context.net

    @property
    def shown(self) -> Shown:
        return Shown(self.net, self.form.version)

    def require_tenant(self) -> None:
        """Others than administrators see their own tenant only."""
        caller = self.call.caller
        if not caller.is_admin and caller.project_id != self.tenant:
            raise forbidden(["admin_or_owner"])

    # -- what is there ------------------------------------------------------------------------------------------------

    def resource(self, row_type: type) -> Resource:
        found = self.context.resources.of(row_type)
        assert found is not None
        return found

    def network(self, key: str) -> View:
        """A network of the tenant.  Refuses with NetworkNotFound."""
        view = member.visible(self.context, self.call, self.resource(Network), key)
        if view.row.project_id != self.tenant:
            raise not_found(Network, key)
        return view

    def port(self, network: str, key: str) -> View:
        """A port of a network of the tenant.  Refuses with NetworkNotFound and PortNotFound."""
        self.network(network)
        view = member.visible(self.context, self.call, self.resource(Port), key)
        if view.row.network_id != network:
            raise not_found(Port, key)
        return view

    def visible(self, row_type: type, index: str, value: str) -> list[Any]:
        """The rows under an index that the caller may see."""
        resource = self.resource(row_type)
        views = (self.context.views.view(resource, row) for row in self.net.find(row_type, index, value))
        return [view.row for view in self.context.access.reading(self.call.caller, resource).visible(views)]

    # -- what is asked for --------------------------------------------------------------------------------------------

    def body(self, name: str, optional: bool = False) -> dict[str, Any]:
        """The object of that name in the body.  Raises ApiError (400) when there is none, unless it is optional."""
        text = body.read(self.call.request, self.context.body_limit)
        if not text and optional:
            return {}
        try:
            found = form.parsed(self.call.request, text, self.form)
        except ValueError as error:
            raise bad_request("Body contains invalid data") from error
        inside = found.get(name) if isinstance(found, dict) else None
        if inside == "":  # an empty element
            inside = {}
        if not isinstance(inside, dict):
            raise bad_request(f"Unable to find '{name}' in request body")
        return inside

    # -- writing ------------------------------------------------------------------------------------------------------

    def create(self, row_type: type, values: dict[str, Any]) -> Any:
        """Make a row as a v2.0 client with these attributes would."""
        resource = self.resource(row_type)
        given = {name: value for name, value in values.items() if name in resource.attributes}
        ((item,), _) = body.created(resource, {resource.name: {**given, "project_id": self.tenant}}, self.call.caller)
        self.context.access.require_create(self.call.caller, resource, item.target(resource), item.given)
        resources = self.context.resources
        (row,) = self.execute(lambda draft: writes.create(resources, resource, draft, [item.values]))
        return row

    def change(self, view: View, values: dict[str, Any]) -> None:
        """Update a row as a v2.0 client would."""
        resource = self.resource(type(view.row))
        change = body.changed(resource, {resource.name: values})
        self.require(view, "update", change.given, change.target(resource))
        resources, key = self.context.resources, view.row.id
        self.execute(lambda draft: writes.change(resources, resource, draft, key, change.values, None))

    def delete(self, draft: Draft, row: Any) -> None:
        """Remove a row, in a plan."""
        writes.delete(self.context.resources, self.resource(type(row)), draft, row.id)

    def require(self, view: View, verb: str, given: Iterable[Any] = (), values: Any = ()) -> None:
        """Refuse what policy does not let the caller do with a row."""
        resource = self.resource(type(view.row))
        self.context.access.require_row(self.call.caller, resource, view, verb, given, values)

    def execute(self, plan: Callable[[Draft], Any]) -> Any:
        return self.context.execute(self.call, plan)
