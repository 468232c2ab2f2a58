"""Security groups as flows: what no rule lets through is dropped, at its sender and at its receiver.

Every packet of a protected port is checked by the rules as they are now, also those of connections that are there: so
a rule or a member that is taken away ends what it allowed, and nothing else.  A packet that passes begins a connection
in the port's own zone; an answer is checked by the rules of the direction that its connection began in.  Stateless
groups know no connections (see matches).

    egress, ingress      is the port protected, and does the packet need no rule (ARP, ND, DHCP)
    ..._track            ask the connection tracker, in the port's zone
    ..._rules            which rules are the packet's, by what the tracker said
    groups               the port's groups, one after the other
    groups_too           those of a port that changes groups, which a packet has to pass by, too
    rules                does a rule of the group let it pass
    ..._verdict          keep a new connection; drop what no rule lets pass

The rules of a group are there once on a switch, whichever of its ports are in it.  A rule about a remote group is a
conjunction: its addresses (clause 1, which all rules about it share), and the rule's group, protocol and ports (clause
2); its id is the remote group's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from apps.address_groups import AddressGroup
from apps.security_groups.derived import GroupOnSwitch, PrefixOnSwitch, ProtectedPort, RemoteOnSwitch, remote_of
from apps.security_groups.matches import (
    EGRESS,
    INGRESS,
    IPV4,
    IPV6,
    UNTRACKED,
    block,
    heads,
    way_of,
)
from apps.security_groups.rows import SecurityGroup, SecurityGroupRule, app
from controller.core import flow as f
from controller.core.derived import Switch
from controller.core.flow import Conjunction, Flow
from controller.core.model import INT, Port
from controller.core.pipeline import (
    DROP,
    EGRESS_ACL,
    GROUP,
    INGRESS_ACL,
    NEXT,
    OUT,
    SRC,
    TRACK,
    VERDICT,
    WAY,
    ZONE,
    Field,
    Table,
    goto,
    load,
    onward,
    resubmit,
)

ARP, RARP = 0x0806, 0x8035
ICMPV6, UDP = 58, 17
LISTENERS, SOLICIT_ROUTER, ADVERTISE_ROUTER, NEIGHBOURS = (130, 131, 132, 143), 133, 134, (135, 136)
"""Types of ICMPv6 (RFC 2710, RFC 3810, RFC 4861) that are let through without a rule: who listens to which group,
Router Solicitations of guests, Router Advertisements to them, and Neighbor Discovery."""

ASKED, ALLOWED = 1, 2
"""What VERDICT holds: no rule allows it (yet), a rule does."""
PLAIN, JOINT, MET = 100, 90, 80
"""Priorities of rules: those by themselves; clauses of conjunctions; what a conjunction leads to."""
ADDRESSES, HEADS = 1, 2
"""The clauses of a conjunction."""


class Checkpoint(NamedTuple):
    """The tables that a packet goes through in one direction."""

    entry: Table
    track: Table
    rules: Table
    verdict: Table


def _checkpoint(
    name: str, other: str, *, port: Field, who: str, does: str, entry: int, verdict: tuple[int, int]
) -> Checkpoint:
    """Declare the tables that check a packet in the direction `name`; `other` is the other direction.

    The register `port` has the port that is checked: it is the `who` that `does` it.  All tables are in the stage
    `entry`, but the last, which is in the stage and slot `verdict`.
    """
    leads = (f"{name}_verdict", "groups")
    stage, slot = verdict
    return Checkpoint(
        app.table(
            name,
            stage=entry,
            slot=0,
            reads=(port, "eth_type", "ip_proto", "icmpv6_type", "udp_src", "udp_dst"),
            writes=(ZONE, WAY, VERDICT),
            leads=(f"{name}_track",),
            miss=NEXT,
            meaning=f"is the {who} protected; what needs no rule",
        ),
        app.table(
            f"{name}_track",
            stage=entry,
            slot=1,
            reads=(WAY, "eth_type"),
            leads=(f"{name}_rules", *leads),
            meaning=f"what does the connection tracker know of it, in the {who}'s zone",
        ),
        app.table(
            f"{name}_rules",
            stage=entry,
            slot=2,
            reads=("ct_state",),
            writes=(WAY,),
            leads=leads,
            meaning=f"the {who}'s {name} rules, or for an answer its {other} rules",
        ),
        app.table(
            f"{name}_verdict",
            stage=stage,
            slot=slot,
            reads=(VERDICT, "ct_state", "eth_type"),
            writes=(VERDICT,),
            miss=DROP if slot else NEXT,  # all packets come through a stage's first table, checked or not
            meaning=f"may the {who} {does} it; a new connection is kept",
        ),
    )


SENT = _checkpoint("egress", "ingress", port=SRC, who="sender", does="send", entry=TRACK, verdict=(EGRESS_ACL, 0))
RECEIVED = _checkpoint(
    "ingress", "egress", port=OUT, who="receiver", does="get", entry=INGRESS_ACL, verdict=(INGRESS_ACL, 3)
)
GROUPS = app.table(
    "groups",
    stage=INGRESS_ACL,
    slot=4,
    reads=(ZONE,),
    writes=(GROUP,),
    leads=("rules", "groups_too"),
    meaning="the groups of the port that is checked, one after the other",
)
GROUPS_TOO = app.table(
    "groups_too",
    stage=INGRESS_ACL,
    slot=6,
    reads=(ZONE, VERDICT),
    writes=(GROUP, VERDICT),
    leads=("rules",),
    meaning="the port changes groups: does what passes by its old ones pass by its new ones, too",
)
RULES = app.table(
    "rules",
    stage=INGRESS_ACL,
    slot=5,
    reads=(
        *(GROUP, WAY, "conj_id", "ct_state", *f.CT_TUPLE, "eth_type", "ip_proto"),
        *("ipv4_src", "ipv4_dst", "ipv6_src", "ipv6_dst", "tcp_dst", "udp_dst", "sctp_dst"),
        *("icmpv4_type", "icmpv4_code", "icmpv6_type", "icmpv6_code"),
    ),
    writes=(VERDICT,),
    meaning="does a rule of the group let the packet pass",
)
_IN_ZONE = f.Bits(ZONE.wire, ZONE.offset, ZONE.bits)


# ---------------------------------------------------------------------------------------------------------------------
# What holds for every port


@app.flows(Switch)
def steps(net: Any, switch: Switch) -> Iterable[Flow]:
    """What needs no rule, and the way of everything else through the tables."""
    if switch.role != INT:
        return
    for innocent in _sent_without_rules():
        yield SENT.entry.flow(100, innocent, onward(SENT.entry))
    for innocent in _received_without_rules():
        yield RECEIVED.entry.flow(100, innocent, onward(RECEIVED.entry))
    for tables, direction in ((SENT, EGRESS), (RECEIVED, INGRESS)):
        yield from _tracked(tables, direction)
        yield from _verdict(tables.verdict)


def _sent_without_rules() -> Iterator[dict[Any, Any]]:
    """ARP; RARP, by which a VM that was migrated tells the network where it is; ND, MLD; questions for an address."""
    yield from ({"eth_type": ARP}, {"eth_type": RARP})
    for kind in (*LISTENERS, SOLICIT_ROUTER, *NEIGHBOURS):
        yield {"eth_type": IPV6, "ip_proto": ICMPV6, "icmpv6_type": kind}
    yield {"eth_type": IPV4, "ip_proto": UDP, "udp_src": 68, "udp_dst": 67}
    yield {"eth_type": IPV6, "ip_proto": UDP, "udp_src": 546, "udp_dst": 547}


def _received_without_rules() -> Iterator[dict[Any, Any]]:
    yield {"eth_type": ARP}
    for kind in (*LISTENERS, ADVERTISE_ROUTER, *NEIGHBOURS):
        yield {"eth_type": IPV6, "ip_proto": ICMPV6, "icmpv6_type": kind}
    yield {"eth_type": IPV4, "ip_proto": UDP, "udp_src": 67, "udp_dst": 68}
    yield {"eth_type": IPV6, "ip_proto": UDP, "udp_src": 547, "udp_dst": 546}


def _tracked(tables: Checkpoint, direction: int) -> Iterator[Flow]:
    """A packet goes through the tracker, then by its connection's rules; one of a stateless port straight there."""
    check = [resubmit("groups"), goto(tables.verdict.name)]
    yield tables.track.flow(60, {WAY: direction | UNTRACKED}, check)
    track = f.Ct(zone=_IN_ZONE, table=tables.rules.id)
    for eth_type in (IPV4, IPV6):
        yield tables.track.flow(50, {WAY: direction, "eth_type": eth_type}, [track])
    state = f.TRK | f.INV | f.RPL
    yield tables.rules.flow(50, {"ct_state": (f.TRK, state)}, [load(WAY, direction), check])
    yield tables.rules.flow(50, {"ct_state": (f.TRK | f.RPL, state)}, [load(WAY, direction ^ INGRESS), check])


def _verdict(verdict: Table) -> Iterator[Flow]:
    """What a rule allows goes on, and is a connection from now on; what none does ends here."""
    on = [load(VERDICT, 0), *onward(verdict)]
    begun = f.NEW | f.TRK
    for eth_type in (IPV4, IPV6):
        first: dict[Any, Any] = {VERDICT: ALLOWED, "ct_state": (begun, begun | f.INV), "eth_type": eth_type}
        yield verdict.flow(100, first, [f.Ct(commit=True, zone=_IN_ZONE), on])
    yield verdict.flow(50, {VERDICT: ALLOWED}, on)
    yield verdict.flow(50, {VERDICT: ASKED}, [])


# ---------------------------------------------------------------------------------------------------------------------
# Ports, groups, remotes


@app.flows(ProtectedPort)
def protect(net: Any, protected: ProtectedPort) -> Iterable[Flow]:
    """A protected port is checked as sender and as receiver, by the rules of its groups.

    All its groups are stateful, or none is.  In no group there is nothing to track, either.
    """
    port = net.get(Port, protected.port_id)
    if port is None or protected.ofport is None:
        return
    groups = _present(net, protected.groups)
    untracked = 0 if any(group.stateful for group in groups) else UNTRACKED
    take = [load(ZONE, protected.ofport), load(VERDICT, ASKED)]
    ends = ((SENT, EGRESS, {SRC: port.key}), (RECEIVED, INGRESS, {OUT: protected.ofport}))
    for tables, direction, end in ends:
        yield tables.entry.flow(50, end, [take, load(WAY, direction | untracked), goto(tables.track.name)])
    if protected.before is not None:
        yield from _by_both(protected.ofport, _present(net, protected.before), groups)
    elif groups:
        yield GROUPS.flow(100, {ZONE: protected.ofport}, _visits(groups))


def _present(net: Any, keys: Iterable[str]) -> list[SecurityGroup]:
    return [group for key in keys if (group := net.get(SecurityGroup, key)) is not None]


def _visits(groups: Iterable[SecurityGroup]) -> list[Any]:
    return [step for group in groups for step in (load(GROUP, group.key), resubmit("rules"))]


def _by_both(zone: int, old: list[SecurityGroup], new: list[SecurityGroup]) -> Iterable[Flow]:
    """What passes by the old groups is asked for anew by the new ones.

    When connections are tracked by the one and not by the other, none has passed by both: nothing passes."""
    if {group.stateful for group in old} == {group.stateful for group in new}:
        yield GROUPS.flow(100, {ZONE: zone}, [_visits(old), resubmit("groups_too")])
        yield GROUPS_TOO.flow(100, {ZONE: zone, VERDICT: ALLOWED}, [load(VERDICT, ASKED), _visits(new)])


@app.flows(GroupOnSwitch, shared="group_id")
def rules(net: Any, group_id: str) -> Iterable[Flow]:
    """What the rules of a group let through: the same on every switch with a port in it."""
    group = net.get(SecurityGroup, group_id)
    if group is None:
        return
    plain: dict[tuple[Any, ...], None] = {}
    joint: dict[tuple[Any, ...], set[int]] = {}
    for rule in net.find(SecurityGroupRule, "security_group_id", group_id):
        way = way_of(rule, group.stateful)
        remote_id = remote_of(rule)
        key = _key(net, remote_id) if remote_id is not None else 0
        for head in heads(rule, way):
            match = {GROUP: group.key, WAY: way, **head}
            if key:
                joint.setdefault(tuple(match.items()), set()).add(key)
            elif remote_id is None:
                plain[tuple({**match, **dict(_from(rule, way))}.items())] = None
    for matched in plain:
        yield RULES.flow(PLAIN, dict(matched), [load(VERDICT, ALLOWED)])
    for matched, keys in joint.items():
        yield RULES.flow(JOINT, dict(matched), [Conjunction(key, HEADS, 2) for key in sorted(keys)])


def _from(rule: SecurityGroupRule, way: int) -> Iterable[tuple[str, Any]]:
    return block(rule.remote_ip_prefix, way) if rule.remote_ip_prefix else ()


def _key(net: Any, remote_id: str) -> int:
    """The key of a security group or an address group; 0 when it is not there."""
    group = net.get(SecurityGroup, remote_id) or net.get(AddressGroup, remote_id)
    return group.key if group is not None else 0


@app.flows(RemoteOnSwitch, shared="remote")
def met(net: Any, remote: tuple[int, str]) -> Iterable[Flow]:
    """A packet that meets both clauses of a rule about a remote may pass."""
    way, remote_id = remote
    key = _key(net, remote_id)
    if key:
        yield RULES.flow(MET, {"conj_id": key, WAY: way}, [load(VERDICT, ALLOWED)])


@app.flows(PrefixOnSwitch, shared="block")
def addresses(net: Any, where: tuple[int, str, tuple[str, ...]]) -> Iterable[Flow]:
    """The other side is one of the remotes that have this address."""
    way, prefix, remotes = where
    keys = sorted(key for remote_id in remotes if (key := _key(net, remote_id)))
    if keys:
        yield RULES.flow(
            JOINT, {WAY: way, **dict(block(prefix, way))}, [Conjunction(key, ADDRESSES, 2) for key in keys]
        )
