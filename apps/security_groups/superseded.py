"""How a port stood before a change of its groups or addresses that both takes away and adds.

Its own switch checks what it sends and gets by its groups; other switches let it in, or let others send to it, as a
member of remote groups.  They can't all change at the same moment: what its new groups let out might meet a switch that
still lets in a member of the old ones, so that a packet passes which neither the old groups nor the new ones allow.

So while a Superseded row stands for the port (core.interim), only what both allow is allowed: it is a member of the
groups that it stays in, with the addresses that it keeps, and its packets have to pass by its old groups and by its
new ones.  Until all switches have acknowledged that, each has the old state or this one; from then on, this one or the
new one.  So what passes is allowed at both ends by the old state, or at both ends by the new one.  A change that only
takes away, or only adds, needs no order.
"""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any, NamedTuple

from apps.allowed_address_pairs import AddressPairs
from apps.port_security import PortSecurity
from apps.security_groups.rows import Membership, Superseded
from controller.core.model import Port
from controller.core.plan import Draft
from controller.core.plans.allocate import next_key

TURNS = "superseded turn"
"""The Sequence of turns: what ends one row never ends another one that says the same."""
WIDEST = {4: 8, 6: 32}
"""The shortest prefixes of address pairs that count as addresses of a member.  A pair of 0.0.0.0/0 says that a port
forwards for anybody; taken for a member's, it would let the whole world into the group."""


class Standing(NamedTuple):
    """How a port stands: whether it is protected, its groups, and the blocks of addresses that it brings into them."""

    protected: bool
    groups: tuple[str, ...]
    prefixes: tuple[str, ...]

    @property
    def pairs(self) -> set[tuple[str, str]]:
        return {(group, prefix) for group in self.groups for prefix in self.prefixes}

    def within(self, other: Standing) -> bool:
        """Whether it may no more than the other, and no more are let in for it."""
        passes = not other.protected or (self.protected and set(self.groups) <= set(other.groups))
        return passes and self.pairs <= other.pairs


def standing(net: Any, port_id: str) -> Standing:
    """How the rows say that a port stands."""
    return Standing(*protection(net, port_id), _prefixes(net, port_id))


def protection(net: Any, port_id: str) -> tuple[bool, tuple[str, ...]]:
    """Whether the rows say that a port is protected, and its groups."""
    member = net.get(Membership, port_id)
    return PortSecurity.enabled(net, port_id), member.security_groups if member is not None else ()


def _prefixes(net: Any, port_id: str) -> tuple[str, ...]:
    port = net.get(Port, port_id)
    found = dict.fromkeys(str(ip_network(fixed.ip_address)) for fixed in (port.fixed_ips if port is not None else ()))
    for _, block in AddressPairs.blocks(net, port_id):
        if block.prefixlen >= WIDEST[block.version]:
            found[str(block)] = None
    return tuple(found)


def before(net: Any, port_id: str) -> Standing | None:
    """How a port stood before a change that switches have yet to acknowledge; None when there is none."""
    row = net.get(Superseded, port_id)
    return Standing(row.protected, row.security_groups, row.prefixes) if row is not None else None


def supersede(draft: Draft, port_id: str) -> None:
    """Note how a changed port stood, when it may both less and more from now on.

    When it changes once more before the switches have acknowledged that, they have the first state still, or what that
    and another one have in common: the first state is what counts.
    """
    known = draft.get(Superseded, port_id)
    was, now = before(draft, port_id) or standing(draft.committed, port_id), standing(draft, port_id)
    if not (now.within(was) or was.within(now)):
        turn = next_key(draft, TURNS)
        draft.put(Superseded(port_id, was.protected, was.groups, was.prefixes, turn))
    elif known is not None:
        draft.remove(known)
