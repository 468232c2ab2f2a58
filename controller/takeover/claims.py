"""What would clash: numbers, addresses and names that something else has, and references to what is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from apps.address_groups import AddressGroup
from apps.address_scopes import AddressScope
from apps.security_groups.rows import (
    PARENT,
    DefaultSecurityGroupRule,
    Membership,
    SecurityGroup,
    SecurityGroupRule,
    meaning,
)
from apps.security_groups.templates import FIRST
from apps.subnet_pools import PoolPart, SubnetPool
from controller.core.model import Attachment, Network, Port, RbacPolicy, Segment, Subnet
from controller.core.plan import Draft
from controller.core.plans import allocate
from controller.core.row import SIDES, key_of
from controller.takeover.gathered import Clash, Gone

OWNERS = {side: owner for owner, sides in SIDES.items() for side in sides}
KEYED = {Network: "network key", Port: "port key"}
"""Classes whose rows get a number of ours, and the sequence that it is from."""
DEFAULT_GROUP = "default"
FROM_THE_START = frozenset(template.id for template in FIRST)


@dataclass
class Taken:
    """Rows made, rows there already and rows removed, by class; and what clashes."""

    made: dict[type, int] = field(default_factory=dict)
    there: dict[type, int] = field(default_factory=dict)
    gone: dict[type, int] = field(default_factory=dict)
    clashes: list[Clash] = field(default_factory=list)


def take(draft: Draft, rows: Iterable[Any]) -> Taken:
    """Write rows into a draft, those of them that clash with nothing.

    One whose key is there already is left as it is there: it was taken over before, or has been changed since.
    """
    taken = Taken()
    for row in rows:
        if isinstance(row, Gone):
            _remove(draft, row, taken)
            continue
        kind = type(row)
        if draft.get(kind, key_of(row)) is not None or _is_of_known_network(draft, row):
            taken.there[kind] = taken.there.get(kind, 0) + 1
            continue
        rules = list(_broken(draft, row))
        if rules:
            taken.clashes.extend(Clash(about(row), rule) for rule in rules)
            continue
        _replace(draft, row)
        draft.put(_completed(draft, row))
        taken.made[kind] = taken.made.get(kind, 0) + 1
    return taken


def _remove(draft: Draft, gone: Gone, taken: Taken) -> None:
    known = draft.get(gone.kind, gone.key)
    if known is not None:
        draft.remove(known)
        taken.gone[gone.kind] = taken.gone.get(gone.kind, 0) + 1


def _replace(draft: Draft, row: Any) -> None:
    """A template that is here from the start gives way to the one that says the same there."""
    if isinstance(row, DefaultSecurityGroupRule):
        for known in draft.find(DefaultSecurityGroupRule, "meaning", meaning(row)):
            draft.remove(known)


def about(row: Any) -> str:
    """What a row is called where people read of it."""
    name = getattr(row, "name", "")
    return f"{type(row).__name__} {key_of(row)}{f' ({name})' if name else ''}"


def _is_of_known_network(draft: Draft, row: Any) -> bool:
    """A segment whose network has that very number here, by another id: the network was made here as it is there."""
    if not isinstance(row, Segment):
        return False
    known = draft.find(Segment, "network_id", row.network_id)
    return any(_carrier(one) == _carrier(row) for one in known)


def _carrier(segment: Segment) -> tuple[str, str | None, int | None]:
    return segment.network_type, segment.physical_network, segment.segmentation_id


def _completed(draft: Draft, row: Any) -> Any:
    """The row with what only we can give it: a key, a MAC where it had none, a time."""
    more: dict[str, Any] = {}
    if type(row) in KEYED:
        more["key"] = allocate.next_key(draft, KEYED[type(row)])
    if isinstance(row, Port) and not row.mac_address:
        more["mac_address"] = allocate.mac(draft, row.network_id)
    if getattr(row, "created_at", None) == "":
        more |= {"created_at": draft.now, "updated_at": draft.now}
    return replace(row, **more) if more else row


# ---------------------------------------------------------------------------------------------------------------------
# Rules


def _broken(draft: Draft, row: Any) -> Iterator[str]:
    """The rules that a row breaks, in words."""
    for wanted, key in _references(row):
        if draft.get(wanted, key) is None:
            yield f"it refers to {wanted.__name__} {key}, which is neither there nor taken over"
    match row:
        case Segment():
            yield from _segment(draft, row)
        case Port():
            yield from _port(draft, row)
        case Attachment():
            for held in draft.find(Attachment, "vif_id", row.vif_id):
                yield f"interface {row.vif_id} is that of port {held.port_id} already"
        case SecurityGroup() if row.name == DEFAULT_GROUP:
            for other in draft.find(SecurityGroup, "default", row.project_id):
                yield f"project {row.project_id} has a default security group already, {other.id}"
        case DefaultSecurityGroupRule():
            for known in draft.find(DefaultSecurityGroupRule, "meaning", meaning(row)):
                if known.id not in FROM_THE_START:
                    yield f"default security group rule {known.id} says the same already"
        case _:
            pass


def _references(row: Any) -> Iterator[tuple[type, str]]:
    """What must be there for a row to have a meaning, as (class, key)."""
    owner = OWNERS.get(type(row))
    if owner is not None:
        yield owner, key_of(row)
    match row:
        case Segment() | Subnet() | Port():
            yield Network, row.network_id
        case SecurityGroupRule():
            yield SecurityGroup, row.security_group_id
            yield from _remotes(row)
        case DefaultSecurityGroupRule():
            yield from _remotes(row)
        case Membership():
            yield from ((SecurityGroup, group) for group in row.security_groups)
        case Attachment():
            yield Port, row.port_id
        case PoolPart() if row.subnetpool_id:
            yield SubnetPool, row.subnetpool_id
        case SubnetPool() if row.address_scope_id:
            yield AddressScope, row.address_scope_id
        case RbacPolicy() if row.object_type == "network":
            yield Network, row.object_id
        case _:
            pass
    if isinstance(row, Subnet) and row.segment_id:
        yield Segment, row.segment_id
    if isinstance(row, Port):
        yield from ((Subnet, ip.subnet_id) for ip in row.fixed_ips)


def _remotes(rule: SecurityGroupRule | DefaultSecurityGroupRule) -> Iterator[tuple[type, str]]:
    if rule.remote_group_id and rule.remote_group_id != PARENT:
        yield SecurityGroup, rule.remote_group_id
    if rule.remote_address_group_id:
        yield AddressGroup, rule.remote_address_group_id


def _segment(draft: Draft, row: Segment) -> Iterator[str]:
    if row.network_type == "local":
        return
    for other in draft.find(Segment, "network_type+physical_network+segmentation_id", _carrier(row)):
        at = f" of {row.physical_network}" if row.physical_network else ""
        number = "" if row.segmentation_id is None else f" {row.segmentation_id}"
        yield f"{row.network_type}{number}{at} is that of network {other.network_id} already"
    largest = {"vlan": allocate.VLANS[1], **allocate.LARGEST_TUNNEL_ID}.get(row.network_type)
    if largest is not None and not 1 <= (row.segmentation_id or 0) <= largest:
        yield f"{row.segmentation_id} is not the number of a {row.network_type} network"


def _port(draft: Draft, row: Port) -> Iterator[str]:
    if row.mac_address:
        for other in draft.find(Port, "network_id+mac_address", (row.network_id, row.mac_address)):
            yield f"MAC address {row.mac_address} is that of port {other.id} on the same network"
    for ip in row.fixed_ips:
        for other in draft.find(Port, "address", (row.network_id, ip.ip_address)):
            yield f"address {ip.ip_address} is that of port {other.id} on the same network"
        subnet = draft.get(Subnet, ip.subnet_id)
        if subnet is not None and subnet.network_id != row.network_id:
            yield f"address {ip.ip_address} is of subnet {subnet.id}, which is of another network"
