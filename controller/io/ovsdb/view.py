"""What a host's rows say, in the words of core.events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any, NamedTuple
from uuid import UUID

from ovs.db.idl import Idl, Row

from controller.core.events import BridgeRow, InterfaceRow

MARK = "patchbay"
"""The key in external_ids, with value "true", of the Port and Controller rows that we made."""

LONGEST_ZONE = 255
"""Characters of an availability zone's name (Neutron's)."""


class Description(NamedTuple):
    """A host's own description: the fields that HostUp and HostChanged share."""

    local_ip: str
    bridge_mappings: tuple[tuple[str, str], ...]
    datapath_type: str
    integration_bridge: str
    bridges: tuple[BridgeRow, ...]
    problem: str
    zone: str


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
    return Description(
        local_ip=local_ip,
        bridge_mappings=mappings,
        datapath_type=ids.get("datapath_type") or (types.most_common(1)[0][0] if types else ""),
        integration_bridge=ids.get("integration_bridge", ""),
        bridges=bridges,
        problem="; ".join(filter(None, (no_address, no_mappings, no_zone))),
        zone=zone,
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


def interface_row(row: Row, port: Row, bridge: str) -> InterfaceRow:
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
    )


# Row's own attributes would also look for changes of an open transaction and check each value again, which for a burst
# of interfaces takes longer than everything else here.  A column that holds its default may have no datum.


def elements(row: Row, column: str) -> Iterable[Any]:
    """The values of a set or scalar column, as the host last told them; a reference is the UUID of its row."""
    datum = row._data.get(column)
    return (atom.value for atom in datum.values) if datum is not None else ()


def first(row: Row, column: str, otherwise: Any = "") -> Any:
    """The value of a column that has at most one."""
    return next(iter(elements(row, column)), otherwise)


def pairs(row: Row, column: str) -> dict[str, str]:
    """The keys and values of a map column, as the host last told them."""
    datum = row._data.get(column)
    return {key.value: value.value for key, value in datum.values.items()} if datum is not None else {}


class Interfaces:
    """All interfaces of a host, kept up to date by looking only at what changed."""

    def __init__(self, idl: Idl) -> None:
        self._tables = idl.tables
        self._ports: dict[UUID, frozenset[UUID]] = {}  # of a bridge
        self._interfaces: dict[UUID, frozenset[UUID]] = {}  # of a port
        self._bridge: dict[UUID, UUID] = {}  # of a port
        self._port: dict[UUID, UUID] = {}  # of an interface
        self._shown: dict[UUID, InterfaceRow] = {}

    @property
    def rows(self) -> tuple[InterfaceRow, ...]:
        return tuple(sorted(self._shown.values(), key=lambda row: row.name))

    def update(self, touched: Iterable[tuple[str, UUID]]) -> tuple[tuple[InterfaceRow, ...], tuple[str, ...]]:
        """Take in touched rows, as (table, row UUID); the result is (interfaces that came or changed, names gone)."""
        by_table: dict[str, set[UUID]] = {"Bridge": set(), "Port": set(), "Interface": set()}
        for table, uuid in touched:
            by_table.setdefault(table, set()).add(uuid)
        ports = by_table["Port"] | self._follow(by_table["Bridge"], "Bridge", "ports", self._ports, self._bridge)
        held = self._follow(ports, "Port", "interfaces", self._interfaces, self._port)
        changed: dict[str, InterfaceRow] = {}
        removed: set[str] = set()
        for uuid in by_table["Interface"] | held:
            old, new = self._shown.pop(uuid, None), self._read(uuid)
            if new is not None:
                self._shown[uuid] = new
            if new is not None and new != old:
                changed[new.name] = new
            if old is not None and (new is None or new.name != old.name):
                removed.add(old.name)
        return tuple(changed[name] for name in sorted(changed)), tuple(sorted(removed - changed.keys()))

    def _follow(
        self,
        parents: set[UUID],
        table: str,
        column: str,
        children: dict[UUID, frozenset[UUID]],
        parent: dict[UUID, UUID],
    ) -> set[UUID]:
        """Bring `children` and its inverse `parent` up to date; the result is every child, old or new."""
        seen: set[UUID] = set()
        for uuid in parents:
            row = self._tables[table].rows.get(uuid)
            new = frozenset(elements(row, column)) if row is not None else frozenset()
            old = children.pop(uuid, frozenset())
            if new:
                children[uuid] = new
            for gone in old - new:
                if parent.get(gone) == uuid:
                    del parent[gone]
            parent.update(dict.fromkeys(new, uuid))
            # A bridge's other ports did not change with it; a port's tag and mark are shown on its interfaces.
            seen |= old ^ new if table == "Bridge" else old | new
        return seen

    def _read(self, uuid: UUID) -> InterfaceRow | None:
        port = self._port.get(uuid)
        bridge = self._bridge.get(port) if port else None
        keys = {"Interface": uuid, "Port": port, "Bridge": bridge}
        rows = [self._tables[table].rows.get(key) for table, key in keys.items()]
        return interface_row(rows[0], rows[1], first(rows[2], "name")) if all(rows) else None
