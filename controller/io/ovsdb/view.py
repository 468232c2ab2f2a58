"""What a host's rows say, in the words of core.events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from ipaddress import ip_address
from typing import NamedTuple

from ovs.db.idl import Idl, Row

from controller.core.events import BridgeRow, InterfaceRow
from controller.io.ovsdb.columns import first, pairs, references

MARK = "patchbay"
"""The key in external_ids, with value "true", of the Port and Controller rows that we made."""

LONGEST_ZONE = 255
"""Characters of an availability zone's name (Neutron's)."""
SMALLEST_MTU, LARGEST_MTU = 68, 65535
"""Bytes: what IPv4 asks of every link (RFC 791), and the longest packet that it has."""


class Description(NamedTuple):
    """A host's own description: the fields that HostUp and HostChanged share."""

    local_ip: str
    bridge_mappings: tuple[tuple[str, str], ...]
    datapath_type: str
    integration_bridge: str
    bridges: tuple[BridgeRow, ...]
    problem: str
    zone: str
    local_ip_mtu: int
    local_ip_interface: str


def is_ours(row: Row) -> bool:
    return bool(row.external_ids.get(MARK) == "true")


def host_name(idl: Idl, otherwise: str) -> str:
    """external_ids:hostname, else system-id, else `otherwise`."""
    ids = external_ids(idl)
    return ids.get("hostname") or ids.get("system-id") or otherwise


def external_ids(idl: Idl) -> Mapping[str, str]:
    for row in idl.tables["Open_vSwitch"].rows.values():
        return row.external_ids
    return {}


def describe(idl: Idl) -> Description:
    """Read external_ids and bridges; `problem` names the key and the rule it breaks, and its value counts as empty."""
    ids = external_ids(idl)
    bridges = tuple(sorted(bridge_row(row) for row in idl.tables["Bridge"].rows.values()))
    types = Counter(bridge.datapath_type for bridge in bridges)
    local_ip, no_address = read_local_ip(ids)
    mappings, no_mappings = read_mappings(ids)
    zone, no_zone = read_zone(ids)
    mtu, no_mtu = read_local_ip_mtu(ids)
    return Description(
        local_ip=local_ip,
        bridge_mappings=mappings,
        datapath_type=ids.get("datapath_type") or (types.most_common(1)[0][0] if types else ""),
        integration_bridge=ids.get("integration_bridge", ""),
        bridges=bridges,
        problem="; ".join(filter(None, (no_address, no_mappings, no_zone, no_mtu))),
        zone=zone,
        local_ip_mtu=mtu,
        local_ip_interface=ids.get("local_ip_interface", "").strip(),
    )


def read_local_ip(ids: Mapping[str, str]) -> tuple[str, str]:
    """(address, problem): external_ids:local_ip, else the first of OVN's ovn-encap-ip."""
    key = "local_ip" if ids.get("local_ip") else "ovn-encap-ip"
    text = ids.get(key, "").split(",")[0].strip()
    try:
        return (str(ip_address(text)) if text else ""), ""
    except ValueError:
        return "", f"external_ids:{key}: {text!r} is not an IP address"


def read_mappings(ids: Mapping[str, str]) -> tuple[tuple[tuple[str, str], ...], str]:
    """(mappings, problem): external_ids:bridge_mappings, else OVN's ovn-bridge-mappings: "physnet1:br-eth1,...".
    A bridge may be followed by the port of it that is meant (core.trunks).

    As in Neutron, spaces and empty items don't matter, and a physical network or a bridge is named once.
    """
    key = "bridge_mappings" if "bridge_mappings" in ids else "ovn-bridge-mappings"
    pairs: list[tuple[str, str]] = []
    for item in filter(None, map(str.strip, ids.get(key, "").split(","))):
        physnet, _, bridge = map(str.strip, item.partition(":"))
        if not physnet or not all(map(str.strip, bridge.split(":"))) or bridge.count(":") > 1:
            return (), f"external_ids:{key}: {item!r} is not PHYSICAL_NETWORK:BRIDGE or PHYSICAL_NETWORK:BRIDGE:PORT"
        if any(physnet == p or bridge == b for p, b in pairs):
            return (), f"external_ids:{key}: {item!r} names a physical network or a bridge a second time"
        pairs.append((physnet, bridge))
    return tuple(pairs), ""


def read_zone(ids: Mapping[str, str]) -> tuple[str, str]:
    """(availability zone, problem): external_ids:availability_zone."""
    zone = ids.get("availability_zone", "").strip()
    if len(zone) > LONGEST_ZONE:
        return "", f"external_ids:availability_zone: it has more than {LONGEST_ZONE} characters"
    return zone, ""


def read_local_ip_mtu(ids: Mapping[str, str]) -> tuple[int, str]:
    """(bytes, problem): external_ids:local_ip_mtu; 0 where the host does not say."""
    text = ids.get("local_ip_mtu", "").strip()
    if not text:
        return 0, ""
    if text.isascii() and text.isdigit() and len(text) < 6 and SMALLEST_MTU <= int(text) <= LARGEST_MTU:
        return int(text), ""
    return 0, f"external_ids:local_ip_mtu: {text!r} is not a number of bytes from {SMALLEST_MTU} to {LARGEST_MTU}"


def bridge_row(row: Row) -> BridgeRow:
    return BridgeRow(
        name=row.name,
        dpid=int(row.datapath_id[0], 16) if row.datapath_id else 0,
        datapath_type=row.datapath_type,
        fail_mode=row.fail_mode[0] if row.fail_mode else "",
        protocols=tuple(sorted(row.protocols)),
        controllers=tuple(sorted(controller.target for controller in row.controller)),
        disable_in_band=row.other_config.get("disable-in-band") == "true",
        connected=any(controller.is_connected for controller in row.controller),
    )


def vif_id(ids: Mapping[str, str]) -> str:
    """What an interface's external_ids say that the VIF is: its iface-id, or as XenServer puts it.

    There `xs-vif-uuid` is XAPI's own name of the VIF, which is written as iface-id, too, until somebody gave the VIF
    another one (`nicira-iface-id`): so a given name goes before XAPI's (vswitchd's schema and its ovs-xapi-sync).
    """
    own, said = ids.get("xs-vif-uuid", ""), ids.get("iface-id", "")
    return (said if said != own else "") or ids.get("nicira-iface-id", "") or own


def interface_row(row: Row, port: Row, bridge: str, is_bond: bool) -> InterfaceRow:
    """An interface that its hypervisor does not call active has no iface_id: it is not plugged."""
    ids = pairs(row, "external_ids")
    plugged = ids.get("iface-status", "active") == "active"
    return InterfaceRow(
        name=first(row, "name"),
        bridge=bridge,
        type=first(row, "type"),
        iface_id=vif_id(ids) if plugged else "",
        mac=ids.get("attached-mac", ""),
        error=first(row, "error"),
        tag=first(port, "tag", None),
        ours=pairs(port, "external_ids").get(MARK) == "true",
        mtu=first(row, "mtu", 0),
        peer=pairs(row, "options").get("peer", ""),
        bond=first(port, "name") if is_bond else "",
    )


class Interfaces:
    """All interfaces of a host, kept up to date by looking only at what changed.

    Rows are known by the numbers of their UUIDs (Rows).
    """

    def __init__(self, idl: Idl) -> None:
        self._rows = {name: idl.tables[name].rows for name in ("Bridge", "Port", "Interface")}
        self._ports: dict[int, frozenset[int]] = {}  # of a bridge
        self._interfaces: dict[int, frozenset[int]] = {}  # of a port
        self._bridge: dict[int, int] = {}  # of a port
        self._port: dict[int, int] = {}  # of an interface
        self._shown: dict[int, InterfaceRow] = {}

    @property
    def rows(self) -> tuple[InterfaceRow, ...]:
        return tuple(sorted(self._shown.values(), key=lambda row: row.name))

    def update(self, touched: Mapping[str, Set[int]]) -> tuple[tuple[InterfaceRow, ...], tuple[str, ...]]:
        """Take in touched rows, by table; the result is (interfaces that came or changed, names gone)."""
        bridges, ports = touched.get("Bridge", frozenset()), touched.get("Port", frozenset())
        ports = ports | self._follow(bridges, "Bridge", "ports", self._ports, self._bridge)
        held = self._follow(ports, "Port", "interfaces", self._interfaces, self._port)
        changed: dict[str, InterfaceRow] = {}
        removed: set[str] = set()
        for number in touched.get("Interface", frozenset()) | held:
            old, new = self._shown.get(number), self._read(number)
            if new == old:
                continue
            if new is not None:
                self._shown[number] = changed[new.name] = new
            else:
                del self._shown[number]
            if old is not None and (new is None or new.name != old.name):
                removed.add(old.name)
        return tuple(changed[name] for name in sorted(changed)), tuple(sorted(removed - changed.keys()))

    def _follow(
        self,
        parents: Set[int],
        table: str,
        column: str,
        children: dict[int, frozenset[int]],
        parent: dict[int, int],
    ) -> set[int]:
        """Bring `children` and its inverse `parent` up to date; the result is every child, old or new."""
        rows = self._rows[table]
        seen: set[int] = set()
        for number in parents:
            row = rows.at(number)
            new = references(row, column) if row is not None else frozenset()
            old = children.pop(number, frozenset())
            if new:
                children[number] = new
            for gone in old - new:
                if parent.get(gone) == number:
                    del parent[gone]
            parent.update(dict.fromkeys(new, number))
            # A bridge's other ports did not change with it; a port's tag and mark are shown on its interfaces.
            seen |= old ^ new if table == "Bridge" else old | new
        return seen

    def _read(self, number: int) -> InterfaceRow | None:
        port = self._port.get(number)
        bridge = self._bridge.get(port) if port is not None else None
        if port is None or bridge is None:
            return None
        of, at = self._rows["Port"].at(port), self._rows["Bridge"].at(bridge)
        row = self._rows["Interface"].at(number)
        if row is None or of is None or at is None:
            return None
        return interface_row(row, of, first(at, "name"), len(self._interfaces[port]) > 1)
