"""The tables of Neutron (ML2) and of Quantum's Open vSwitch plugin as rows: networks, segments, subnets and ports."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from functools import partial
from typing import Any

from apps.availability_zones import ZoneHints
from apps.dhcp_options import DhcpOption, DhcpOptions
from apps.dns import NetworkDns, PortDns
from apps.port_bindings import PortBinding
from apps.port_extras import DataPlane
from apps.subnet_pools import PoolPart
from controller.core.model import IMMEDIATE, NETWORK_TYPES, FixedIp, Network, Pool, Port, Route, Segment, Subnet
from controller.core.plans import parse
from controller.core.plans.networks import largest_mtu
from controller.core.settings import Settings
from controller.takeover.gathered import Gathered, made_id
from controller.takeover.source import Row, Source

ALLOCATIONS = (
    ("vlan", "ml2_vlan_allocations", "vlan_id"),
    ("vxlan", "ml2_vxlan_allocations", "vxlan_vni"),
    ("gre", "ml2_gre_allocations", "gre_id"),
    ("geneve", "ml2_geneve_allocations", "geneve_vni"),
    ("vlan", "ovs_vlan_allocations", "vlan_id"),
    ("gre", "ovs_tunnel_allocations", "tunnel_id"),
)
"""Network type, table, and the column of the VLAN or tunnel id."""
ACTIVE = "ACTIVE"
DHCP = "network:dhcp"


class Standard:
    """What resources have in common: project, names, times, tags; in older releases some of it was not there."""

    def __init__(self, source: Source) -> None:
        self._attributes = {row["id"]: row for row in source.rows("standardattributes")}
        self._tags = source.grouped("tags", "standard_attr_id")

    def of(self, row: Row) -> dict[str, Any]:
        """Fields of a row of ours, from one of theirs."""
        own = self._attributes.get(row.get("standard_attr_id"), {})
        return {
            "id": row["id"],
            "project_id": row.get("project_id") or "",
            "name": row.get("name") or "",
            "description": own.get("description") or row.get("description") or "",
            **self.stamps(row),
        }

    def stamps(self, row: Row) -> dict[str, Any]:
        own = self._attributes.get(row.get("standard_attr_id"), {})
        return {
            "created_at": _time(own.get("created_at")),
            "updated_at": _time(own.get("updated_at")),
            "revision_number": own.get("revision_number") or 0,
        }

    def tags(self, row: Row) -> tuple[str, ...]:
        return tuple(sorted(tag["tag"] for tag in self._tags.get(row.get("standard_attr_id"), ())))


def _time(value: Any) -> str:
    """2026-11-20T10:33:10Z; the columns are in UTC."""
    return value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else ""


class Networks:
    """Networks, segments, subnets and ports, added to what was gathered."""

    def __init__(self, source: Source, settings: Settings, found: Gathered) -> None:
        self._source, self._settings, self._found = source, settings, found
        self._standard = Standard(source)
        self._carried: dict[str, list[Row]] = defaultdict(list)

    def gather(self) -> None:
        networks = self._source.rows("networks")
        self._read_segments()
        for row in networks:
            self._found.add(f"network {row['id']}", partial(self._network, row))
            self._sides_of_network(row)
        for row in networks:
            self._segments(row)
        self._allocations()
        self._subnets()
        self._ports()

    # -- networks -----------------------------------------------------------------------------------------------------

    def _network(self, row: Row) -> Network:
        types = [segment["network_type"] for segment in self._carried[row["id"]]]
        return Network(
            **self._standard.of(row),
            admin_state_up=bool(row.get("admin_state_up", True)),
            mtu=row.get("mtu") or largest_mtu(self._settings, types),
            tags=self._standard.tags(row),
        )

    def _sides_of_network(self, row: Row) -> None:
        hints = json.loads(row.get("availability_zone_hints") or "[]")
        if hints:
            self._found.put(ZoneHints, row["id"], tuple(hints))

    def _read_segments(self) -> None:
        """Theirs have ids of their own in Neutron; a network of Quantum has one, or none."""
        for table in ("networksegments", "ml2_network_segments"):
            for row in self._source.rows(table):
                if not row.get("is_dynamic"):
                    self._carried[row["network_id"]].append(row)
        for row in self._source.rows("ovs_network_bindings"):
            self._carried[row["network_id"]].append({**row, "id": made_id("segment", row["network_id"])})
        for segments in self._carried.values():
            segments.sort(key=lambda row: row.get("segment_index") or 0)

    def _segments(self, network: Row) -> None:
        for position, row in enumerate(self._carried[network["id"]]):
            self._found.add(f"segment {row['id']} of network {network['id']}", partial(self._one, row, position))
        if not self._carried[network["id"]]:
            self._found.notes.append(
                f"network {network['id']} has no segment: it is carried on each host alone (local)"
            )
            self._found.rows.append(Segment(made_id("segment", network["id"]), network["id"], "local"))

    def _one(self, row: Row, position: int) -> Segment:
        if row["network_type"] not in NETWORK_TYPES:
            raise ValueError(f"there are no networks of the type {row['network_type']!r}")
        return Segment(
            id=row["id"],
            network_id=row["network_id"],
            network_type=row["network_type"],
            physical_network=row["physical_network"] or None,
            segmentation_id=row["segmentation_id"] or None,
            position=position,
            name=row.get("name"),
            **self._standard.stamps(row),
        )

    def _allocations(self) -> None:
        """What a segment has is taken by it here, too.  What is marked without one is told: it is free here."""
        held = {
            (row["network_type"], row["physical_network"] or None, row["segmentation_id"])
            for segments in self._carried.values()
            for row in segments
        }
        for type, table, column in ALLOCATIONS:
            taken = [row for row in self._source.rows(table) if row["allocated"]]
            idle = [row for row in taken if (type, row.get("physical_network"), row[column]) not in held]
            if idle:
                numbers = ", ".join(str(row[column]) for row in idle[:10]) + (", ..." if len(idle) > 10 else "")
                self._found.notes.append(f"{table}: no network has {type} {numbers}, though allocated; free here")

    # -- subnets ------------------------------------------------------------------------------------------------------

    def _subnets(self) -> None:
        pools = self._source.grouped("ipallocationpools", "subnet_id")
        servers = self._source.grouped("dnsnameservers", "subnet_id")
        routes = self._source.grouped("subnetroutes", "subnet_id") or self._source.grouped("routes", "subnet_id")
        types = self._source.grouped("subnet_service_types", "subnet_id")
        for row in self._source.rows("subnets"):
            given = pools[row["id"]], servers[row["id"]], routes[row["id"]], types[row["id"]]
            self._found.add(f"subnet {row['id']}", partial(self._subnet, row, *given))
            if row.get("subnetpool_id") and row["subnetpool_id"] != "prefix_delegation":
                self._found.put(PoolPart, row["id"], row["subnetpool_id"])

    def _subnet(
        self, row: Row, pools: list[Row], servers: list[Row], routes: list[Row], service_types: list[Row]
    ) -> Subnet:
        ranges = [Pool(parse.address(pool["first_ip"]), parse.address(pool["last_ip"])) for pool in pools]
        ordered = sorted(servers, key=lambda server: (server.get("order") or 0, server["address"]))
        return Subnet(
            **self._standard.of(row),
            network_id=row["network_id"],
            ip_version=row["ip_version"],
            cidr=parse.cidr(row["cidr"]),
            gateway_ip=parse.gateway(row["gateway_ip"] or None),
            allocation_pools=tuple(sorted(ranges)),
            dns_nameservers=tuple(parse.address(server["address"]) for server in ordered),
            host_routes=tuple(sorted(Route(route["destination"], route["nexthop"]) for route in routes)),
            enable_dhcp=bool(row["enable_dhcp"]),
            ipv6_ra_mode=parse.ipv6_mode(row.get("ipv6_ra_mode")),
            ipv6_address_mode=parse.ipv6_mode(row.get("ipv6_address_mode")),
            service_types=tuple(sorted(one["service_type"] for one in service_types)),
            segment_id=row.get("segment_id"),
            tags=self._standard.tags(row),
        )

    # -- ports --------------------------------------------------------------------------------------------------------

    def _ports(self) -> None:
        addresses = self._source.grouped("ipallocations", "port_id")
        bindings = self._source.grouped("ml2_port_bindings", "port_id")
        for row in self._source.rows("portbindingports"):
            bindings[row["port_id"]].append(row)
        ports = self._source.rows("ports")
        for row in ports:
            held = addresses[row["id"]], bindings[row["id"]]
            self._found.add(f"port {row['id']}", partial(self._port, row, *held))
            for waiting in (one for one in held[1] if one.get("status", ACTIVE) != ACTIVE):
                about = f"binding of port {row['id']} to {waiting['host']}"
                self._found.add(about, partial(_waiting, waiting))
        self._options()
        for row in self._source.rows("portdnses"):
            self._found.put(PortDns, row["port_id"], row["dns_name"] or "", row.get("dns_domain") or "")
        for row in self._source.rows("portdataplanestatuses"):
            self._found.put(DataPlane, row["port_id"], row["data_plane_status"])
        for row in self._source.rows("networkdnsdomains"):
            self._found.put(NetworkDns, row["network_id"], row["dns_domain"])
        dhcp = sum(row.get("device_owner") == DHCP for row in ports)
        if dhcp:
            told = f"{dhcp} ports are of DHCP agents ({DHCP}): the controller answers DHCP itself"
            self._found.notes.append(f"{told}, so delete them when the agents are gone")

    def _port(self, row: Row, addresses: list[Row], bindings: list[Row]) -> Port:
        held = [FixedIp(one["subnet_id"], parse.address(one["ip_address"])) for one in addresses]
        binding = next((one for one in bindings if one.get("status", ACTIVE) == ACTIVE), {})
        bound = _binding(binding, "host_id") if binding else {}
        bound.pop("port_id", None)
        mac = parse.mac(row["mac_address"])
        return Port(
            **self._standard.of(row),
            **bound,
            network_id=row["network_id"],
            mac_address=mac or "",
            fixed_ips=tuple(sorted(held)),
            ip_allocation=row.get("ip_allocation") or IMMEDIATE,
            device_id=row.get("device_id") or "",
            device_owner=row.get("device_owner") or "",
            admin_state_up=bool(row["admin_state_up"]),
            interface_name=json.loads(bound.get("profile", "{}")).get("interface", ""),
            tags=self._standard.tags(row),
        )

    def _options(self) -> None:
        for port_id, rows in self._source.grouped("extradhcpopts", "port_id").items():
            options = [DhcpOption(row["opt_name"], row["opt_value"], row.get("ip_version") or 4) for row in rows]
            self._found.put(DhcpOptions, port_id, tuple(sorted(options)))


def _waiting(row: Row) -> PortBinding:
    return PortBinding(**_binding(row, "host"))


def _binding(row: Row, host: str) -> dict[str, Any]:
    """Fields of a binding; the one of its host is named `host`.  Grizzly knew the host alone."""
    profile = parse.profile(json.loads(row.get("profile") or "{}"))
    return {
        "port_id": row["port_id"],
        host: row["host"] or "",
        "vnic_type": parse.vnic_type(row.get("vnic_type") or "normal"),
        "profile": profile,
    }
