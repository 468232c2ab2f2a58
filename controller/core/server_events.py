"""What Nova is told of its servers' ports (its API `os-server-external-events`): which event follows from which change.

Nova waits for `network-vif-plugged` before it starts a server, and before it migrates one.  An event is a row, written
in the transaction of the change that it follows from: so it comes after the acknowledgement that the change stands for,
never before, and it is told whatever becomes of the controller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from controller.core.effects import TellServers
from controller.core.model import COMPUTE, Binding, Fault, Port, PortBinding, ServerEvent
from controller.core.net import Change
from controller.core.plan import Draft
from controller.core.plans import allocate

PLUGGED, UNPLUGGED = "network-vif-plugged", "network-vif-unplugged"
DELETED, CHANGED = "network-vif-deleted", "network-changed"
COMPLETED, FAILED = "completed", "failed"
SEQUENCE = "server event"
"""The Sequence of their numbers."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

Said = tuple[str, str]
"""An event's name and its status."""


def note(draft: Draft) -> None:
    """Write down what Nova is to be told of what a plan has changed; nothing where there is no Nova."""
    if not draft.settings.tells_servers:
        return
    for change in draft.changes():
        for port, (name, status) in _events(draft, change):
            number = allocate.next_key(draft, SEQUENCE)
            draft.put(ServerEvent(number, name, port.device_id, port.id, status))


def told(changes: Iterable[Change]) -> Iterator[TellServers]:
    """What Nova is told of committed changes."""
    found = tuple(change.new for change in changes if change.row_type is ServerEvent and change.new is not None)
    if found:
        yield TellServers(found)


def forget(draft: Draft, numbers: Iterable[int]) -> None:
    """Nova has taken events, or is not told of them any more."""
    for number in numbers:
        event = draft.get(ServerEvent, number)
        if event is not None:
            draft.remove(event)


def _events(net: Any, change: Change) -> Iterator[tuple[Port, Said]]:
    """The port that an event is about, and the event."""
    port, said = _said(net, change)
    if port is not None and said is not None and _is_a_servers(port):
        yield port, said


def _is_a_servers(port: Port) -> bool:
    return port.device_owner.startswith(COMPUTE) and _UUID.fullmatch(port.device_id) is not None


def _said(net: Any, change: Change) -> tuple[Port | None, Said | None]:
    match change:
        case Change(Port() as port, None):
            return port, (DELETED, "")
        case Change(Port() as old, Port() as port):
            same = (old.mac_address, old.fixed_ips) == (port.mac_address, port.fixed_ips)
            return port, None if same else (CHANGED, "")
        case Change(Binding() | None as old, Binding() | None as new) if change.row_type is Binding:
            return net.get(Port, change.key), _of_binding(old, new)
        case Change(None, Fault(kind="Port") as fault):
            port = net.get(Port, fault.id)
            return port, (PLUGGED, FAILED) if port is not None and _is_awaited(net, port) else None
        case _:
            return None, None


def _of_binding(old: Binding | None, new: Binding | None) -> Said | None:
    """The VIF where the guest is, or the one where it will be, is wired."""
    was, now = old is not None and old.active, new is not None and new.active
    wired = new is not None and new.wired and not (old is not None and old.wired)
    if (now and not was) or wired:
        return PLUGGED, COMPLETED
    return (UNPLUGGED, COMPLETED) if was and not now else None


def _is_awaited(net: Any, port: Port) -> bool:
    """Whether Nova may wait for a VIF of the port: for its first one, or for that where its guest will come to."""
    binding = net.get(Binding, port.id)
    if binding is None or not binding.active:
        return bool(port.host_id)
    coming = [waiting.host for waiting in net.find(PortBinding, "port_id", port.id) if not waiting.former]
    return any(host != binding.host and not (binding.wired and host == binding.arriving) for host in coming)
