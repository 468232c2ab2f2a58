"""Observed rows that nothing needs any more: wanted destinations, holders of addresses, MAC addresses of VIFs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.derived import LocalPort, RemoteAddress, RemotePort, Switch
from controller.core.model import Attachment, Binding, Port
from controller.core.net import Change, Net
from controller.core.observed import Heard, Holder, SeenMac, WantedAddress, WantedMac
from controller.core.row import key_of

FOLLOWED = frozenset((Attachment, Binding, Heard, Holder, SeenMac, Switch, WantedAddress, WantedMac))
LOST = frozenset((LocalPort, RemoteAddress, RemotePort))
"""The rows whose changes, and those whose removal, may leave something that nothing needs."""


def prune(net: Net, changes: list[Change]) -> bool:
    """Take back wants that lead to nothing: the destination is gone, or has come to the switch itself; holders whose
    VIF is gone; what was heard of guests that do not migrate any more; and MAC addresses that nobody waits for.

    Removals are carried out, and put behind the changes that they follow from; returns whether there were any.
    """
    if not any(change.row_type in FOLLOWED or (change.new is None and change.row_type in LOST) for change in changes):
        return False
    done = _prune_heard(net, changes) | _prune_seen(net, changes)
    for row in _wants_of(net, changes):
        if net.get(Switch, row.dpid) is None or net.get(type(row), key_of(row)) is None:
            continue
        if not _needed(net, row):
            change = Change(row, None)
            net.apply(change)
            changes.append(change)
            done = True
    return done


def _prune_heard(net: Net, changes: list[Change]) -> bool:
    found: dict[Holder | Heard, None] = {}
    for change in changes:
        match change:
            case Change(_, Heard() as row) if not _migrates(net, row):
                found[row] = None
            case Change(Binding(port_id), _) if (heard := net.get(Heard, port_id)) and not _migrates(net, heard):
                found[heard] = None
            case Change(_, Holder() as row) if net.get(Binding, row.port_id) is None:
                found[row] = None
            case Change(Binding(port_id), None):
                found.update(dict.fromkeys(net.find(Holder, "port_id", port_id)))
            case _:
                pass
    gone = [Change(row, None) for row in found if net.get(type(row), key_of(row)) == row]
    for change in gone:
        net.apply(change)
    changes.extend(gone)
    return bool(gone)


def _prune_seen(net: Net, changes: list[Change]) -> bool:
    found: dict[str, None] = {}
    for change in changes:
        if change.row_type in (SeenMac, Attachment) or (change.row_type is LocalPort and change.new is None):
            found[change.key] = None
    rows = (net.get(SeenMac, port_id) for port_id in found)
    gone = [Change(row, None) for row in rows if row is not None and not _is_waited_for(net, row)]
    for change in gone:
        net.apply(change)
    changes.extend(gone)
    return bool(gone)


def _is_waited_for(net: Net, seen: SeenMac) -> bool:
    return Attachment.wants_mac(net, seen.port_id) and net.get(LocalPort, seen.port_id) is not None


def _migrates(net: Net, row: Heard) -> bool:
    binding = net.get(Binding, row.port_id)
    return binding is not None and binding.arriving == row.host


def _wants_of(net: Net, changes: Iterable[Change]) -> Iterable[WantedMac | WantedAddress]:
    """The wants that changes may have made needless."""
    found: dict[Any, None] = {}
    for change in changes:
        match change:
            case Change(_, WantedMac() | WantedAddress() as row):
                found[row] = None
            case Change(RemotePort(dpid, _, network_id), None):
                found.update(dict.fromkeys(net.find(WantedMac, "dpid+network_id", (dpid, network_id))))
            case Change(RemoteAddress(dpid, network_id), None):
                found.update(dict.fromkeys(net.find(WantedAddress, "dpid+network_id", (dpid, network_id))))
            case Change(_, Switch(dpid)):
                found.update(dict.fromkeys(net.find(WantedMac, "dpid", dpid)))
                found.update(dict.fromkeys(net.find(WantedAddress, "dpid", dpid)))
            case _:
                pass
    return found


def _needed(net: Net, row: WantedMac | WantedAddress) -> bool:
    if isinstance(row, WantedAddress):
        return net.get(RemoteAddress, (row.dpid, row.network_id, row.ip)) is not None
    ports = net.find(Port, "network_id+mac_address", (row.network_id, row.mac))
    return any(net.get(RemotePort, (row.dpid, port.id)) is not None for port in ports)
