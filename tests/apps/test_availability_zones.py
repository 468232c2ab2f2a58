"""Availability zones over REST: what hosts name, and where networks are."""

from __future__ import annotations

import pytest

from apps import availability_zones
from controller.core.model import Host
from controller.core.plans import wiring
from tests.rest.api import Api


@pytest.fixture
def api():
    api = Api(apps=[availability_zones.app])
    for host in (Host("h1"), Host("h2", zone="az2"), Host("h3", zone="az2"), Host("h4", zone="az4")):
        write(api, wiring.describe_host, host)
    write(api, wiring.tell_agents, [("h1", True), ("h3", True), ("h4", True)])
    write(api, wiring.tell_agents, [("h4", False)])
    return api


def write(api, plan, *args):
    api.store.execute(lambda draft: plan(draft, *args), who="controller")


def zones(api, query=""):
    return {zone["name"]: zone["state"] for zone in api.get(f"/v2.0/availability_zones{query}")}


def test_zones_are_those_that_hosts_name():
    assert Api(apps=[availability_zones.app]).get("/v2.0/availability_zones") == []


def test_a_zone_is_available_while_a_host_of_it_is_there(api):
    assert zones(api) == {"nova": "available", "az2": "available", "az4": "unavailable"}
    write(api, wiring.tell_agents, [("h1", False), ("h4", True)])
    assert zones(api) == {"nova": "unavailable", "az2": "available", "az4": "available"}
    write(api, wiring.forget_host, "h4")
    assert zones(api) == {"nova": "unavailable", "az2": "available"}


def test_filters(api):
    assert api.get("/v2.0/availability_zones?name=nova") == [
        {"name": "nova", "resource": "network", "state": "available"}
    ]
    assert zones(api, "?state=unavailable") == {"az4": "unavailable"}
    assert zones(api, "?resource=router") == {}
    assert api.get("/v2.0/availability_zones/az4")["state"] == "unavailable"
    missing = api("GET", "/v2.0/availability_zones/az9")
    assert missing.error == (404, "AvailabilityZoneNotFound", "AvailabilityZone az9 could not be found.")


def test_a_network_is_in_the_zones_of_the_hosts_that_it_has_ports_on(api):
    network = api.make("network", availability_zone_hints=["az4"])
    path = f"/v2.0/networks/{network['id']}"
    assert (network["availability_zone_hints"], network["availability_zones"]) == (["az4"], [])
    ports = [api.make("port", network_id=network["id"])["id"] for _ in range(2)]
    write(api, wiring.bind, [(ports[0], "h1"), (ports[1], "h2")])
    assert api.get(path)["availability_zones"] == ["az2", "nova"]
    write(api, wiring.unbind, [(ports[0], "h1")])
    assert api.get(path)["availability_zones"] == ["az2"]
    write(api, wiring.describe_host, Host("h2", zone="az5"))
    assert api.get(path)["availability_zones"] == ["az5"]


@pytest.mark.parametrize(
    ("hints", "error"),
    [
        (["az9"], (404, "AvailabilityZoneNotFound", "AvailabilityZone az9 could not be found.")),
        ("nova", (400, "HTTPBadRequest", "Invalid input for availability_zone_hints. Reason: 'nova' is not a list.")),
        ([5], (400, "HTTPBadRequest", "Invalid input for availability_zone_hints. Reason: '5' is not a valid string.")),
        (
            ["nova", "nova"],
            (
                400,
                "HTTPBadRequest",
                "Invalid input for availability_zone_hints. Reason: Duplicate items in the list: 'nova'.",
            ),
        ),
        (
            ["a" * 255],
            (400, "InvalidInput", "Invalid input for operation: Too many availability_zone_hints specified."),
        ),
    ],
)
def test_hints_are_zones_that_are_there(api, hints, error):
    assert api("POST", "/v2.0/networks", {"network": {"availability_zone_hints": hints}}).error == error
    assert api.get("/v2.0/networks") == []
