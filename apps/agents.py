"""Agents: the hosts that joined, as schedulers, dashboards and oVirt ask for them.

No agent runs on a host; the controller does its work.  What is shown is what clients look for: which hosts there are,
which of them can be reached, and by which bridges and addresses they carry networks.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from controller.core.app import App
from controller.core.model import TUNNEL_TYPES, Agent, Host
from controller.core.plan import Draft
from controller.core.plans.revision import existing
from controller.core.resource import CHANGE, DELETE, Computed, Source
from controller.core.resources import read_only

app = App("agents")
app.extension("agent", "agent", "The hosts that joined.", "2013-02-03T10:00:00-00:00")

CONSTANTS = {"agent_type": "Open vSwitch agent", "binary": "neutron-openvswitch-agent", "topic": "N/A"}
"""What clients know a host with Open vSwitch by."""


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> Agent:
    return draft.put(replace(existing(draft, Agent, key), **values))


def _configurations(net: Any, agent: Agent) -> dict[str, Any]:
    """How the host carries networks."""
    host = net.get(Host, agent.host) or Host(agent.host)
    return {
        "bridge_mappings": dict(host.bridge_mappings),
        "tunnel_types": list(TUNNEL_TYPES) if host.local_ip else [],
        "tunneling_ip": host.local_ip or None,
        "l2_population": False,
        "arp_responder_enabled": True,
        "datapath_type": host.datapath_type or "system",
        "ovs_hybrid_plug": False,
        "integration_bridge": host.integration_bridge,
        "enable_distributed_routing": False,
        "extensions": [],
    }


def _constant(value: str) -> Any:
    return lambda net, agent: value


app.resource(
    "agent",
    "agents",
    Agent,
    change=change,
    methods=frozenset({CHANGE, DELETE}),
    computed=(
        *(Computed("", read_only(name), _constant(value)) for name, value in CONSTANTS.items()),
        Computed("", read_only("configurations", filter=False), _configurations),
    ),
    sources=(Source(Host, lambda net, host: (agent.id for agent in net.find(Agent, "host", host.name))),),
)
