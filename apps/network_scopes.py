"""Which address scopes a network is in: those of the pools that its subnets have their blocks from.

A network's subnets of one IP version are of one pool, or of pools of one scope, so that it is in one scope at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.subnet_pools import PoolPart, SubnetPool
from controller.core.app import App
from controller.core.model import Network, Subnet
from controller.core.net import Net
from controller.core.plan import Draft, Refusal
from controller.core.resource import Computed, Source
from controller.core.row import Attribute

app = App("network_scopes")


def _pool(net: Any, subnet: Subnet) -> SubnetPool | None:
    """The pool that a subnet has its block from.  `net` is a Net or a Draft, here and below."""
    part = net.get(PoolPart, subnet.id)
    return None if part is None else net.get(SubnetPool, part.subnetpool_id)


def _scope(net: Any, subnets: Iterable[Subnet]) -> str | None:
    """The address scope of a network's subnets of one IP version."""
    pools = (_pool(net, subnet) for subnet in subnets)
    return next((pool.address_scope_id for pool in pools if pool is not None and pool.address_scope_id), None)


def _subnets(net: Any, network_id: str, ip_version: int) -> list[Subnet]:
    return [subnet for subnet in net.find(Subnet, "network_id", network_id) if subnet.ip_version == ip_version]


# ---------------------------------------------------------------------------------------------------------------------
# What networks show


def _attribute(ip_version: int) -> Computed:
    attribute = Attribute(f"ipv{ip_version}_address_scope", post=False, put=False, filter=False)
    return Computed("", attribute, lambda net, network: _scope(net, _subnets(net, network.id, ip_version)))


def _network_of(net: Net, part: PoolPart) -> Iterable[str]:
    subnet = net.get(Subnet, part.subnet_id)
    return () if subnet is None else (subnet.network_id,)


def _networks_of(net: Net, pool: SubnetPool) -> Iterable[str]:
    return {subnet.network_id for subnet in pool.subnets(net)}


app.extend(
    Network,
    computed=(_attribute(4), _attribute(6)),
    sources=(Source(PoolPart, _network_of), Source(SubnetPool, _networks_of)),
)

# ---------------------------------------------------------------------------------------------------------------------
# Rules


@app.rule(Subnet)
def of_one_pool(draft: Draft, old: Subnet | None, new: Subnet | None, values: Any) -> None:
    """A new subnet is of the same pool as the others of its IP version on the network, or of one of their scope."""
    if old is not None or new is None:
        return
    others = [subnet for subnet in _subnets(draft, new.network_id, new.ip_version) if subnet.id != new.id]
    pool, scope = _pool(draft, new), _scope(draft, others)
    if pool is not None and scope is not None:
        if pool.address_scope_id != scope:
            raise _not_of_one_scope()
    elif any(_pool(draft, other) != pool for other in others):
        text = "Subnets hosted on the same network must be allocated from the same subnet pool."
        raise Refusal("NetworkSubnetPoolAffinityError", text, 400)


@app.rule(SubnetPool)
def takes_networks_along(draft: Draft, old: SubnetPool | None, new: SubnetPool | None, values: Any) -> None:
    """A pool that is in a scope has all subnets of its IP version on the networks that have any of it."""
    if old is None or new is None or new.address_scope_id is None:
        return
    for network_id in _networks_of(draft, new):  # type: ignore[arg-type]
        if any(_pool(draft, subnet) != new for subnet in _subnets(draft, network_id, new.ip_version)):
            raise _not_of_one_scope()


def _not_of_one_scope() -> Refusal:
    what = "Subnets of the same address family hosted on the same network"
    text = f"{what} must all participate in the same address scope."
    return Refusal("NetworkAddressScopeAffinityError", text, 400)
