"""Which security groups matter on which switch: derived rows.

A switch has the rules of the groups that its protected ports are in, and the addresses of those whom these rules are
about (*remotes*: security groups and address groups), once each, however many rules name them.  So one more member
costs one flow on each switch where a rule lets it in, or out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from apps.address_groups import AddressGroup
from apps.allowed_address_pairs import AddressPairs
from apps.port_security import PortSecurity
from apps.security_groups.matches import way_of
from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule, Superseded, app
from apps.security_groups.superseded import Standing, before, protection, standing
from controller.core.derived import ArrivingPort, LocalPort, PortOnSwitch
from controller.core.model import Port
from controller.core.net import Change, Net
from controller.core.placement.layer import Keys, both
from controller.core.row import changes_flows, index, row
from controller.core.settings import Settings

VIFS: tuple[type[LocalPort | ArrivingPort], ...] = (LocalPort, ArrivingPort)


# ---------------------------------------------------------------------------------------------------------------------
# Protected ports and their groups


@row(
    key=("port_id", "dpid"),
    indexes=[index("group", each=lambda port: ((port.dpid, group) for group in port.all_groups))],
)
class ProtectedPort:
    """A port on a switch that is protected, and the groups that say what may pass.

    Its `ofport` is None while its VIF is not there: its groups are before it.

    While it changes groups, a packet has to pass by those that it was in `before`, too (None: by no others).
    """

    port_id: str
    dpid: int
    ofport: int | None
    groups: tuple[str, ...] = ()
    before: tuple[str, ...] | None = None

    @property
    def all_groups(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.groups, *(self.before or ()))))


@row(key=("dpid", "group_id"), indexes=[index("group_id")])
class GroupOnSwitch:
    """A security group that a protected port of the switch is in."""

    dpid: int
    group_id: str


def _protected_ports(net: Net, settings: Settings, change: Change) -> Keys:
    if change.row_type in (*VIFS, PortOnSwitch):
        return [(on.port_id, on.dpid) for on in both(change)]
    return [(change.key, on.dpid) for on in net.find(PortOnSwitch, "port_id", change.key)]


def _protected_port(net: Net, settings: Settings, key: tuple[str, int]) -> ProtectedPort | None:
    port_id, dpid = key
    if net.get(PortOnSwitch, key) is None:
        return None
    was = before(net, port_id)
    protected, groups = protection(net, port_id)
    if not (protected or (was is not None and was.protected)):
        return None
    here = (local.ofport for kind in VIFS if (local := net.get(kind, port_id)) is not None and local.dpid == dpid)
    return ProtectedPort(port_id, dpid, next(here, None), *_groups_of(protected, groups, was))


def _groups_of(
    protected: bool, groups: tuple[str, ...], was: Standing | None
) -> tuple[tuple[str, ...], tuple[str, ...] | None]:
    """The groups by which a packet has to pass, and those by which it has to pass as well."""
    if was is None or not was.protected:
        return groups, None
    if not protected or set(was.groups) <= set(groups):
        return was.groups, None
    return groups, None if set(groups) <= set(was.groups) else was.groups


def _groups(net: Net, settings: Settings, change: Change) -> Keys:
    return ((port.dpid, group) for port in both(change) for group in port.all_groups)


def _group(net: Net, settings: Settings, key: tuple[int, str]) -> GroupOnSwitch | None:
    return GroupOnSwitch(*key) if net.has(ProtectedPort, "group", key) else None


app.derive(
    ProtectedPort, (*VIFS, PortOnSwitch, PortSecurity, Membership, Superseded), _protected_ports, _protected_port
)
app.derive(GroupOnSwitch, (ProtectedPort,), _groups, _group)


# ---------------------------------------------------------------------------------------------------------------------
# Whom their rules are about


@row(key=("dpid", "way", "remote_id"), indexes=[index("remote_id"), index("dpid"), index("dpid", "way")])
class RemoteOnSwitch:
    """A remote, a security group or an address group, that rules of a switch's groups are about in a way (WAY)."""

    dpid: int
    way: int
    remote_id: str

    @property
    def remote(self) -> tuple[int, str]:
        """What all switches have in common: (way, remote_id)."""
        return self.way, self.remote_id


def remote_of(rule: SecurityGroupRule) -> str | None:
    """The id of whom a rule is about, when that is a group of either kind."""
    return rule.remote_group_id or rule.remote_address_group_id


def _remotes(net: Net, settings: Settings, change: Change) -> Keys:
    match change.new or change.old:
        case SecurityGroupRule():
            for rule in both(change):
                for on in net.find(GroupOnSwitch, "group_id", rule.security_group_id):
                    yield from _of_rule(on.dpid, rule)
        case SecurityGroup(id) if changes_flows(*change):
            for on in net.find(GroupOnSwitch, "group_id", id):
                yield from _of_group(net, on.dpid, id)
        case GroupOnSwitch(dpid, group_id):
            yield from _of_group(net, dpid, group_id)
            if change.new is None:  # its rules may have gone at the same time
                yield from ((dpid, known.way, known.remote_id) for known in net.find(RemoteOnSwitch, "dpid", dpid))
        case _:
            pass


def _of_group(net: Net, dpid: int, group_id: str) -> Iterator[tuple[int, int, str]]:
    for rule in net.find(SecurityGroupRule, "security_group_id", group_id):
        yield from _of_rule(dpid, rule)


def _of_rule(dpid: int, rule: SecurityGroupRule) -> Iterator[tuple[int, int, str]]:
    remote_id = remote_of(rule)
    if remote_id is not None:
        yield from ((dpid, way_of(rule, stateful), remote_id) for stateful in (True, False))


def _remote(net: Net, settings: Settings, key: tuple[int, int, str]) -> RemoteOnSwitch | None:
    dpid, way, remote_id = key
    for name in ("remote_group_id", "remote_address_group_id"):
        for rule in net.find(SecurityGroupRule, name, remote_id):
            group = net.get(SecurityGroup, rule.security_group_id)
            is_here = group is not None and net.get(GroupOnSwitch, (dpid, group.id)) is not None
            if group is not None and is_here and way == way_of(rule, group.stateful):
                return RemoteOnSwitch(*key)
    return None


app.derive(RemoteOnSwitch, (GroupOnSwitch, SecurityGroupRule, SecurityGroup), _remotes, _remote)


# ---------------------------------------------------------------------------------------------------------------------
# Their addresses


@row(
    key="port_id",
    indexes=[
        index("groups", each=lambda member: member.groups),
        index("prefix", each=lambda member: member.prefixes),
        index("pair", each=lambda member: member.pairs),
    ],
)
class Member:
    """The addresses that a port brings into its groups, as blocks in CIDR notation, wherever it is."""

    port_id: str
    groups: tuple[str, ...]
    prefixes: tuple[str, ...]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(group, prefix)."""
        return [(group, prefix) for group in self.groups for prefix in self.prefixes]


@row(
    key=("dpid", "way", "prefix"),
    indexes=[index("remote", each=lambda on: ((on.dpid, on.way, remote_id) for remote_id in on.remotes))],
)
class PrefixOnSwitch:
    """A block of addresses that remotes of a switch have (sorted by id)."""

    dpid: int
    way: int
    prefix: str
    remotes: tuple[str, ...]

    @property
    def block(self) -> tuple[int, str, tuple[str, ...]]:
        """What switches have in common where the same remotes matter: (way, prefix, remotes)."""
        return self.way, self.prefix, self.remotes


def _port_ids(net: Net, settings: Settings, change: Change) -> Keys:
    return {change.key}


def _member(net: Net, settings: Settings, port_id: str) -> Member | None:
    now, was = standing(net, port_id), before(net, port_id)
    groups, prefixes = now.groups, now.prefixes
    if was is not None:
        groups = tuple(group for group in groups if group in was.groups)
        prefixes = tuple(prefix for prefix in prefixes if prefix in was.prefixes)
    return Member(port_id, groups, prefixes) if groups and prefixes else None


def _prefixes(net: Net, settings: Settings, change: Change) -> Keys:
    match change.new or change.old:
        case Member():
            old, new = (set(member.pairs) if member is not None else set() for member in change)
            for group, prefix in old ^ new:
                yield from _on_switches(net, group, prefix)
        case AddressGroup(id):
            old, new = (set(group.addresses) if group is not None else set() for group in change)
            for prefix in old ^ new:
                yield from _on_switches(net, id, prefix)
        case RemoteOnSwitch(dpid, way, remote_id):
            yield from ((dpid, way, prefix) for prefix in _prefixes_of(net, remote_id))
            if change.new is None:  # members may have gone at the same time
                known = net.find(PrefixOnSwitch, "remote", (dpid, way, remote_id))
                yield from ((dpid, way, on.prefix) for on in known)
        case _:
            pass


def _on_switches(net: Net, remote_id: str, prefix: str) -> Iterator[tuple[int, int, str]]:
    for on in net.find(RemoteOnSwitch, "remote_id", remote_id):
        yield (on.dpid, on.way, prefix)


def _prefixes_of(net: Net, remote_id: str) -> Iterator[str]:
    group = net.get(AddressGroup, remote_id)
    yield from group.addresses if group is not None else ()
    for member in net.find(Member, "groups", remote_id):
        yield from member.prefixes


def _prefix(net: Net, settings: Settings, key: tuple[int, int, str]) -> PrefixOnSwitch | None:
    dpid, way, prefix = key
    remotes = _remotes_with(net, dpid, way, prefix)
    return PrefixOnSwitch(dpid, way, prefix, tuple(sorted(remotes))) if remotes else None


def _remotes_with(net: Net, dpid: int, way: int, prefix: str) -> Collection[str]:
    """The remotes of a switch that have an address: those of the switch, or those with the address, are looked
    through, whichever are less.  Many networks may have the same addresses."""
    here = net.count_of(RemoteOnSwitch, "dpid+way", (dpid, way))
    if here <= 1 or here <= net.count_of(Member, "prefix", prefix) + net.count_of(AddressGroup, "address", prefix):
        remotes = [on.remote_id for on in net.find(RemoteOnSwitch, "dpid+way", (dpid, way))]
        return [remote_id for remote_id in remotes if _has(net, remote_id, prefix)]
    having = {group for member in net.find(Member, "prefix", prefix) for group in member.groups}
    having.update(group.id for group in net.find(AddressGroup, "address", prefix))
    return {remote_id for remote_id in having if net.get(RemoteOnSwitch, (dpid, way, remote_id)) is not None}


def _has(net: Net, remote_id: str, prefix: str) -> bool:
    group = net.get(AddressGroup, remote_id)
    if group is not None:
        return any(known.id == remote_id for known in net.find(AddressGroup, "address", prefix))
    return net.has(Member, "pair", (remote_id, prefix))


app.derive(Member, (Port, Membership, AddressPairs, Superseded), _port_ids, _member)
app.derive(PrefixOnSwitch, (Member, AddressGroup, RemoteOnSwitch), _prefixes, _prefix)
