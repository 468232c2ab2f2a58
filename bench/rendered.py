"""Flows rendered by the real engine from real rows: what P1 programs and what the profiles look at."""

from __future__ import annotations

from bench.cloud import FIRST_TAP, LOCAL, TUNNEL_PORT, Cloud
from controller.core import app
from controller.core.effects import FlowMods
from controller.core.events import PortDesc, SwitchUp
from controller.core.flow import Flow, Metered
from controller.core.machine import Machine
from controller.core.text import format_flow

LOCAL_FLOWS = 20
"""Flows of a port on its own bridge, about."""


def flows(count: int) -> list[Flow]:
    """About `count` different flows of one bridge that has half of them for its own ports, which are protected by ten
    rules each, half for remote ones."""
    ports = count * 11 // 20 // LOCAL_FLOWS
    cloud = Cloud(hosts=20, networks=10, ports=ports, protected=True)
    for _ in range(count // 4):
        cloud.place(len(cloud.places) % 10, 1 + len(cloud.places) % 19)
    cloud.ports = len(cloud.places)
    machine = Machine(app.load(), cloud.settings(proactive=True), cloud.rows())
    # Where the ports are bound is one thing, where they are found another: all of the first are plugged in here.
    taps = [PortDesc(FIRST_TAP + n, cloud.tap(n), "") for n in range(ports)]
    known = [PortDesc(LOCAL, "br-int", ""), PortDesc(TUNNEL_PORT, "vxlan0", ""), *taps]
    effects = machine.step([SwitchUp(1, "127.0.0.1", tuple(known), ())])
    found = [flow for effect in effects if isinstance(effect, FlowMods) for flow in effect.add if not _metered(flow)]
    if len(found) < count:
        raise RuntimeError(f"{len(found)} flows were rendered, {count} are wanted")
    return found[:count]


def _metered(flow: Flow) -> bool:
    """Whether it names a meter, which would have to be there first: ovs-ofctl has no bundle that makes both."""
    return any(isinstance(action, Metered) for action in flow.actions)


def flows_as_text(made: list[Flow]) -> str:
    """The same for ovs-ofctl, with cookies and the flags that ours have."""
    return "".join(
        f"cookie={flow.cookie:#x},{'send_flow_rem ' if flow.idle_timeout else ''}{format_flow(flow)}\n" for flow in made
    )


def copied(made: list[Flow]) -> list[Flow]:
    """Flows that are equal but new: nothing that was kept on the old ones is there."""
    return [Flow(flow.table, flow.priority, flow.match, flow.actions, flow.idle_timeout) for flow in made]
