"""The tables of Quantum's first releases (API v1): networks with a VLAN each, and ports with an interface."""

from __future__ import annotations

from typing import Any

from apps.port_security import PortSecurity
from controller.core.model import NONE, Attachment, Network, Port, Segment
from controller.core.plans.networks import largest_mtu
from controller.core.settings import Settings
from controller.takeover.gathered import Gathered, made_id
from controller.takeover.source import Row, Source


def gather(source: Source, settings: Settings, physical_network: str, found: Gathered) -> None:
    """Add the networks and ports.  The number of a network is its VLAN on `physical_network`, or its tunnel id where
    tenants' networks are GRE (the plugin used the one number for either).

    Ports have neither MAC nor address there: they get a MAC here, which gives way to that of their VIF, and no address.
    """
    network_type = "gre" if settings.tenant_network_types[:1] == ("gre",) else "vlan"
    numbers = {row["network_id"]: row["vlan_id"] for row in source.rows("vlan_bindings")}
    networks = source.rows("networks")
    mtu = largest_mtu(settings, (network_type,))
    for row in networks:
        found.rows.append(Network(row["uuid"], row.get("project_id") or "", row.get("name") or "", mtu=mtu))
        found.rows.append(_segment(row, network_type, physical_network, numbers.get(row["uuid"]), found))
    owners = {row["uuid"]: row.get("project_id") or "" for row in networks}
    for row in source.rows("ports"):
        found.rows.extend(_port(row, owners.get(row["network_id"], "")))


def _segment(row: Row, network_type: str, physical_network: str, number: int | None, found: Gathered) -> Segment:
    made = made_id("segment", row["uuid"])
    if number is None:
        found.notes.append(f"network {row['uuid']} has no VLAN: it is carried on each host alone (local)")
        return Segment(made, row["uuid"], "local")
    return Segment(made, row["uuid"], network_type, physical_network if network_type == "vlan" else None, number)


def _port(row: Row, owner: str) -> list[Any]:
    """A port and what goes with it: nothing protected it, and its VIF is the one that it names."""
    made = Port(
        row["uuid"],
        row["network_id"],
        owner,
        ip_allocation=NONE,
        admin_state_up=(row.get("state") or "DOWN").upper() == "ACTIVE",
    )
    protection: Any = PortSecurity
    rows: list[Any] = [made, protection(made.id, False)]
    interface = row.get("interface_id") or ""
    if interface and interface != made.id:
        rows.append(Attachment(made.id, interface))
    return rows
