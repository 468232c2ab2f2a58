"""Subnets that were made without a subnet pool are taken into one, with their blocks, as they are."""

from __future__ import annotations

from typing import Any

from apps.subnet_pools import PoolPart, SubnetPool
from controller.core.app import App
from controller.core.model import Network, Subnet
from controller.core.plan import Draft, Refusal
from controller.core.plans import checks, prefixes, sharing, writes
from controller.core.plans.refusals import invalid_input
from controller.core.plans.revision import existing
from controller.core.resource import Action, put_side

app = App("subnet_onboard")

app.extension(
    "subnet_onboard", "Subnet Onboard", "A network's subnets are taken into a subnet pool.", "2018-12-18T09:00:00-00:00"
)


def onboard(draft: Draft, key: str, body: dict[str, Any]) -> list[dict[str, str]]:
    """`{"network_id": id}`: the network's subnets of the pool's IP version are of the pool from now on.

    Returns their ids and blocks.  Refuses when the pool has given any of their addresses away, and for a network that
    is not the caller's: it would change the address scope of somebody else's.
    """
    if not body.get("network_id"):
        raise invalid_input("network_id must be specified.")
    network = sharing.require_visible(draft, Network, checks.check("uuid", "network_id", body["network_id"]))
    if not draft.caller.is_admin and network.project_id != draft.caller.project_id:
        raise Refusal("NotAuthorized", "Not authorized.", 403)
    pool: SubnetPool = existing(draft, SubnetPool, key)
    on_it = draft.find(Subnet, "network_id", network.id)
    taken_in = [subnet for subnet in on_it if subnet.ip_version == pool.ip_version]
    _require_free(pool, taken_in, [subnet.cidr for subnet in pool.subnets(draft)])
    _grow(draft, pool, [subnet.cidr for subnet in taken_in])
    for subnet in taken_in:
        put_side(draft, PoolPart, subnet.id, {"subnetpool_id": pool.id})
        writes.touch(draft, subnet, subnet)
    return [{"id": subnet.id, "cidr": subnet.cidr} for subnet in taken_in]


def _require_free(pool: SubnetPool, subnets: list[Subnet], taken: list[str]) -> None:
    for subnet in subnets:
        if prefixes.overlap([subnet.cidr], taken):
            what = f"conflicts with allocated prefixes in subnet pool {pool.id}"
            reason = f"Onboarding subnet {subnet.id}: {subnet.cidr} {what}"
            raise Refusal("IllegalSubnetPoolUpdate", f"Illegal subnetpool update : {reason}.", 400)


def _grow(draft: Draft, pool: SubnetPool, blocks: list[str]) -> None:
    """The pool has these, too, by its own plan: what a pool must keep to, it keeps to."""
    assert draft.resources is not None, "this draft knows no resources"
    resource = draft.resources.of(SubnetPool)
    if resource is not None and resource.change is not None:
        resource.change(draft, pool.id, {"prefixes": (*pool.prefixes, *blocks)})


app.extend(SubnetPool, actions=[Action("onboard_network_subnets", onboard)])
