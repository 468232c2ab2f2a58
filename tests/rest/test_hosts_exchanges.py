"""Exchanges recorded from a running Neutron 29.0.0 about hosts: agents, zones, bindings, and the names of ports.

`neutron29_hosts.jsonl` has one exchange a line, in the order in which they are replayed here.  Every attribute that we
show is what Neutron answered, but for ids, times, addresses drawn at random, and what is told of below.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from apps import agents, availability_zones, dns, port_bindings, port_extras
from controller.core.model import Host
from controller.core.plans import wiring
from tests.rest.api import SETTINGS, Api

EXCHANGES = [json.loads(line) for line in (Path(__file__).parent / "neutron29_hosts.jsonl").read_text().splitlines()]
MAPPINGS = (("public", "br-ex"), ("physnet1", "br-p1"), ("physnet2", "br-p2"))
HOSTS = ("ho-host-1", "ho-host-2")
DRAWN = ("id", "created_at", "updated_at", "started_at", "heartbeat_timestamp", "revision_number", "mac_address")
OWNED = ("project_id", "tenant_id", "network_id", "fixed_ips", "dns_assignment", "subnets", "security_groups")
CONFIGURED = ("tunnel_types", "extensions")
"""Keys of an agent's configurations: that Neutron used fewer tunnel types, and had an extension for QoS."""


@pytest.fixture
def api():
    loaded = [agents.app, availability_zones.app, dns.app, port_bindings.app, port_extras.app]
    api = Api(replace(SETTINGS, dns_domain="example.org."), apps=loaded)
    for name in HOSTS:
        host = Host(name, "10.0.0.1", MAPPINGS)
        api.store.execute(lambda draft, host=host: wiring.describe_host(draft, host), who="controller")
    api.store.execute(lambda draft: wiring.tell_agents(draft, [(name, True) for name in HOSTS]), who="controller")
    return api


def recorded(*words):
    found = [e for e in EXCHANGES if all(word in f"{e['m']} {e['p']} {json.dumps(e['q'])}" for word in words)]
    assert found, words
    return found


def same(ours, theirs, *other):
    """Every attribute that both have is the same."""
    compared = ours.keys() & theirs.keys() - {*DRAWN, *OWNED, *other}
    assert len(compared) > 4
    assert {name: ours[name] for name in compared} == {name: theirs[name] for name in compared}


def same_vif(ours, theirs):
    """`port_filter` is whether security groups are enforced; `ovs_create_tap` asks for what we have no part in."""
    assert ours.keys() <= theirs.keys()
    assert {k: v for k, v in ours.items() if k != "port_filter"} == {
        k: v for k, v in theirs.items() if k not in ("port_filter", "ovs_create_tap")
    }


def same_agent(ours, theirs):
    same(ours, theirs, "configurations")
    mine, yours = ours["configurations"], theirs["configurations"]
    shared = mine.keys() & yours.keys() - {*CONFIGURED}
    assert shared == yours.keys() - {*CONFIGURED}
    assert {key: mine[key] for key in shared} == {key: yours[key] for key in shared}


def test_agents(api):
    (listed,) = [e for e in recorded("GET /agents") if e["p"] == "/agents"]
    ours = {agent["host"]: agent for agent in api.get("/v2.0/agents")}
    ids = {}
    for theirs in listed["r"]["agents"]:
        same_agent(ours[theirs["host"]], theirs)
        ids[theirs["id"]] = ours[theirs["host"]]["id"]
    for exchange in (*recorded("GET /agents/"), *recorded("PUT /agents/")):
        theirs = exchange["r"]["agent"]
        reply = api(exchange["m"], f"/v2.0/agents/{ids[theirs['id']]}", exchange["q"])
        assert reply.status == exchange["s"]
        same_agent(reply.body["agent"], theirs)
    for exchange in recorded("DELETE /agents"):
        reply = api("DELETE", f"/v2.0{exchange['p']}")
        assert (reply.status, reply.body) == (exchange["s"], exchange["r"])


def test_agents_that_are_not_there_are_not_found(api):
    (exchange,) = recorded("agent_type=DHCP+Agent")
    assert api.get(f"/v2.0{exchange['p']}") == []


def test_availability_zones(api):
    (exchange,) = recorded("/availability_zones")
    theirs = [zone for zone in exchange["r"]["availability_zones"] if zone["resource"] == "network"]
    assert api.get("/v2.0/availability_zones") == theirs


def test_bindings(api):
    """A port is bound, gets a second binding, that is activated, the first is removed, and the port is unbound."""
    network = api.make("network")["id"]
    api.make("subnet", network_id=network, cidr="10.67.0.0/24", ip_version=4)
    port = api.make("port", network_id=network, device_id="cd1322de-e1da-4f56-8f9d-ad9a7d8d2624")["id"]
    exchanges = [e for e in EXCHANGES if e["p"].startswith("/ports/6c0ac9f5")]
    assert len(exchanges) == 6
    for exchange in exchanges:
        path = exchange["p"].replace("6c0ac9f5-6f83-44f7-81d5-630dc8812a1d", port)
        reply = api(exchange["m"], f"/v2.0{path}", exchange["q"])
        assert reply.status == exchange["s"], reply
        theirs = exchange["r"]
        if theirs is None:
            assert reply.body is None
        elif "port" in theirs:
            same(reply.body["port"], theirs["port"], "binding:vif_details")
            same_vif(reply.body["port"]["binding:vif_details"], theirs["port"]["binding:vif_details"])
        else:
            assert reply.body.keys() & {"binding"} == theirs.keys() & {"binding"}
            ours, theirs = reply.body.get("binding", reply.body), theirs.get("binding", theirs)
            assert {**ours, "vif_details": None} == {**theirs, "vif_details": None}
            same_vif(ours["vif_details"], theirs["vif_details"])


def test_a_port_that_is_bound_shows_how(api):
    for exchange in (*recorded("PUT /ports/9c4e3264"), *recorded("PUT /ports/dbb69b79")):
        host = exchange["q"]["port"]["binding:host_id"]
        theirs = exchange["r"]["port"]
        known = {name: theirs[name] for name in ("name", "device_id", "device_owner")}
        port = api.make("port", network_id=api.make("network")["id"], **known)
        given = {"port": {"binding:host_id": host}}
        ours = api("PUT", f"/v2.0/ports/{port['id']}", given).body["port"]
        same(ours, theirs, "binding:vif_details", "allowed_address_pairs")  # which theirs was given before
        same_vif(ours["binding:vif_details"], theirs["binding:vif_details"])


def test_names(api):
    """Made and changed: the names of ports' addresses and the domains of networks and ports."""
    (made,) = recorded("POST /networks")
    network = api("POST", "/v2.0/networks", made["q"]).body["network"]
    same(network, made["r"]["network"])
    (changed,) = recorded("PUT /networks")
    same(
        api("PUT", f"/v2.0/networks/{network['id']}", changed["q"]).body["network"],
        changed["r"]["network"],
        "availability_zones",
    )
    api.make("subnet", network_id=network["id"], cidr="10.100.0.0/24", ip_version=4)
    for creating, updating in zip(
        recorded("POST /ports", '"dns_name"'), recorded("PUT /ports", '"dns_name"'), strict=True
    ):
        theirs = creating["r"]["port"]
        addresses = [{"ip_address": ip["ip_address"]} for ip in theirs["fixed_ips"]]
        given = {**creating["q"]["port"], "network_id": network["id"], "fixed_ips": addresses}
        ours = api("POST", "/v2.0/ports", {"port": given}).body["port"]
        same(ours, theirs)
        assert ours["dns_assignment"] == theirs["dns_assignment"]
        assert theirs["id"] in updating["p"]
        ours = api("PUT", f"/v2.0/ports/{ours['id']}", updating["q"]).body["port"]
        same(ours, updating["r"]["port"])
        assert ours["dns_assignment"] == updating["r"]["port"]["dns_assignment"]


def test_a_network_of_one_segment_has_no_list_of_them(api):
    (exchange,) = recorded("fields=segments")
    network = api.make("network")["id"]
    assert api("GET", f"/v2.0/networks/{network}?fields=segments").body == exchange["r"]
