"""Subnet pools: blocks of addresses that subnets are given parts of, so that no two of them overlap.

How a subnet gets its part is the business of apps/subnet_allocation.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from apps.address_scopes import AddressScope
from controller.core.app import App
from controller.core.model import Subnet
from controller.core.plan import Draft, Refusal
from controller.core.plans import checks, parse, prefixes
from controller.core.plans.refusals import bad_request, invalid_input
from controller.core.plans.revision import existing, update
from controller.core.resource import Action, Sharing
from controller.core.row import PLANNED, REQUIRED, Check, Tagged, attr, index

app = App("subnet_pools")

app.extension(
    "rbac-subnetpool",
    "Add subnetpool type to RBAC",
    "Subnet pools are shared by RBAC policies.",
    "2020-02-05T00:00:00-00:00",
)
app.extension(
    "subnetpool-prefix-ops",
    "Subnet Pool Prefix Operations",
    "Prefixes are added to subnet pools and removed.",
    "2019-02-08T10:00:00-00:00",
)

SMALLEST_LENGTH = {4: 8, 6: 64}
"""The `min_prefixlen` of a pool that has none of its own, by IP version (Neutron's)."""

# ---------------------------------------------------------------------------------------------------------------------
# Rows


def _name(value: Any) -> str:
    if not parse.string(value).strip():
        raise parse.Invalid(f"'{value}' Blank strings are not permitted")
    return parse.string(value)


def _prefixes(value: Any) -> tuple[str, ...]:
    """A list of different blocks; bits of theirs below the prefix length don't count."""
    if not isinstance(value, list):
        raise parse.Invalid(f"'{parse.printable(value)}' is not a list")
    if len(value) > parse.MOST_ITEMS:
        raise parse.Invalid(f"The list has more than {parse.MOST_ITEMS} items")
    again = [str(item) for place, item in enumerate(value) if item in value[:place]]
    if again:
        raise parse.Invalid(f"Duplicate items in the list: '{parse.printable(', '.join(again))}'")
    return tuple(_prefix(item) for item in value)


def _prefix(value: Any) -> str:
    try:
        return parse.cidr(value)
    except Refusal:
        raise parse.Invalid(f"'{parse.printable(value)}' is not a valid IP subnet") from None


def _pool_id(value: Any) -> str | None:
    if value == "prefix_delegation":
        raise parse.Invalid("prefix delegation is not supported")
    return parse.uuid_or_null(value)


NAME = Check(_name, {"type": "string", "minLength": 1, "maxLength": parse.LONGEST})
PREFIXES = Check(
    _prefixes, {"type": "array", "items": {"type": "string", "examples": ["10.0.0.0/8"]}, "maxItems": parse.MOST_ITEMS}
)
LENGTH = Check(parse.non_negative, {"type": "integer", "minimum": 0})
"""A prefix length: clients give numbers and are shown texts, as in Neutron."""
POOL_ID = Check(_pool_id, {"type": ["string", "null"], "format": "uuid"})


def _default(pool: SubnetPool) -> Iterable[int]:
    return (pool.ip_version,) if pool.is_default else ()


@app.row(
    key="id",
    indexes=[index("project_id"), index("address_scope_id"), index("default", each=_default)],
    absent="Subnet pool {} could not be found.",
)
class SubnetPool(Tagged):
    """`prefixes` are merged and of one IP version.  A project's subnets may have `default_quota` of it: so many
    addresses in IPv4, blocks of length 64 in IPv6 (None or 0: all)."""

    name: str = attr(default="", initial=REQUIRED, check=NAME, quiet=True)
    prefixes: tuple[str, ...] = attr(default=(), initial=REQUIRED, check=PREFIXES, filter=False, quiet=True)
    ip_version: int = attr(default=4, post=False, put=False, check="ip_version", quiet=True)
    default_prefixlen: int = attr(default=0, initial=None, check=LENGTH, quiet=True)
    min_prefixlen: int = attr(default=0, initial=None, check=LENGTH, quiet=True)
    max_prefixlen: int = attr(default=0, initial=None, check=LENGTH, quiet=True)
    default_quota: int | None = attr(default=None, initial=None, check="non_negative", quiet=True)
    is_default: bool = attr(default=False, initial=False, check="boolean", quiet=True)
    address_scope_id: str | None = attr(
        default=None, initial=None, check="uuid_or_null", quiet=True, refers=AddressScope, on_delete=PLANNED
    )

    def subnets(self, net: Any) -> list[Subnet]:
        """Those that have their blocks from the pool.  `net` is a Net or a Draft."""
        found = (net.get(Subnet, part.subnet_id) for part in net.find(PoolPart, "subnetpool_id", self.id))
        return [subnet for subnet in found if subnet is not None]


@app.row(
    key="subnet_id",
    extends=Subnet,
    indexes=[index("subnetpool_id", each=lambda part: [part.subnetpool_id] if part.subnetpool_id else [])],
)
class PoolPart:
    """The pool that a subnet's block is part of."""

    subnet_id: str
    subnetpool_id: str | None = attr(
        default=None, put=False, initial=None, check=POOL_ID, quiet=True, refers=SubnetPool, on_delete=PLANNED
    )


# ---------------------------------------------------------------------------------------------------------------------
# Plans


def create(draft: Draft, values: dict[str, Any]) -> SubnetPool:
    """Make a pool.

    `values`: fields of SubnetPool; prefix lengths left out are those of the IP version, and the default one is the
    smallest.  Refuses prefixes of two versions, lengths that don't go together, and what breaks a rule of the scope.
    """
    if not values["prefixes"]:
        raise Refusal("EmptySubnetPoolPrefixList", "Empty subnet pool prefix list.", 400)
    version = _version(values["prefixes"])
    smallest = values.get("min_prefixlen", SMALLEST_LENGTH[version])
    lengths = {"min_prefixlen": smallest, "default_prefixlen": smallest, "max_prefixlen": prefixes.BITS[version]}
    stamps = {"id": draft.new_id(), "created_at": draft.now, "updated_at": draft.now}
    given = {**lengths, **values, "prefixes": prefixes.merged(values["prefixes"])}
    pool = SubnetPool(**{**given, **stamps, "ip_version": version})
    _require(draft, pool)
    return draft.put(pool)


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> SubnetPool:
    """Update a pool.  Its prefixes may only grow; one in a scope of others is theirs to change."""
    pool: SubnetPool = existing(draft, SubnetPool, key, revision)
    if "prefixes" in values:
        version = _version((*pool.prefixes, *values["prefixes"]))
        if not prefixes.cover(values["prefixes"], pool.prefixes):
            raise _illegal_prefixes("Existing prefixes must be a subset of the new prefixes")
        values = {**values, "prefixes": prefixes.merged(values["prefixes"]), "ip_version": version}
    scope = draft.get(AddressScope, pool.address_scope_id)
    if scope is not None and not draft.caller.is_admin and scope.project_id != draft.caller.project_id:
        what = f"cannot be updated when associated with shared address scope {scope.id}"
        raise Refusal("IllegalSubnetPoolUpdate", f"Illegal subnetpool update : subnetpool {key} {what}.", 400)
    _require(draft, replace(pool, **values))
    return update(draft, pool, values)


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    """Remove a pool.  Refuses while subnets have blocks of it."""
    pool = existing(draft, SubnetPool, key, revision)
    if draft.count_of(PoolPart, "subnetpool_id", key):
        text = "Unable to delete subnet pool: Subnet pool has existing allocations."
        raise Refusal("SubnetPoolDeleteError", text, 400)
    draft.remove(pool)


def add_prefixes(draft: Draft, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """`{"prefixes": [...]}`: the pool has these, too.  Returns all that it has."""
    pool = existing(draft, SubnetPool, key)
    grown = change(draft, key, {"prefixes": (*pool.prefixes, *_asked(body))})
    return {"prefixes": list(grown.prefixes)}


def remove_prefixes(draft: Draft, key: str, body: dict[str, Any]) -> dict[str, Any]:
    """`{"prefixes": [...]}`: the pool is without these.  Refuses while subnets have blocks of them."""
    pool, asked = existing(draft, SubnetPool, key), _asked(body)
    if prefixes.overlap((subnet.cidr for subnet in pool.subnets(draft)), asked):
        raise _illegal_prefixes("One or more the prefixes to be removed is in use by a subnet.")
    left = update(draft, pool, {"prefixes": prefixes.without(pool.prefixes, asked)})
    return {"prefixes": list(left.prefixes)}


def _asked(body: dict[str, Any]) -> tuple[str, ...]:
    if not body.get("prefixes"):
        raise bad_request("Request body contains invalid data")
    return checks.check(PREFIXES, "prefixes", body["prefixes"])


def _version(blocks: Iterable[str]) -> int:
    versions = {ipaddress.ip_network(block).version for block in blocks}
    if len(versions) > 1:
        raise Refusal("PrefixVersionMismatch", "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.", 400)
    return versions.pop()


def _illegal_prefixes(reason: str) -> Refusal:
    return Refusal("IllegalSubnetPoolPrefixUpdate", f"Illegal update to prefixes: {reason}.", 400)


app.resource(
    "subnetpool",
    "subnetpools",
    SubnetPool,
    create,
    change,
    delete,
    shapes={"default_prefixlen": str, "min_prefixlen": str, "max_prefixlen": str},
    sharing=Sharing(put=False, users=lambda draft, pool: {subnet.project_id for subnet in pool.subnets(draft)}),
    actions=(
        Action("add_prefixes", add_prefixes, rule="add_prefixes"),
        Action("remove_prefixes", remove_prefixes, rule="remove_prefixes"),
    ),
    quota=-1,
)

# ---------------------------------------------------------------------------------------------------------------------
# What a pool must keep to


def _require(draft: Draft, pool: SubnetPool) -> None:
    _require_lengths(pool)
    others = (other for other in draft.find(SubnetPool, "default", pool.ip_version) if other.id != pool.id)
    if pool.is_default and any(others):
        text = "A default subnetpool for this IP family has already been set. Only one default may exist per IP family"
        raise invalid_input(text)
    scope = draft.get(AddressScope, pool.address_scope_id)
    if scope is not None:
        _require_scope(draft, pool, scope)


def _require_lengths(pool: SubnetPool) -> None:
    """min_prefixlen <= default_prefixlen <= max_prefixlen <= that of an address."""
    ordered = (
        ("min_prefixlen", pool.min_prefixlen, "max_prefixlen", pool.max_prefixlen, True),
        ("max_prefixlen", pool.max_prefixlen, "ip_version_max", prefixes.BITS[pool.ip_version], True),
        ("default_prefixlen", pool.default_prefixlen, "min_prefixlen", pool.min_prefixlen, False),
        ("default_prefixlen", pool.default_prefixlen, "max_prefixlen", pool.max_prefixlen, True),
    )
    for name, length, other, bound, below in ordered:
        if length > bound if below else length < bound:
            text = f"Illegal prefix bounds: {name}={length}, {other}={bound}."
            raise Refusal("IllegalSubnetPoolPrefixBounds", text, 400)


def _require_scope(draft: Draft, pool: SubnetPool, scope: AddressScope) -> None:
    """The pool is of the scope's IP version, and no other pool there has addresses of it."""
    if pool.ip_version != scope.ip_version:
        what = f"cannot associate with address scope {scope.id} because subnetpool ip_version is not {scope.ip_version}"
        text = f"Illegal subnetpool association: subnetpool {pool.id} {what}."
        raise Refusal("IllegalSubnetPoolIpVersionAssociationToAddressScope", text, 400)
    for other in draft.find(SubnetPool, "address_scope_id", scope.id):
        if other.id != pool.id and prefixes.overlap(other.prefixes, pool.prefixes):
            what = "subnetpools within an address scope must have unique prefixes"
            raise Refusal("AddressScopePrefixConflict", f"Failed to associate address scope: {what}.", 409)


@app.rule(AddressScope)
def scope_is_unused(draft: Draft, old: AddressScope | None, new: AddressScope | None, values: Any) -> None:
    """A scope stays while pools are in it."""
    if old is not None and new is None and draft.count_of(SubnetPool, "address_scope_id", old.id):
        reason = "There are one or more subnet pools in use on the address scope."
        text = f"Unable to complete operation on address scope {old.id}. {reason}"
        raise Refusal("AddressScopeInUse", text, 409)
