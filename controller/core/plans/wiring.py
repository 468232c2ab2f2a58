"""Plans for what the controller observed.  Each is idempotent: told the same thing twice, it changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from controller.core.model import Agent, Binding, Fault, Host, LocalVlan, Port
from controller.core.plan import Draft, Refusal
from controller.core.plans import allocate
from controller.core.row import key_of


def bind(draft: Draft, seen: Iterable[tuple[str, str]]) -> None:
    """VIFs were seen: `(port id, host)` each.

    A port that is known gets a Binding to that host (not active until its flows are acknowledged) and its network a
    local VLAN there.  Where no local VLAN is left the port gets a Fault and no Binding.
    """
    for port_id, host in seen:
        port = draft.get(Port, port_id)
        if port is not None:
            _bind(draft, port, host)


def _bind(draft: Draft, port: Port, host: str) -> None:
    if not _has_room(draft, port, host):
        return
    binding = draft.get(Binding, port.id)
    if binding is None or binding.network_id != port.network_id:
        draft.put(Binding(port.id, port.network_id, host))
    elif binding.host != host:
        draft.put(_moved(binding, host))


def _has_room(draft: Draft, port: Port, host: str) -> bool:
    """See to it that the port's network has a local VLAN on the host; the port has a Fault while there is none."""
    reason = f"no local VLAN is left on host {host}"
    room = _has_local_vlan(draft, host, port.network_id)
    fault = draft.get(Fault, ("Port", port.id))
    if not room:
        set_fault(draft, "Port", port.id, reason)
    elif fault is not None and fault.reason == reason:
        draft.remove(fault)
    return room


def _moved(binding: Binding, host: str) -> Binding:
    """The binding at another host: active still, if that was wired beforehand."""
    came = binding.arriving == host
    active = binding.active and binding.wired and came
    return Binding(binding.port_id, binding.network_id, host, active=active, migrated=came)


def arrive(draft: Draft, seen: Iterable[tuple[str, str]]) -> None:
    """VIFs were seen on hosts that their guests will come to: `(port id, host)` each; "" for none any more.

    Where no local VLAN is left the guest is not awaited, and its port gets a Fault: Nova is told that it failed.
    """
    for port_id, host in seen:
        port, binding = draft.get(Port, port_id), draft.get(Binding, port_id)
        if port is None or binding is None or host in binding.hosts:
            continue
        if not host or _has_room(draft, port, host):
            draft.put(replace(binding, arriving=host, wired=False))


def wire(draft: Draft, seen: Iterable[tuple[str, str]]) -> None:
    """Every switch has acknowledged the flows of VIFs that guests will come to: `(port id, host)` each."""
    for port_id, host in seen:
        binding = draft.get(Binding, port_id)
        if binding is not None and binding.arriving == host:
            draft.put(replace(binding, wired=True))


def cut_over(draft: Draft, seen: Iterable[tuple[str, str]], moved: bool = True) -> None:
    """Guests are on the hosts that they went to: `(port id, host)` each.  The others get their packets no more.

    They have `moved` where the port itself is not bound to that host yet."""
    for port_id, host in seen:
        binding = draft.get(Binding, port_id)
        if binding is not None and binding.arriving == host:
            draft.put(replace(_moved(binding, host), moved=moved))
        elif binding is not None and binding.host == host:
            draft.put(replace(binding, moved=binding.moved and moved))


def _has_local_vlan(draft: Draft, host: str, network_id: str) -> bool:
    """See to it that the network has a local VLAN on the host: a free one, else one of a network that left the host."""
    if draft.get(LocalVlan, (host, network_id)) is not None:
        return True
    name = f"vlan {host}"

    def holders(vid: int) -> list[LocalVlan]:
        return draft.find(LocalVlan, "host+vid", (host, vid))

    def left(vid: int) -> bool:
        return not any(draft.find(Binding, "host+network_id", (host, holder.network_id)) for holder in holders(vid))

    vid = allocate.first_free(draft, name, [allocate.VLANS], lambda vid: not holders(vid))
    if vid is None:
        vid = allocate.first_free(draft, name, [allocate.VLANS], left)
    if vid is None:
        return False
    for holder in holders(vid):
        draft.remove(holder)
    draft.put(LocalVlan(host, network_id, vid))
    return True


def unbind(draft: Draft, gone: Iterable[tuple[str, str]]) -> None:
    """VIFs are gone from hosts: `(port id, host)` each.  A port that was seen elsewhere since keeps its Binding."""
    for port_id, host in gone:
        binding = draft.get(Binding, port_id)
        if binding is not None and binding.host == host:
            draft.remove(binding)


def activate(draft: Draft, port_ids: Iterable[str]) -> None:
    """Every switch that needs the flows of these ports has acknowledged them."""
    for port_id in port_ids:
        binding = draft.get(Binding, port_id)
        if binding is not None:
            draft.put(replace(binding, active=True))


def end_interim(draft: Draft, rows: Iterable[Any]) -> None:
    """Every switch has acknowledged what follows from these interim rows.  One that was changed meanwhile, or is
    another one for the same thing, stays: no two are equal."""
    for row in rows:
        if draft.get(type(row), key_of(row)) == row:
            draft.remove(row)


def describe_host(draft: Draft, host: Host) -> None:
    """A host said what it is.  A bridge has one host: one that had it is without it from now on, and goes when
    it has none left (it was told by its address before it dialled in, or has a new name)."""
    for _, dpid in host.bridges:
        for other in draft.find(Host, "bridge", dpid):
            if other.name != host.name:
                _take_bridge(draft, other, dpid)
    draft.put(host)


def tell_agents(draft: Draft, seen: Iterable[tuple[str, bool]]) -> None:
    """Hosts came or went: `(host, whether it is connected)` each.  A host's agent is there from when it first came."""
    now = draft.now.replace("T", " ").removesuffix("Z")
    for host, alive in seen:
        agent = next(iter(draft.find(Agent, "host", host)), None)
        if agent is None and alive and draft.get(Host, host) is not None:
            draft.put(Agent(draft.new_id(), host, True, created_at=now, started_at=now, heartbeat_timestamp=now))
        elif agent is not None and agent.alive != alive:
            started = now if alive else agent.started_at
            draft.put(replace(agent, alive=alive, started_at=started, heartbeat_timestamp=now))


def forget_host(draft: Draft, name: str) -> None:
    """A host will not come back: its peers need not know of it any more, and its ports are DOWN.

    One that is only away describes itself again when it is back.
    """
    host = draft.get(Host, name)
    if host is None:
        raise Refusal("HostNotFound", f"Host {name} could not be found.", 404)
    _leave(draft, host)


def _take_bridge(draft: Draft, host: Host, dpid: int) -> None:
    left = tuple(bridge for bridge in host.bridges if bridge[1] != dpid)
    if left:
        draft.put(replace(host, bridges=left))
        return
    _leave(draft, host)


def _leave(draft: Draft, host: Host) -> None:
    draft.remove(host)
    fault = draft.get(Fault, ("Host", host.name))
    if fault is not None:
        draft.remove(fault)
    for binding in draft.find(Binding, "host", host.name):
        if binding.arriving == host.name:
            draft.put(replace(binding, arriving="", wired=False))
        else:
            draft.remove(binding)
    for row_type in (Agent, LocalVlan):
        for row in draft.find(row_type, "host", host.name):
            draft.remove(row)


def set_fault(draft: Draft, kind: str, id: str, reason: str) -> None:
    """Something went wrong with an object (kind: Port, Network or Host); the reason is for people."""
    draft.put(Fault(kind, id, reason))


def clear_fault(draft: Draft, kind: str, id: str) -> None:
    """It goes well again."""
    fault = draft.get(Fault, (kind, id))
    if fault is not None:
        draft.remove(fault)
