"""Databases of others, as they would be found: Neutron's (ML2), Quantum's (Open vSwitch plugin), and Quantum v1's.

Tables and columns are those of their releases; a table has no more than what is filled in here.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, DateTime, Integer, MetaData, String, Table, create_engine

from controller.io.store import engines

NUMBERS = {
    *("ip_version", "segmentation_id", "segment_index", "vlan_id", "vxlan_vni", "tunnel_id", "mtu", "order", "limit"),
    *("standard_attr_id", "revision_number", "port_range_min", "port_range_max", "minimum", "maximum"),
    *("default_prefixlen", "min_prefixlen", "max_prefixlen", "default_quota"),
}
FLAGS = {
    *("admin_state_up", "shared", "enable_dhcp", "allocated", "is_dynamic", "port_security_enabled", "stateful"),
    *("is_default", "default", "used_in_default_sg", "used_in_non_default_sg"),
}
TIMES = {"created_at", "updated_at"}

Tables = dict[str, list[dict[str, Any]]]


def build(url: str, tables: Tables) -> None:
    """Make the tables, each with the columns of its first row, and fill them."""
    engine = create_engine(engines.parse(url))
    metadata = MetaData()
    made = {
        name: Table(name, metadata, *(_column(name, column) for column in rows[0])) for name, rows in tables.items()
    }
    metadata.create_all(engine)
    with engine.begin() as connection:
        for name, rows in tables.items():
            filled = [row for row in rows if any(value is not None for value in row.values())]
            if filled:
                connection.execute(made[name].insert(), filled)
    engine.dispose()


def _column(table: str, name: str) -> Column[Any]:
    if name in NUMBERS or (table, name) == ("standardattributes", "id"):
        return Column(name, Integer)
    if name in FLAGS:
        return Column(name, Boolean)
    return Column(name, DateTime if name in TIMES else String(255))


NET, OTHER_NET, EXT_NET = (f"{n}0000000-0000-4000-8000-000000000001" for n in "abc")
SUBNET, SUBNET6, OTHER_SUBNET = (f"{n}0000000-0000-4000-8000-000000000002" for n in "abc")
PORT, PEER, AGENT = (f"{n}0000000-0000-4000-8000-000000000003" for n in "abc")
GROUP, RULE, EGRESS = (f"{n}0000000-0000-4000-8000-000000000004" for n in "abc")
SEGMENT, OTHER_SEGMENT, EXT_SEGMENT = (f"{n}0000000-0000-4000-8000-000000000005" for n in "abc")
POOL, SCOPE, POLICY, RANGE = (f"{n}0000000-0000-4000-8000-000000000006" for n in "abcd")
OUT, OUT6, IN, OWN = (f"{n}0000000-0000-4000-8000-000000000007" for n in "abcd")
BLUE, RED = "b1e5" * 8, "4ed0" * 8
MAC, PEER_MAC, AGENT_MAC = (f"fa:16:3e:00:00:0{n}" for n in "123")
"""A VLAN network with two subnets and two ports, a VXLAN network with DHCP's port, and an external flat network."""


DESCRIPTIONS = {1: "first network", 3: "a port", 6: "a group", 17: "administrators come in"}
"""By the number that an object has among standard attributes."""
SSH = {"protocol": "TCP", "port_range_min": 22, "port_range_max": 22}
ALLOWANCE = {
    "direction": "ingress",
    "ethertype": "IPv4",
    **dict.fromkeys(("protocol", "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id")),
}
USUAL: dict[str, dict[str, Any]] = {
    "networks": {"status": "ACTIVE", "admin_state_up": True, "mtu": 1500, "availability_zone_hints": "[]"},
    "networksegments": {"network_type": "vlan", "physical_network": "physnet1", "segmentation_id": None}
    | {"is_dynamic": False, "segment_index": 0, "name": None},
    "subnets": {"project_id": BLUE, "name": "", "network_id": NET, "cidr": "10.0.0.0/24", "gateway_ip": None}
    | {"ip_version": 4, "enable_dhcp": True, "ipv6_ra_mode": None, "ipv6_address_mode": None}
    | {"segment_id": None, "subnetpool_id": None},
    "ports": {"project_id": BLUE, "name": "", "network_id": NET, "status": "ACTIVE", "admin_state_up": True}
    | {"device_owner": "compute:nova", "ip_allocation": "immediate"},
    "ml2_port_bindings": {"vif_type": "ovs", "vnic_type": "normal", "profile": "", "vif_details": ""}
    | {"status": "ACTIVE"},
    "securitygrouprules": {"project_id": BLUE, "security_group_id": GROUP, **ALLOWANCE},
    "securitygroupdefaultrules": {**ALLOWANCE, "remote_address_group_id": None, "standard_attr_id": None}
    | {"used_in_default_sg": False, "used_in_non_default_sg": True},
}
"""What rows of Neutron's tables have, where they have nothing else."""


def neutron() -> Tables:
    """As Neutron 29 has it."""
    when = datetime(2026, 1, 2, 3, 4, 5)
    attributes = [
        {
            "id": n,
            "resource_type": "x",
            "description": text,
            "created_at": when,
            "updated_at": when,
            "revision_number": n,
        }
        for n, text in {**dict.fromkeys(range(1, 18), ""), **DESCRIPTIONS}.items()
    ]
    return {
        "standardattributes": attributes,
        "tags": [{"standard_attr_id": 1, "tag": "red"}, {"standard_attr_id": 1, "tag": "blue"}],
        "address_scopes": [{"id": SCOPE, "project_id": BLUE, "name": "scope", "shared": False, "ip_version": 4}],
        "subnetpools": [
            {"id": POOL, "project_id": BLUE, "name": "pool", "ip_version": 4, "default_prefixlen": 24}
            | {"min_prefixlen": 8, "max_prefixlen": 32, "shared": False, "is_default": False, "default_quota": None}
            | {"address_scope_id": SCOPE, "standard_attr_id": 16}
        ],
        "subnetpoolprefixes": [{"subnetpool_id": POOL, "cidr": "10.0.0.0/8"}],
        "networks": _rows(
            "networks",
            {"id": NET, "project_id": BLUE, "name": "blue", "standard_attr_id": 1},
            {"id": OTHER_NET, "project_id": RED, "name": "red", "standard_attr_id": 2}
            | {"mtu": 1450, "availability_zone_hints": '["nova"]'},
            {"id": EXT_NET, "project_id": RED, "name": "public", "standard_attr_id": 5},
        ),
        "networksegments": _rows(
            "networksegments",
            {"id": SEGMENT, "network_id": NET, "segmentation_id": 150, "standard_attr_id": 8},
            {"id": OTHER_SEGMENT, "network_id": OTHER_NET, "segmentation_id": 77, "standard_attr_id": 9}
            | {"network_type": "vxlan", "physical_network": None},
            {"id": EXT_SEGMENT, "network_id": EXT_NET, "network_type": "flat", "standard_attr_id": 10},
        ),
        "ml2_vlan_allocations": [
            {"physical_network": "physnet1", "vlan_id": 150, "allocated": True},
            {"physical_network": "physnet1", "vlan_id": 151, "allocated": True},
            {"physical_network": "physnet1", "vlan_id": 152, "allocated": False},
        ],
        "ml2_vxlan_allocations": [{"vxlan_vni": 77, "allocated": True}],
        "networkrbacs": [
            {"id": POLICY, "project_id": BLUE, "target_project": RED, "action": "access_as_shared", "object_id": NET},
            {"id": RANGE, "project_id": RED, "target_project": "*", "action": "access_as_external"}
            | {"object_id": EXT_NET},
        ],
        "externalnetworks": [{"network_id": EXT_NET, "is_default": False}],
        "networkdnsdomains": [{"network_id": NET, "dns_domain": "blue.example."}],
        "networksecuritybindings": [{"network_id": NET, "port_security_enabled": True}],
        "subnets": _rows(
            "subnets",
            {"id": SUBNET, "gateway_ip": "10.0.0.1", "subnetpool_id": POOL, "standard_attr_id": 11},
            {"id": SUBNET6, "cidr": "fd00::/64", "gateway_ip": "fd00::1", "ip_version": 6, "standard_attr_id": 12}
            | {"ipv6_ra_mode": "slaac", "ipv6_address_mode": "slaac"},
            {"id": OTHER_SUBNET, "project_id": RED, "network_id": OTHER_NET, "standard_attr_id": 13},
        ),
        "ipallocationpools": [
            {"id": "1", "subnet_id": SUBNET, "first_ip": "10.0.0.2", "last_ip": "10.0.0.99"},
            {"id": "2", "subnet_id": OTHER_SUBNET, "first_ip": "10.0.0.1", "last_ip": "10.0.0.254"},
        ],
        "dnsnameservers": [
            {"address": "9.9.9.9", "subnet_id": SUBNET, "order": 1},
            {"address": "192.0.2.53", "subnet_id": SUBNET, "order": 0},
        ],
        "subnetroutes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9", "subnet_id": SUBNET}],
        "ports": _rows(
            "ports",
            {"id": PORT, "mac_address": MAC.upper(), "device_id": "vm1", "standard_attr_id": 3},
            {"id": PEER, "mac_address": PEER_MAC, "device_id": "vm2", "standard_attr_id": 4},
            {"id": AGENT, "mac_address": AGENT_MAC, "device_id": "dhcp", "standard_attr_id": 7}
            | {"project_id": RED, "network_id": OTHER_NET, "device_owner": "network:dhcp"},
        ),
        "ipallocations": [
            {"port_id": PORT, "ip_address": "10.0.0.5", "subnet_id": SUBNET, "network_id": NET},
            {"port_id": PORT, "ip_address": "fd00::f816:3eff:fe00:1", "subnet_id": SUBNET6, "network_id": NET},
            {"port_id": PEER, "ip_address": "10.0.0.6", "subnet_id": SUBNET, "network_id": NET},
            {"port_id": AGENT, "ip_address": "10.0.0.1", "subnet_id": OTHER_SUBNET, "network_id": OTHER_NET},
        ],
        "ml2_port_bindings": _rows(
            "ml2_port_bindings",
            {"port_id": PORT, "host": "h1", "profile": '{"os_vif_delegation": true}'},
            {"port_id": PORT, "host": "h9", "status": "INACTIVE"},
            {"port_id": PEER, "host": "h2"},
            {"port_id": AGENT, "host": "net1"},
        ),
        "extradhcpopts": [
            {"id": "1", "port_id": PORT, "opt_name": "bootfile-name", "opt_value": "pxelinux.0", "ip_version": 4}
        ],
        "portdnses": [{"port_id": PORT, "dns_name": "vm1", "dns_domain": ""}],
        "securitygroups": [
            {"id": GROUP, "project_id": BLUE, "name": "default", "standard_attr_id": 6, "stateful": True}
        ],
        "securitygrouprules": _rows(
            "securitygrouprules",
            {"id": RULE, **SSH, "remote_ip_prefix": "10.0.0.0/8", "standard_attr_id": 14},
            {"id": EGRESS, "direction": "egress", "ethertype": "IPv6", "standard_attr_id": 15}
            | {"remote_group_id": GROUP},
        ),
        "securitygroupdefaultrules": _rows(
            "securitygroupdefaultrules",
            {"id": OUT, "direction": "egress", "used_in_default_sg": True},
            {"id": OUT6, "direction": "egress", "ethertype": "IPv6", "used_in_default_sg": True},
            {"id": IN, "remote_group_id": "PARENT", "used_in_default_sg": True, "used_in_non_default_sg": False},
            {"id": OWN, **SSH, "standard_attr_id": 17},
        ),
        "securitygroupportbindings": [{"port_id": PORT, "security_group_id": GROUP}],
        "portsecuritybindings": [
            {"port_id": PORT, "port_security_enabled": True},
            {"port_id": PEER, "port_security_enabled": True},
            {"port_id": AGENT, "port_security_enabled": False},
        ],
        "allowedaddresspairs": [{"port_id": PORT, "mac_address": MAC.upper(), "ip_address": "10.0.0.77"}],
        "quotas": [
            {"id": "1", "project_id": BLUE, "resource": "network", "limit": 7},
            {"id": "2", "project_id": BLUE, "resource": "router", "limit": 3},
        ],
        "routers": [{"id": "r1", "name": "gateway"}],
        "floatingips": [{"id": "f1"}, {"id": "f2"}],
    }


def _rows(table: str, *rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a table of Neutron's, each with the columns that it has usually."""
    return [{**USUAL[table], **row} for row in rows]


def quantum() -> Tables:
    """As Folsom's Open vSwitch plugin has it."""
    return {
        "networks": [
            {"tenant_id": BLUE, "id": NET, "name": "blue", "status": "ACTIVE", "admin_state_up": True, "shared": True},
            {"tenant_id": RED, "id": OTHER_NET, "name": "red", "status": "ACTIVE", "admin_state_up": True}
            | {"shared": False},
        ],
        "ovs_network_bindings": [
            {"network_id": NET, "network_type": "vlan", "physical_network": "physnet1", "segmentation_id": 150},
            {"network_id": OTHER_NET, "network_type": "gre", "physical_network": None, "segmentation_id": 9},
        ],
        "ovs_vlan_allocations": [{"physical_network": "physnet1", "vlan_id": 150, "allocated": True}],
        "ovs_tunnel_allocations": [{"tunnel_id": 9, "allocated": True}],
        "subnets": [
            {"tenant_id": BLUE, "id": SUBNET, "name": "", "network_id": NET, "ip_version": 4, "cidr": "10.0.0.0/24"}
            | {"gateway_ip": "10.0.0.1", "enable_dhcp": True, "shared": True}
        ],
        "ipallocationpools": [{"id": "1", "subnet_id": SUBNET, "first_ip": "10.0.0.2", "last_ip": "10.0.0.254"}],
        "dnsnameservers": [{"address": "192.0.2.53", "subnet_id": SUBNET}],
        "routes": [{"destination": "10.9.0.0/16", "nexthop": "10.0.0.9", "subnet_id": SUBNET}],
        "ports": [
            {"tenant_id": BLUE, "id": PORT, "name": "", "network_id": NET, "mac_address": MAC, "admin_state_up": True}
            | {"status": "ACTIVE", "device_id": "vm1", "device_owner": "compute:nova"}
        ],
        "ipallocations": [{"port_id": PORT, "ip_address": "10.0.0.5", "subnet_id": SUBNET, "network_id": NET}],
    }


def quantum_v1() -> Tables:
    """As the first releases have it."""
    return {
        "networks": [
            {"uuid": NET, "tenant_id": "t1", "name": "network1", "op_status": "UP"},
            {"uuid": OTHER_NET, "tenant_id": "t2", "name": "network2", "op_status": "UP"},
        ],
        "vlan_bindings": [{"vlan_id": 1, "network_id": NET}],
        "ports": [
            {"uuid": PORT, "network_id": NET, "interface_id": "foo", "state": "ACTIVE", "op_status": "UP"},
            {"uuid": PEER, "network_id": NET, "interface_id": None, "state": "DOWN", "op_status": "DOWN"},
        ],
    }
