"""How many addresses there are and how many are in use, as clients are told."""

from __future__ import annotations

import pytest

from controller.core.app import load
from controller.core.caller import Caller
from rest.policy import Policy
from tests.rest.api import Api

DETAILS = ("total_ips_in_subnet", "total_ips_in_allocation_pool", "used_ips_in_subnet", "used_ips_in_allocation_pool")


@pytest.fixture
def api():
    return Api(apps=load())


def counts(found):
    return found["total_ips"], found["used_ips"], tuple(found["ip_availability_details"][name] for name in DETAILS)


def available(api, network, query=""):
    return api.get(f"/v2.0/network-ip-availabilities/{network['id']}{query}")


def test_counts_of_a_network_follow_its_subnets_and_ports(api):
    network = api.make("network", name="n", project_id="p")
    assert available(api, network) == {
        "network_id": network["id"],
        "network_name": "n",
        "project_id": "p",
        "tenant_id": "p",
        "subnet_ip_availability": [],
        "used_ips": 0,
        "total_ips": 0,
        "ip_availability_details": dict.fromkeys(DETAILS, 0),
    }
    pools = [{"start": "10.0.0.10", "end": "10.0.0.19"}, {"start": "10.0.0.30", "end": "10.0.0.30"}]
    subnet = api.make(
        "subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24", allocation_pools=pools, name="s"
    )
    assert counts(available(api, network)) == (11, 0, (254, 11, 0, 0))
    port = api.make("port", network_id=network["id"])
    two = [{"subnet_id": subnet["id"], "ip_address": f"10.0.0.{last}"} for last in (30, 200)]
    api.make("port", network_id=network["id"], fixed_ips=two)
    found = available(api, network)
    assert counts(found) == (11, 3, (254, 11, 3, 2))
    (of_subnet,) = found["subnet_ip_availability"]
    assert counts(of_subnet) == counts(found)
    described = {"subnet_id": subnet["id"], "subnet_name": "s", "cidr": "10.0.0.0/24", "ip_version": 4}
    assert {name: of_subnet[name] for name in described} == described
    api("DELETE", f"/v2.0/ports/{port['id']}")
    assert counts(available(api, network))[1] == 2
    api("PUT", f"/v2.0/subnets/{subnet['id']}", {"subnet": {"allocation_pools": pools[:1]}})
    assert counts(available(api, network)) == (10, 2, (254, 10, 2, 0))
    api("PUT", f"/v2.0/subnets/{subnet['id']}", {"subnet": {"allocation_pools": []}})
    assert counts(available(api, network)) == (256, 2, (254, 0, 2, 0))


def test_ipv6_counts_are_whole_numbers_however_large(api):
    network = api.make("network")
    api.make("subnet", network_id=network["id"], ip_version=6, cidr="fd00::/64")
    assert counts(available(api, network)) == (2**64 - 1, 0, (2**64, 2**64 - 1, 0, 0))


def test_filters(api):
    both, six, none = (api.make("network", name=name, project_id=name) for name in ("both", "six", "none"))
    api.make("subnet", network_id=both["id"], ip_version=4, cidr="10.0.0.0/24")
    for network in (both, six):
        api.make("subnet", network_id=network["id"], ip_version=6, cidr="fd00::/120")
    collection = "/v2.0/network-ip-availabilities"

    def found(query):
        return {one["network_name"]: one["total_ips"] for one in api.get(f"{collection}?{query}")}

    assert found("") == {"both": 253 + 255, "six": 255, "none": 0}
    assert found("ip_version=4") == {"both": 253}
    assert found("ip_version=6") == {"both": 255, "six": 255}
    assert found("ip_version=4&ip_version=6") == {"both": 508, "six": 255}
    assert found(f"network_id={six['id']}&network_id={none['id']}") == {"six": 255, "none": 0}
    assert found("network_name=six&network_name=none") == {"six": 255, "none": 0}
    assert found("project_id=six") == found("tenant_id=six") == {"six": 255}
    assert found("limit=1&sort_key=network_name&sort_dir=desc") == {"six": 255}
    assert api("GET", f"{collection}?total_ips=0").status == 400
    assert api("GET", f"{collection}?ip_version=four").status == 400
    assert api.get(f"{collection}?fields=used_ips&network_name=six") == [{"used_ips": 0}]


def test_it_is_for_administrators_and_not_to_be_written():
    caller = Caller("ann", "ann", frozenset({"member", "reader"}))
    api = Api(apps=load(), authenticate=lambda environ: caller, policy=Policy())
    network = api.make("network")
    path = f"/v2.0/network-ip-availabilities/{network['id']}"
    text = f"Network {network['id']} could not be found."
    assert api("GET", path).error == (404, "NetworkNotFound", text)
    assert api.get("/v2.0/network-ip-availabilities") == []
    caller = Caller("root", "admin", frozenset({"admin"}), is_admin=True)
    assert api.get(path)["network_id"] == network["id"]
    assert api("DELETE", path).status == 405
    assert api("PUT", path, {"network_ip_availability": {}}).status == 405
    assert api("POST", "/v2.0/network-ip-availabilities", {}).status == 405


def test_a_read_after_no_change_counts_nothing_again(api, monkeypatch):
    network = api.make("network")
    api.make("subnet", network_id=network["id"], ip_version=4, cidr="10.0.0.0/24")
    api.make("port", network_id=network["id"])
    first = available(api, network)
    monkeypatch.setattr(type(api.store.net), "find", None)
    assert available(api, network) == first
