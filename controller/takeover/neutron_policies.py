"""The tables of Neutron and Quantum about who may do what: security groups, sharing, pools of addresses, quotas."""

from __future__ import annotations

from functools import partial
from typing import Any

from apps.address_groups import AddressGroup
from apps.address_scopes import AddressScope
from apps.allowed_address_pairs import AddressPair, AddressPairs
from apps.port_security import NetworkSecurity, PortSecurity
from apps.security_groups import checks as group_checks
from apps.security_groups import templates
from apps.security_groups.rows import (
    DefaultSecurityGroupRule,
    Membership,
    SecurityGroup,
    SecurityGroupRule,
    meaning,
)
from apps.subnet_pools import SubnetPool
from controller.core.model import Quota, RbacPolicy
from controller.core.plans import checks, parse
from controller.core.plans.sharing import EVERYONE, EXTERNAL, SHARED
from controller.core.segment_ranges import NetworkSegmentRange
from controller.takeover.gathered import Gathered, Gone, made_id
from controller.takeover.neutron import Standard
from controller.takeover.source import Row, Source

SHARINGS = (
    ("networkrbacs", "network"),
    ("securitygrouprbacs", "security_group"),
    ("addressscoperbacs", "address_scope"),
    ("subnetpoolrbacs", "subnetpool"),
    ("addressgrouprbacs", "address_group"),
)
"""Table, and the object type of its policies."""
SHARED_COLUMNS = (("networks", "network"), ("address_scopes", "address_scope"), ("subnetpools", "subnetpool"))
"""Tables with a column `shared`, which said what policies say since."""
TEMPLATES = "securitygroupdefaultrules"
QUOTAS = ("network", "subnet", "port", "security_group", "security_group_rule", "rbac_policy", "subnetpool")


class Policies:
    """What stands before networks (`pools`) and after ports (`rest`) in what was gathered."""

    def __init__(self, source: Source, found: Gathered) -> None:
        self._source, self._found = source, found
        self._standard = Standard(source)

    # -- pools of addresses -------------------------------------------------------------------------------------------

    def pools(self) -> None:
        for row in self._source.rows("address_scopes"):
            made = {**self._standard.of(row), "ip_version": row["ip_version"]}
            made.pop("description")
            self._found.put(AddressScope, **made)
        prefixes = self._source.grouped("subnetpoolprefixes", "subnetpool_id")
        for row in self._source.rows("subnetpools"):
            held = prefixes[row["id"]]
            self._found.add(f"subnet pool {row['id']}", partial(self._pool, row, held))
        blocks = self._source.grouped("address_associations", "address_group_id")
        for row in self._source.rows("address_groups"):
            texts = tuple(sorted(one["address"] for one in blocks[row["id"]]))
            self._found.put(AddressGroup, **self._standard.of(row), addresses=texts)

    def _pool(self, row: Row, prefixes: list[Row]) -> Any:
        make: Any = SubnetPool
        lengths = {name: row[name] for name in ("default_prefixlen", "min_prefixlen", "max_prefixlen")}
        return make(
            **self._standard.of(row),
            **lengths,
            prefixes=tuple(sorted(parse.cidr(one["cidr"]) for one in prefixes)),
            ip_version=row["ip_version"],
            default_quota=row.get("default_quota"),
            is_default=bool(row.get("is_default")),
            address_scope_id=row.get("address_scope_id"),
            tags=self._standard.tags(row),
        )

    # -- what refers to networks and ports ----------------------------------------------------------------------------

    def rest(self) -> None:
        self._security_groups()
        self._templates()
        self._protection()
        self._sharing()
        self._quotas()
        self._ranges()

    def _security_groups(self) -> None:
        for row in self._source.rows("securitygroups"):
            stateful = row.get("stateful") in (None, True, 1)
            made = {**self._standard.of(row), "stateful": stateful, "tags": self._standard.tags(row)}
            self._found.rows.append(SecurityGroup(**made))
        for row in self._source.rows("securitygrouprules"):
            about = f"rule {row['id']} of security group {row['security_group_id']}"
            self._found.add(about, partial(self._rule, row))

    def _rule(self, row: Row) -> SecurityGroupRule:
        given: dict[str, Any] = self._standard.of(row)
        given.pop("name")
        return SecurityGroupRule(**given, **_allowance(row), security_group_id=row["security_group_id"])

    def _templates(self) -> None:
        """What new groups begin with is as it was there, also where some of it was removed."""
        made: list[DefaultSecurityGroupRule] = []
        for row in self._source.rows(TEMPLATES):
            self._found.add(f"default security group rule {row['id']}", partial(self._template, row, made))
        said = {meaning(template) for template in made}
        if self._source.has(TEMPLATES):
            gone = (first for first in templates.FIRST if meaning(first) not in said)
            self._found.rows.extend(Gone(DefaultSecurityGroupRule, first.id) for first in gone)

    def _template(self, row: Row, made: list[DefaultSecurityGroupRule]) -> DefaultSecurityGroupRule:
        given = _allowance(row)
        group_checks.settle(given)
        standard = self._standard.of(row)
        template = DefaultSecurityGroupRule(
            **given,
            id=row["id"],
            description=standard["description"],
            revision_number=standard["revision_number"],
            used_in_default_sg=bool(row["used_in_default_sg"]),
            used_in_non_default_sg=bool(row["used_in_non_default_sg"]),
        )
        made.append(template)
        return template

    def _protection(self) -> None:
        """Whether ports are protected is written down for each: where the source protected none, none becomes so."""
        members = self._source.grouped("securitygroupportbindings", "port_id")
        said = {row["port_id"]: bool(row["port_security_enabled"]) for row in self._source.rows("portsecuritybindings")}
        grouped = self._source.has("securitygroups")
        for row in self._source.rows("ports"):
            protected = said.get(row["id"], grouped and bool(members.get(row["id"])))
            self._found.put(PortSecurity, row["id"], protected)
            held = tuple(sorted(one["security_group_id"] for one in members.get(row["id"], ())))
            if held or protected:
                self._found.rows.append(Membership(row["id"], held))
        for row in self._source.rows("networksecuritybindings"):
            self._found.put(NetworkSecurity, row["network_id"], bool(row["port_security_enabled"]))
        for port_id, rows in self._source.grouped("allowedaddresspairs", "port_id").items():
            self._found.add(f"port {port_id}", partial(_pairs, port_id, rows))

    def _sharing(self) -> None:
        for table, object_type in SHARINGS:
            for row in self._source.rows(table):
                owner = row.get("project_id") or ""
                target = row["target_project"]
                made = RbacPolicy(row["id"], owner, object_type, row["object_id"], row["action"], target)
                self._found.rows.append(made)
        # Where there are policies, the column `shared` of before has no meaning any more.
        told = {one.object_id for one in self._found.rows if isinstance(one, RbacPolicy)}
        for table, object_type in SHARED_COLUMNS:
            shared = [row for row in self._source.rows(table) if row.get("shared") and row["id"] not in told]
            self._found.rows.extend(_for_everyone(row, object_type, SHARED) for row in shared)
        external = {row["network_id"] for row in self._source.rows("externalnetworks")}
        if not self._source.has("networkrbacs"):
            networks = [row for row in self._source.rows("networks") if row["id"] in external]
            self._found.rows.extend(_for_everyone(row, "network", EXTERNAL) for row in networks)

    def _quotas(self) -> None:
        for row in self._source.rows("quotas"):
            if row["resource"] in QUOTAS and row.get("project_id"):
                self._found.rows.append(Quota(row["project_id"], row["resource"], row["limit"]))
            else:
                self._found.leave_out(f"quotas of {row['resource']}", 1)

    def _ranges(self) -> None:
        """Those that show the configuration are ours to make."""
        for row in self._source.rows("network_segment_ranges"):
            if not row["default"]:
                made = NetworkSegmentRange(
                    **self._standard.of(row),
                    shared=bool(row["shared"]),
                    network_type=row["network_type"],
                    physical_network=row["physical_network"] or None,
                    minimum=row["minimum"],
                    maximum=row["maximum"],
                    tags=self._standard.tags(row),
                )
                self._found.rows.append(made)


def _allowance(row: Row) -> dict[str, Any]:
    """What a rule, or a template of rules, lets through."""
    return {
        "direction": row["direction"],
        "ethertype": checks.check(group_checks.ETHERTYPE, "ethertype", row["ethertype"] or "IPv4"),
        "protocol": checks.check(group_checks.PROTOCOL, "protocol", row["protocol"] or None),
        "port_range_min": row["port_range_min"],
        "port_range_max": row["port_range_max"],
        "remote_ip_prefix": checks.check(group_checks.PREFIX, "remote_ip_prefix", row["remote_ip_prefix"] or None),
        "remote_group_id": row.get("remote_group_id") or row.get("source_group_id"),
        "remote_address_group_id": row.get("remote_address_group_id"),
    }


def _pairs(port_id: str, rows: list[Row]) -> Any:
    make: Any = AddressPairs
    pairs = [AddressPair(parse.mac(row["mac_address"]) or "", row["ip_address"]) for row in rows]
    return make(port_id, tuple(sorted(pairs)))


def _for_everyone(row: Row, object_type: str, action: str) -> RbacPolicy:
    owner = row.get("project_id") or ""
    return RbacPolicy(made_id(action, row["id"]), owner, object_type, row["id"], action, EVERYONE)


LEFT_OUT = {
    "routers": "routers",
    "floatingips": "floating IPs",
    "portforwardings": "port forwardings",
    "qos_policies": "QoS policies",
    "trunks": "trunks",
    "meteringlabels": "metering labels",
    "local_ips": "local IPs",
    "ndp_proxies": "NDP proxies",
    "bgp_speakers": "BGP speakers",
    "logs": "logs",
    "conntrack_helpers": "conntrack helpers",
    "flavors": "flavors",
    "ml2_distributed_port_bindings": "bindings of distributed router ports",
    "vpnservices": "VPN services",
    "firewall_groups_v2": "firewall groups",
}
"""Tables whose rows have no place here yet, and what they are called."""


def count_left_out(source: Source, found: Gathered) -> None:
    for table, what in LEFT_OUT.items():
        found.leave_out(what, source.count(table))
