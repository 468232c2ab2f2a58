"""Agents over REST: the hosts that joined, found and changed as Neutron's are."""

from __future__ import annotations

import pytest

from apps import agents, availability_zones
from controller.core.model import Host
from controller.core.plans import wiring
from tests.rest.api import Api

MAPPINGS = (("public", "br-ex"), ("physnet1", "br-p1"))


@pytest.fixture
def api():
    api = Api(apps=[agents.app, availability_zones.app])
    hosts = Host("h1", "10.0.0.1", MAPPINGS, managed=True), Host("h2", zone="az2")
    for host in hosts:
        api.store.execute(lambda draft, host=host: wiring.describe_host(draft, host), who="controller")
    tell(api, ("h1", True), ("h2", True))
    tell(api, ("h2", False))
    return api


def tell(api, *seen):
    api.store.execute(lambda draft: wiring.tell_agents(draft, seen), who="controller")


def hosts(api, query=""):
    return sorted(agent["host"] for agent in api.get(f"/v2.0/agents{query}"))


def test_an_agent_as_answered(api):
    (agent,) = api.get("/v2.0/agents?host=h1")
    assert api.get(f"/v2.0/agents/{agent['id']}") == agent
    times = [agent.pop(name) for name in ("created_at", "started_at", "heartbeat_timestamp")]
    assert len(set(times)) == 1
    assert len(agent.pop("id")) == 36
    assert agent == {
        "host": "h1",
        "agent_type": "Open vSwitch agent",
        "binary": "neutron-openvswitch-agent",
        "topic": "N/A",
        "alive": True,
        "admin_state_up": True,
        "description": "",
        "availability_zone": None,
        "configurations": {
            "bridge_mappings": {"public": "br-ex", "physnet1": "br-p1"},
            "tunnel_types": ["vxlan", "gre", "geneve"],
            "tunneling_ip": "10.0.0.1",
            "l2_population": False,
            "arp_responder_enabled": True,
            "datapath_type": "system",
            "ovs_hybrid_plug": False,
            "integration_bridge": "br-int",
            "enable_distributed_routing": False,
            "extensions": [],
        },
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["h1", "h2"]),
        ("?alive=true", ["h1"]),
        ("?alive=False", ["h2"]),
        ("?agent_type=Open+vSwitch+agent", ["h1", "h2"]),
        ("?agent_type=DHCP+agent", []),
        ("?binary=neutron-openvswitch-agent&host=h2", ["h2"]),
        ("?availability_zone=az2", ["h2"]),
        ("?topic=N/A&admin_state_up=true", ["h1", "h2"]),
    ],
)
def test_filters(api, query, found):
    assert hosts(api, query) == found


def test_lists_come_in_order(api):
    assert [agent["host"] for agent in api.get("/v2.0/agents?sort_key=host&sort_dir=desc&limit=2")] == ["h2", "h1"]


def test_what_a_host_says_anew_shows(api):
    (agent,) = api.get("/v2.0/agents?host=h1")
    host = Host("h1", "10.0.0.9", datapath_type="netdev", zone="az1")
    api.store.execute(lambda draft: wiring.describe_host(draft, host), who="controller")
    shown = api.get(f"/v2.0/agents/{agent['id']}")
    assert (shown["configurations"]["tunneling_ip"], shown["configurations"]["bridge_mappings"]) == ("10.0.0.9", {})
    assert (shown["configurations"]["datapath_type"], shown["availability_zone"]) == ("netdev", "az1")


def test_an_administrator_describes_switches_off_and_removes(api):
    (agent,) = api.get("/v2.0/agents?host=h1")
    path = f"/v2.0/agents/{agent['id']}"
    given = {"admin_state_up": False, "description": "rack 4"}
    assert api("PUT", path, {"agent": given}).body["agent"] == agent | given
    tell(api, ("h1", False))
    assert {name: api.get(path)[name] for name in given} == given
    assert api("DELETE", path).status == 204
    assert hosts(api) == ["h2"]
    assert api("GET", path).error == (404, "AgentNotFound", f"Agent {agent['id']} could not be found.")


def test_refused(api):
    (agent,) = api.get("/v2.0/agents?host=h1")
    assert api("POST", "/v2.0/agents", {"agent": {}}).status == 405
    refused = api("PUT", f"/v2.0/agents/{agent['id']}", {"agent": {"alive": False}})
    assert refused.error == (400, "HTTPBadRequest", "Cannot update read-only attribute alive")
    missing = "c2705801-54c0-4db3-b7dc-f6d50d656813"
    assert api("DELETE", f"/v2.0/agents/{missing}").error[:2] == (404, "AgentNotFound")
    assert api("GET", "/v2.0/agents?heartbeat_timestamp=x").status == 400
