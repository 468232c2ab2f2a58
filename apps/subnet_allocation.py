"""Subnets that are given their blocks from a subnet pool: one that they ask for, or one of a length that is free.

A block that nobody asked for by name is the first of the smallest free block that has room for it, as in Neutron, so
large blocks stay whole.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from apps.subnet_pools import SubnetPool
from controller.core.app import App
from controller.core.model import Subnet
from controller.core.plan import Draft, Refusal
from controller.core.plans import prefixes, sharing
from controller.core.plans.refusals import bad_resource
from controller.core.resource import Computed
from controller.core.row import Attribute

app = App("subnet_allocation")

app.extension(
    "subnet_allocation",
    "Subnet Allocation",
    "Subnets have their blocks from subnet pools.",
    "2015-03-30T10:00:00-00:00",
)
app.extension(
    "default-subnetpools",
    "Default Subnetpools",
    "A subnet may ask for the pool that is the default of its IP version.",
    "2016-02-18T18:00:00-00:00",
)

QUOTA_LENGTH = {4: 32, 6: 64}
"""The prefix length of what `default_quota` counts, by IP version."""


def _asked(name: str, check: str, default: Any = None) -> Computed:
    """What a client says when it makes a subnet, and nobody is told later."""
    attribute = Attribute(name, put=False, default=default, check=check, shown=False, filter=False)
    return Computed(name, attribute, lambda net, subnet: None)


app.extend(
    Subnet,
    computed=(_asked("prefixlen", "non_negative"), _asked("use_default_subnetpool", "boolean", False)),
)


@app.prepare(Subnet)
def allocate(draft: Draft, old: Subnet | None, values: dict[str, Any]) -> None:
    """Find the block of a new subnet that is to have one of a pool: its `cidr`, and its gateway where left to us."""
    length, default = values.pop("prefixlen", None), values.pop("use_default_subnetpool", False)
    if old is not None:
        return
    if length is not None and values.get("cidr"):
        raise bad_resource("subnets", "cidr and prefixlen must not be supplied together")
    pool = _pool(draft, values, default)
    if pool is None:
        return
    values["subnetpool_id"] = pool.id
    if not values.get("cidr") and values.get("allocation_pools") is not None:
        raise bad_resource("subnets", "allocation_pools allowed only for specific subnet requests.")
    if values["ip_version"] != pool.ip_version:
        what = f"Cannot allocate IPv{values['ip_version']} subnet from IPv{pool.ip_version} subnet pool"
        raise bad_resource("subnets", what)
    if values.get("cidr"):
        _require_free(draft, pool, values)
    else:
        _choose(draft, pool, values, pool.default_prefixlen if length is None else length)


def _pool(draft: Draft, values: dict[str, Any], default: bool) -> SubnetPool | None:
    """The pool that a new subnet is to have its block from, or None."""
    pool_id = values.get("subnetpool_id")
    if pool_id and default:
        raise bad_resource("subnets", "subnetpool_id and use_default_subnetpool cannot both be specified")
    if pool_id:
        return sharing.require_visible(draft, SubnetPool, pool_id)
    if not default:
        return None
    caller, version = draft.caller, values["ip_version"]
    for pool in draft.find(SubnetPool, "default", version):
        if caller.is_admin or sharing.visible(draft, pool, caller.project_id):
            return pool
    raise bad_resource("subnets", f"No default subnetpool found for IPv{version}")


def _require_free(draft: Draft, pool: SubnetPool, values: dict[str, Any]) -> None:
    block = ipaddress.ip_network(values["cidr"])
    if block.version != pool.ip_version:
        return  # the subnet's own plan says so
    taken = [subnet.cidr for subnet in pool.subnets(draft)]
    _require_allowed(draft, pool, block.prefixlen, values)
    if not prefixes.is_free(values["cidr"], pool.prefixes, taken):
        raise _not_allocated("Cannot allocate requested subnet from the available set of prefixes")


def _choose(draft: Draft, pool: SubnetPool, values: dict[str, Any], length: int) -> None:
    _require_allowed(draft, pool, length, values)
    taken = [subnet.cidr for subnet in pool.subnets(draft)]
    found = prefixes.smallest_free(pool.prefixes, taken, length, pool.ip_version)
    if found is None:
        raise _not_allocated(f"Insufficient prefix space to allocate subnet size /{length}")
    values["cidr"] = found
    if "gateway_ip" not in values and length < prefixes.BITS[pool.ip_version]:
        values["gateway_ip"] = str(ipaddress.ip_network(found)[1])  # in IPv6, too, unlike that of a block by name


def _require_allowed(draft: Draft, pool: SubnetPool, length: int, values: dict[str, Any]) -> None:
    """The length is one that the pool allows, and the project has not had its share."""
    for name, bound, wrong in (
        ("max", pool.max_prefixlen, length > pool.max_prefixlen),
        ("min", pool.min_prefixlen, length < pool.min_prefixlen),
    ):
        if wrong:
            bounds = f"{name}imum allowed prefix is {bound}"
            text = f"Unable to allocate subnet with prefix length {length}, {bounds}."
            raise Refusal(f"{name.capitalize()}PrefixSubnetAllocationError", text, 400)
    if not pool.default_quota:
        return
    project_id, unit = values.get("project_id", ""), QUOTA_LENGTH[pool.ip_version]
    lengths = [ipaddress.ip_network(s.cidr).prefixlen for s in pool.subnets(draft) if s.project_id == project_id]
    if sum(2.0 ** (unit - held) for held in (length, *lengths)) > pool.default_quota:
        text = "Per-project subnet pool prefix quota exceeded."
        raise Refusal("SubnetPoolQuotaExceeded", text, 409)


def _not_allocated(reason: str) -> Refusal:
    """Neutron has no status for it and answers 500, as if it were at fault."""
    return Refusal("SubnetAllocationError", f"Failed to allocate subnet: {reason}.", 409)
