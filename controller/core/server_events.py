"""What Nova is told of its servers' ports (its API `os-server-external-events`): which event follows from which change.

Nova waits for `network-vif-plugged` before it starts a server, and before it migrates one.  An event follows from a
committed row, so it comes after the acknowledgement that the row stands for, and never before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from controller.core.effects import TellServers
from controller.core.model import COMPUTE, Binding, Port
from controller.core.net import Change, Net

PLUGGED, UNPLUGGED = "network-vif-plugged", "network-vif-unplugged"
DELETED, CHANGED = "network-vif-deleted", "network-changed"
COMPLETED = "completed"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class ServerEvent(NamedTuple):
    """One event: `server_uuid` is the port's device_id, `tag` the port's id; `status` is "" where Nova wants none."""

    name: str
    server_uuid: str
    tag: str
    status: str = ""


def told(net: Net, changes: Iterable[Change]) -> Iterator[TellServers]:
    """What Nova is told of committed changes, which `net` has already."""
    found = tuple(event for change in changes for event in _events(net, change))
    if found:
        yield TellServers(found)


def _events(net: Net, change: Change) -> Iterable[ServerEvent]:
    match change:
        case Change(Port() as port, None):
            return _of(port, DELETED)
        case Change(Port() as old, Port() as port):
            known, now = (old.mac_address, old.fixed_ips), (port.mac_address, port.fixed_ips)
            return _of(port, CHANGED) if known != now else ()
        case Change(Binding() | None as old, Binding() | None as new):
            port_id = (new or old).port_id  # type: ignore[union-attr]
            return _of(net.get(Port, port_id), *_of_binding(old, new))
        case _:
            return ()


def _of_binding(old: Binding | None, new: Binding | None) -> tuple[str, ...]:
    """The name of the event, and its status: the VIF where the guest is, or the one where it will be, is wired."""
    was, now = old is not None and old.active, new is not None and new.active
    wired = new is not None and new.wired and not (old is not None and old.wired)
    if (now and not was) or wired:
        return PLUGGED, COMPLETED
    return (UNPLUGGED, COMPLETED) if was and not now else ()


def _of(port: Port | None, name: str = "", status: str = "") -> Iterable[ServerEvent]:
    """An event of a server's port."""
    if port is None or not name or not port.device_owner.startswith(COMPUTE) or not _UUID.fullmatch(port.device_id):
        return ()
    return (ServerEvent(name, port.device_id, port.id, status),)
