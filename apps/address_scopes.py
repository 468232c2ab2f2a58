"""Address scopes: within one, no address means two hosts, so that it can be routed without translation.

Subnet pools are in a scope (apps/subnet_pools.py), and by way of their subnets so are networks.
"""

from __future__ import annotations

from typing import Any

from controller.core.app import App
from controller.core.plan import Draft, Refusal
from controller.core.plans import sharing
from controller.core.resource import Sharing
from controller.core.row import REQUIRED, attr, index, quiet

app = App("address_scopes")

app.extension(
    "rbac-address-scope",
    "Add address_scope type to RBAC",
    "Address scopes are shared by RBAC policies.",
    "2020-02-12T00:00:00-00:00",
)
app.extension("address-scope", "Address scope", "Addresses are unique in a scope.", "2015-07-26T10:00:00-00:00")


@app.row(key="id", indexes=[index("project_id")], absent="Address scope {} could not be found.")
class AddressScope:
    """Clients see neither its times nor its revision number, as in Neutron."""

    id: str = attr(default="", post=False, put=False)
    project_id: str = attr(default="", put=False, initial="", check="string", quiet=True)
    name: str = attr(default="", initial="", check="string", quiet=True)
    ip_version: int = attr(default=4, put=False, initial=REQUIRED, check="ip_version", quiet=True)
    created_at: str = quiet(default="")
    updated_at: str = quiet(default="")
    revision_number: int = quiet(default=0)


app.resource("address_scope", "address-scopes", AddressScope, sharing=Sharing())


@app.prepare(AddressScope)
def stays_shared(draft: Draft, old: AddressScope | None, values: dict[str, Any]) -> None:
    """What is shared with everyone once is so for good."""
    if old is not None and not values.get("shared", True) and sharing.shared(draft, old.id, sharing.EVERYONE):
        text = f"Unable to update address scope {old.id} : Shared address scope can't be unshared."
        raise Refusal("AddressScopeUpdateError", text, 400)
