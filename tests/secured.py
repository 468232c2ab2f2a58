"""Actions on security groups, for the laws' clouds (see strategies): few groups and rules, so that they meet."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from apps.address_groups import AddressGroup
from apps.allowed_address_pairs import AddressPair, AddressPairs
from apps.port_security import PortSecurity
from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule
from controller.core.model import Port
from controller.core.plan import Draft
from controller.core.resource import put_side
from tests.world.world import World

GROUPS = ("g0", "g1", "g2")
"""The last one is stateless."""
BLOCKS = "blocks"
REMOTES: tuple[dict[str, str], ...] = (
    *({"remote_group_id": group} for group in GROUPS),
    {"remote_address_group_id": BLOCKS},
    {"remote_ip_prefix": "10.0.0.0/25"},
    {},
)
ADDRESSES = ("10.0.0.2/32", "10.0.0.3/32", "10.1.0.0/16", "fd00::2/128")
numbers = st.integers(0, 5)

secured = st.one_of(
    st.tuples(st.just("join"), numbers, st.sampled_from(((), (0,), (1,), (0, 1), (2,)))),
    st.tuples(st.just("join"), numbers, st.sampled_from(((0,), (0, 1)))),
    st.tuples(st.just("unprotect"), numbers),
    st.tuples(st.just("allow"), st.integers(0, 2), numbers, st.sampled_from(("ingress", "egress"))),
    st.tuples(st.just("allow"), st.integers(0, 2), numbers, st.just("ingress")),
    st.tuples(st.just("forbid"), numbers),
    st.tuples(st.just("blocks"), st.integers(0, 3)),
    st.tuples(st.just("pair"), numbers, st.sampled_from(ADDRESSES)),
    st.tuples(st.just("drop_group"), st.integers(0, 2)),
)


def _groups(draft: Draft) -> None:
    for number, key in enumerate(GROUPS):
        if draft.get(SecurityGroup, key) is None:
            draft.put(SecurityGroup(key, stateful=number < 2, key=number + 1))
    if draft.get(AddressGroup, BLOCKS) is None:
        draft.put(AddressGroup(BLOCKS, key=9))


def _port(draft: Draft, number: int) -> Port | None:
    ports = sorted(draft.all(Port), key=lambda port: port.key)
    return ports[number % len(ports)] if ports else None


def join(draft: Draft, number: int, chosen: tuple[int, ...]) -> None:
    """A port is protected, in some groups."""
    _groups(draft)
    port = _port(draft, number)
    if port is not None:
        put_side(draft, PortSecurity, port.id, {"port_security_enabled": True})
        put_side(draft, Membership, port.id, {"security_groups": tuple(GROUPS[n] for n in chosen)})


def unprotect(draft: Draft, number: int) -> None:
    port = _port(draft, number)
    if port is not None:
        put_side(draft, PortSecurity, port.id, {"port_security_enabled": False})
        put_side(draft, Membership, port.id, {"security_groups": ()})


def allow(draft: Draft, group: int, remote: int, direction: str) -> None:
    _groups(draft)
    about: dict[str, Any] = REMOTES[remote]
    key = f"{group}-{remote}-{direction}"
    ports = {"protocol": "tcp", "port_range_min": 79, "port_range_max": 81} if remote % 2 else {}
    draft.put(SecurityGroupRule(key, direction, security_group_id=GROUPS[group], **ports, **about))


def forbid(draft: Draft, number: int) -> None:
    rules = sorted(draft.all(SecurityGroupRule), key=lambda rule: rule.id)
    if rules:
        draft.remove(rules[number % len(rules)])


def blocks(draft: Draft, number: int) -> None:
    draft.put(AddressGroup(BLOCKS, addresses=ADDRESSES[number:], key=9))


def pair(draft: Draft, number: int, address: str) -> None:
    port = _port(draft, number)
    if port is not None:
        put_side(draft, AddressPairs, port.id, {"allowed_address_pairs": (AddressPair(port.mac_address, address),)})


def drop_group(draft: Draft, number: int) -> None:
    """It goes with its rules, though ports may be in it: their rows may come and go in any order."""
    group = draft.get(SecurityGroup, GROUPS[number])
    if group is not None:
        draft.remove(group)
        for rule in draft.find(SecurityGroupRule, "security_group_id", group.id):
            draft.remove(rule)


PLANS = {plan.__name__: plan for plan in (join, unprotect, allow, forbid, blocks, pair, drop_group)}
ACTIONS = {name: lambda world, *what, plan=plan: World.write(world, plan, *what) for name, plan in PLANS.items()}
"""What `strategies.perform` calls."""
