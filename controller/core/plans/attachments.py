"""Plans for VIFs that ports name: the attachments of Quantum's API v1.

A VIF is named by one port at most, and by none when it is that of another port by its id.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from controller.core.model import Attachment, Binding, Port
from controller.core.plan import Draft, Refusal
from controller.core.plans import ports, refusals
from controller.core.plans.revision import existing
from controller.core.plans.writes import touch


def attached(net: Draft, port_id: str) -> str:
    """The VIF that a port names, '' if none.  `net` may be a Net."""
    held = net.get(Attachment, port_id)
    return held.vif_id if held else ""


def in_use(net: Draft, port: Port) -> bool:
    """Whether somebody would miss the port: it names a VIF, has one, or belongs to a device.  `net` may be a Net."""
    return bool(attached(net, port.id) or net.get(Binding, port.id) or port.device_id or port.device_owner)


def plug(draft: Draft, port_id: str, vif_id: str) -> None:
    """Let the port name its VIF.  Refuses with PortInUse when it names one, with AlreadyAttached when that is another
    port's."""
    port = existing(draft, Port, port_id)
    if held := attached(draft, port_id):
        raise refusals.port_in_use(port.network_id, port_id, held)
    others = [other.port_id for other in draft.find(Attachment, "vif_id", vif_id)]
    if vif_id != port_id and draft.get(Port, vif_id) is not None:
        others.append(vif_id)
    if others:
        raise refusals.already_attached(vif_id, others[0])
    draft.put(Attachment(port_id, vif_id))
    touch(draft, port, port)


def unplug(draft: Draft, port_id: str) -> None:
    """Let the port name no VIF.  It is without one at once, whatever its switch has yet to acknowledge."""
    port, held = existing(draft, Port, port_id), draft.get(Attachment, port_id)
    if held is None:
        return
    for row in (held, draft.get(Binding, port_id)):
        if row is not None:
            draft.remove(row)
    touch(draft, port, port)


def adopt_macs(draft: Draft, seen: Iterable[tuple[str, str]]) -> None:
    """VIFs that ports name have these MAC addresses: `(port id, MAC)` each.

    The port gets the one of its VIF.  One that another port of the network has is noted and left to that port.
    """
    for port_id, mac in seen:
        held = draft.get(Attachment, port_id)
        if held is None or held.mac_address == mac:
            continue
        with suppress(Refusal):
            ports.change(draft, port_id, {"mac_address": mac})
        draft.put(replace(held, mac_address=mac))
