"""MAC addresses of VIFs that ports name, as proposals to the store: guests that API v1 plugs in choose their own.

A host tells them (`attached-mac`); where it does not, admission shows the controller what a VIF sends until one is
seen.  What is told later still counts; what is sent later does not, or a guest could have us write without end.
"""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.derived import LocalPort
from controller.core.effects import Propose
from controller.core.model import Attachment
from controller.core.net import Change, Net
from controller.core.observed import Interface, OfPort, SeenMac
from controller.core.plans import parse

_FOLLOWED = frozenset({Attachment, Interface, LocalPort, SeenMac})


def follow(net: Net, changes: Iterable[Change]) -> Iterable[Propose]:
    """What the changes of one step tell of MAC addresses."""
    concerned: dict[str, None] = {}
    for change in changes:
        if change.row_type in _FOLLOWED and change.new is not None:
            concerned.update(dict.fromkeys(_ports(net, change.new)))
    found = tuple((port_id, mac) for port_id in concerned if (mac := _news(net, port_id)))
    if found:
        yield Propose("adopt_macs", found)


def _ports(net: Net, row: Attachment | Interface | LocalPort | SeenMac) -> list[str]:
    if isinstance(row, Interface):
        return [held.port_id for held in net.find(Attachment, "vif_id", row.iface_id)]
    return [row.port_id]


def _news(net: Net, port_id: str) -> str:
    """The MAC address of a port's VIF, where it is not known as that; else ''."""
    held, local, seen = net.get(Attachment, port_id), net.get(LocalPort, port_id), net.get(SeenMac, port_id)
    if held is None or local is None:
        return ""
    mac = _told(net, local) or (_checked(seen.mac) if seen and not held.mac_address else "")
    return mac if mac != held.mac_address else ""


def _told(net: Net, local: LocalPort) -> str:
    """What the host tells of it."""
    ofport = net.get(OfPort, (local.dpid, local.ofport))
    interface = net.get(Interface, (local.host, ofport.name)) if ofport else None
    return _checked(interface.mac) if interface else ""


def _checked(text: str) -> str:
    """The MAC address in its usual form, '' where it is none that a host can have."""
    try:
        return parse.mac(text) or ""
    except parse.Invalid:
        return ""
