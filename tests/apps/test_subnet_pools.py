"""Subnet pools and address scopes, as clients use them."""

from __future__ import annotations

import pytest

from controller.core.app import load
from controller.core.caller import Caller
from rest.policy import Policy
from tests.rest.api import Api

ADMIN = Caller("root", "admin", frozenset({"admin", "manager", "member", "reader"}), is_admin=True)
ANN = Caller("ann", "ann", frozenset({"member", "reader"}))
BOB = Caller("bob", "bob", frozenset({"member", "reader"}))


class Cloud(Api):
    """An API with all apps and Neutron's policy; `as_` says whose the next requests are."""

    def __init__(self):
        self.caller = ADMIN
        super().__init__(apps=load(), authenticate=lambda environ: self.caller, policy=Policy())

    def as_(self, caller):
        self.caller = caller
        return self

    def pool(self, *prefixes, **values):
        return self.make("subnetpool", **{"name": "pool", "prefixes": list(prefixes), **values})

    def scope(self, ip_version=4, **values):
        body = {"address_scope": {"ip_version": ip_version, **values}}
        return self("POST", "/v2.0/address-scopes", body).body["address_scope"]

    def put(self, path, **values):
        (name,) = (path.split("/")[0][:-1].replace("-", "_"),)
        return self("PUT", f"/v2.0/{path}", {name: values})

    def subnet(self, network, **values):
        return self.make("subnet", **{"network_id": network["id"], "ip_version": 4, **values})

    def refused_subnet(self, network, **values):
        body = {"subnet": {"network_id": network["id"], "ip_version": 4, **values}}
        return self("POST", "/v2.0/subnets", body).error


@pytest.fixture
def cloud():
    return Cloud()


# -- address scopes ---------------------------------------------------------------------------------------------------


def test_a_scope(cloud):
    scope = cloud.as_(ANN).scope(name="s", ip_version="6")
    assert scope == {
        "id": scope["id"],
        "project_id": "ann",
        "tenant_id": "ann",
        "name": "s",
        "ip_version": 6,
        "shared": False,
    }
    path = f"address-scopes/{scope['id']}"
    assert cloud.put(path, name="t").body["address_scope"]["name"] == "t"
    assert cloud.put(path, ip_version=4).error[2] == "Cannot update read-only attribute ip_version"
    assert cloud("POST", "/v2.0/address-scopes", {"address_scope": {}}).error[2].endswith("'ip_version' not specified")
    assert cloud.get("/v2.0/address-scopes?ip_version=6") == [{**scope, "name": "t"}]
    assert cloud.as_(BOB).get("/v2.0/address-scopes") == []
    assert cloud.put(path, name="u").error == (
        404,
        "AddressScopeNotFound",
        f"Address scope {scope['id']} could not be found.",
    )
    assert cloud.as_(ANN)("DELETE", f"/v2.0/{path}").status == 204


def test_a_shared_scope_stays_so(cloud):
    scope = cloud.scope(shared=True)
    path = f"address-scopes/{scope['id']}"
    assert cloud.put(path, name="new", shared=False).error == (
        400,
        "AddressScopeUpdateError",
        f"Unable to update address scope {scope['id']} : Shared address scope can't be unshared.",
    )
    assert cloud.as_(BOB).get(f"/v2.0/{path}")["shared"] is True
    mine = cloud.scope()
    assert cloud.put(f"address-scopes/{mine['id']}", shared=True).status == 403
    assert cloud.as_(ADMIN).put(f"address-scopes/{mine['id']}", shared=True).body["address_scope"]["shared"] is True


# -- pools ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "lengths", "prefixes"),
    [
        ({"prefixes": ["10.0.1.0/24", "10.0.0.0/24"]}, ("8", "8", "32"), ["10.0.0.0/23"]),
        ({"prefixes": ["2001:db8::7/32"]}, ("64", "64", "128"), ["2001:db8::/32"]),
        ({"prefixes": ["10.0.0.0/8"], "min_prefixlen": "24"}, ("24", "24", "32"), ["10.0.0.0/8"]),
        (
            {"prefixes": ["10.0.0.0/8"], "min_prefixlen": 16, "default_prefixlen": 20, "max_prefixlen": 24},
            ("16", "20", "24"),
            ["10.0.0.0/8"],
        ),
    ],
)
def test_prefixes_are_merged_and_lengths_have_defaults(cloud, asked, lengths, prefixes):
    pool = cloud.make("subnetpool", name="p", **asked)
    assert (pool["min_prefixlen"], pool["default_prefixlen"], pool["max_prefixlen"]) == lengths
    assert pool["prefixes"] == prefixes
    assert pool["ip_version"] == (6 if ":" in prefixes[0] else 4)
    assert cloud.get(f"/v2.0/subnetpools?min_prefixlen={lengths[0]}&ip_version={pool['ip_version']}") == [pool]


@pytest.mark.parametrize(
    ("values", "type", "message"),
    [
        ({"prefixes": []}, "EmptySubnetPoolPrefixList", "Empty subnet pool prefix list."),
        (
            {"prefixes": ["10.0.0.0/8", "fd00::/8"]},
            "PrefixVersionMismatch",
            "Cannot mix IPv4 and IPv6 prefixes in a subnet pool.",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "min_prefixlen": 20, "max_prefixlen": 16},
            "IllegalSubnetPoolPrefixBounds",
            "Illegal prefix bounds: min_prefixlen=20, max_prefixlen=16.",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "max_prefixlen": 33},
            "IllegalSubnetPoolPrefixBounds",
            "Illegal prefix bounds: max_prefixlen=33, ip_version_max=32.",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "default_prefixlen": 7},
            "IllegalSubnetPoolPrefixBounds",
            "Illegal prefix bounds: default_prefixlen=7, min_prefixlen=8.",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "default_prefixlen": 25, "max_prefixlen": 24},
            "IllegalSubnetPoolPrefixBounds",
            "Illegal prefix bounds: default_prefixlen=25, max_prefixlen=24.",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "default_prefixlen": -1},
            "HTTPBadRequest",
            "Invalid input for default_prefixlen. Reason: '-1' should be non-negative.",
        ),
        (
            {"prefixes": "10.0.0.0/8"},
            "HTTPBadRequest",
            "Invalid input for prefixes. Reason: '10.0.0.0/8' is not a list.",
        ),
        (
            {"prefixes": ["10.0.0.0"]},
            "HTTPBadRequest",
            "Invalid input for prefixes. Reason: '10.0.0.0' is not a valid IP subnet.",
        ),
        (
            {"prefixes": ["10.0.0.0/8", "10.0.0.0/8"]},
            "HTTPBadRequest",
            "Invalid input for prefixes. Reason: Duplicate items in the list: '10.0.0.0/8'.",
        ),
        (
            {"prefixes": ["10.0.0.0/8"], "name": " "},
            "HTTPBadRequest",
            "Invalid input for name. Reason: ' ' Blank strings are not permitted.",
        ),
    ],
)
def test_refused_pools(cloud, values, type, message):
    reply = cloud("POST", "/v2.0/subnetpools", {"subnetpool": {"name": "p", **values}})
    assert reply.error == (400, type, message)
    assert cloud.get("/v2.0/subnetpools") == []


def test_prefixes_may_only_grow(cloud):
    pool = cloud.pool("10.0.0.0/24")
    path = f"subnetpools/{pool['id']}"
    message = "Illegal update to prefixes: Existing prefixes must be a subset of the new prefixes."
    for prefixes in (["10.0.0.0/25"], [], ["10.1.0.0/24"]):
        assert cloud.put(path, prefixes=prefixes).error == (400, "IllegalSubnetPoolPrefixUpdate", message)
    assert cloud.put(path, prefixes=["10.0.0.0/24", "fd00::/64"]).error[1] == "PrefixVersionMismatch"
    grown = cloud.put(path, prefixes=["10.0.1.0/24", "10.0.0.0/24"]).body["subnetpool"]
    assert (grown["prefixes"], grown["revision_number"]) == (["10.0.0.0/23"], 1)
    assert cloud.put(path, min_prefixlen=24, max_prefixlen=25).error[1] == "IllegalSubnetPoolPrefixBounds"
    assert cloud.put(path, min_prefixlen=24, default_prefixlen=24).status == 200
    assert cloud.put(path, shared=True).error[2] == "Cannot update read-only attribute shared"


def test_prefixes_are_added_and_removed(cloud):
    pool = cloud.as_(ANN).pool("10.0.0.0/24")
    path, network = f"/v2.0/subnetpools/{pool['id']}", cloud.make("network")
    cloud.subnet(network, subnetpool_id=pool["id"], prefixlen=26)
    assert cloud("PUT", f"{path}/add_prefixes", {"prefixes": ["10.0.1.0/24"]}).body == {"prefixes": ["10.0.0.0/23"]}
    refused = cloud("PUT", f"{path}/remove_prefixes", {"prefixes": ["10.0.0.0/25"]})
    assert refused.error == (
        400,
        "IllegalSubnetPoolPrefixUpdate",
        "Illegal update to prefixes: One or more the prefixes to be removed is in use by a subnet..",
    )
    left = cloud("PUT", f"{path}/remove_prefixes", {"prefixes": ["10.0.0.128/25", "192.0.2.0/24"]})
    assert left.body == {"prefixes": ["10.0.0.0/25", "10.0.1.0/24"]}
    assert cloud.get(path)["prefixes"] == left.body["prefixes"]
    for body in ({}, {"prefixes": []}):
        assert cloud("PUT", f"{path}/add_prefixes", body).error[2] == "Request body contains invalid data"
    assert cloud("PUT", f"{path}/add_prefixes", {"prefixes": [7]}).status == 400
    assert cloud.as_(BOB)("PUT", f"{path}/add_prefixes", {"prefixes": ["10.2.0.0/24"]}).status == 404


def test_one_default_of_each_ip_version(cloud):
    four = cloud.pool("10.0.0.0/8", is_default=True)
    cloud.pool("fd00::/48", is_default=True)
    refused = cloud(
        "POST", "/v2.0/subnetpools", {"subnetpool": {"name": "p", "prefixes": ["11.0.0.0/8"], "is_default": 1}}
    )
    assert refused.error == (
        400,
        "InvalidInput",
        "Invalid input for operation: A default subnetpool for this IP family has already been set. Only one default "
        "may exist per IP family.",
    )
    other = cloud.pool("12.0.0.0/8")
    assert cloud.put(f"subnetpools/{other['id']}", is_default=True).status == 400
    assert cloud.put(f"subnetpools/{four['id']}", is_default=True, name="same").status == 200
    assert cloud.put(f"subnetpools/{four['id']}", is_default=False).status == 200
    assert cloud.put(f"subnetpools/{other['id']}", is_default=True).body["subnetpool"]["is_default"] is True
    assert cloud.as_(ANN).put(f"subnetpools/{cloud.pool('13.0.0.0/8')['id']}", is_default=True).status == 403


def test_a_pool_that_subnets_are_of_stays(cloud):
    pool, network = cloud.pool("10.0.0.0/8"), cloud.make("network")
    subnet = cloud.subnet(network, subnetpool_id=pool["id"], prefixlen=24)
    path = f"/v2.0/subnetpools/{pool['id']}"
    refused = (400, "SubnetPoolDeleteError", "Unable to delete subnet pool: Subnet pool has existing allocations.")
    assert cloud("DELETE", path).error == refused
    assert cloud("DELETE", f"/v2.0/subnets/{subnet['id']}").status == 204
    assert cloud("DELETE", path).status == 204
    again = cloud.pool("10.0.0.0/8")["id"]
    cloud.subnet(network, subnetpool_id=again, prefixlen=24)
    assert cloud("DELETE", f"/v2.0/networks/{network['id']}").status == 204
    assert cloud("DELETE", f"/v2.0/subnetpools/{again}").status == 204


def test_a_shared_pool_is_for_everyone(cloud):
    pool = cloud.pool("10.0.0.0/8", shared=True)
    network = cloud.as_(ANN).make("network")
    assert cloud.subnet(network, subnetpool_id=pool["id"], prefixlen=24)["cidr"] == "10.0.0.0/24"
    mine = cloud.pool("11.0.0.0/8")
    assert cloud.as_(BOB).get("/v2.0/subnetpools") == [pool]
    network = cloud.make("network")
    absent = f"Subnet pool {mine['id']} could not be found."
    assert cloud.refused_subnet(network, subnetpool_id=mine["id"]) == (404, "SubnetPoolNotFound", absent)
    body = {"subnetpool": {"name": "p", "prefixes": ["12.0.0.0/8"], "shared": True}}
    assert cloud("POST", "/v2.0/subnetpools", body).status == 403


# -- subnets from pools -----------------------------------------------------------------------------------------------


def test_a_subnet_has_a_free_block(cloud):
    pool, network = cloud.pool("10.0.0.0/16", default_prefixlen=26, max_prefixlen=28), cloud.make("network")
    first = cloud.subnet(network, subnetpool_id=pool["id"])
    assert (first["cidr"], first["gateway_ip"], first["subnetpool_id"]) == ("10.0.0.0/26", "10.0.0.1", pool["id"])
    assert "prefixlen" not in first
    assert "use_default_subnetpool" not in first
    assert first["allocation_pools"] == [{"start": "10.0.0.2", "end": "10.0.0.62"}]
    assert cloud.subnet(network, subnetpool_id=pool["id"], prefixlen="24")["cidr"] == "10.0.1.0/24"
    assert cloud.subnet(network, subnetpool_id=pool["id"], gateway_ip=None)["gateway_ip"] is None
    assert cloud.subnet(network, subnetpool_id=pool["id"], cidr="10.0.128.0/24")["cidr"] == "10.0.128.0/24"
    assert len(cloud.get(f"/v2.0/subnets?subnetpool_id={pool['id']}")) == 4
    path = f"subnets/{first['id']}"
    for name in ("cidr", "subnetpool_id", "prefixlen", "use_default_subnetpool"):
        assert cloud.put(path, **{name: None}).error[2] == f"Cannot update read-only attribute {name}"
    cloud("DELETE", f"/v2.0/{path}")
    assert cloud.subnet(network, subnetpool_id=pool["id"])["cidr"] == "10.0.0.0/26"


def test_ipv6_from_a_pool(cloud):
    pool, network = cloud.pool("2001:db8::/48"), cloud.make("network")
    found = cloud.subnet(network, subnetpool_id=pool["id"], ip_version=6)
    assert (found["cidr"], found["gateway_ip"]) == ("2001:db8::/64", "2001:db8::1")
    slaac = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    assert cloud.subnet(network, subnetpool_id=pool["id"], ip_version=6, **slaac)["cidr"] == "2001:db8:0:1::/64"


@pytest.mark.parametrize(
    ("values", "status", "type", "message"),
    [
        (
            {"prefixlen": 33},
            400,
            "MaxPrefixSubnetAllocationError",
            "Unable to allocate subnet with prefix length 33, maximum allowed prefix is 30.",
        ),
        (
            {"cidr": "10.0.0.0/20"},
            400,
            "MinPrefixSubnetAllocationError",
            "Unable to allocate subnet with prefix length 20, minimum allowed prefix is 24.",
        ),
        (
            {"cidr": "10.0.0.0/24", "prefixlen": 24},
            400,
            "BadRequest",
            "Bad subnets request: cidr and prefixlen must not be supplied together.",
        ),
        (
            {"use_default_subnetpool": True},
            400,
            "BadRequest",
            "Bad subnets request: subnetpool_id and use_default_subnetpool cannot both be specified.",
        ),
        (
            {"ip_version": 6},
            400,
            "BadRequest",
            "Bad subnets request: Cannot allocate IPv6 subnet from IPv4 subnet pool.",
        ),
        (
            {"allocation_pools": [{"start": "10.0.0.2", "end": "10.0.0.9"}]},
            400,
            "BadRequest",
            "Bad subnets request: allocation_pools allowed only for specific subnet requests..",
        ),
        (
            {"cidr": "192.0.2.0/24"},
            409,
            "SubnetAllocationError",
            "Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes.",
        ),
        (
            {"cidr": "10.0.0.128/25"},
            409,
            "SubnetAllocationError",
            "Failed to allocate subnet: Cannot allocate requested subnet from the available set of prefixes.",
        ),
        (
            {"prefixlen": 24},
            409,
            "SubnetAllocationError",
            "Failed to allocate subnet: Insufficient prefix space to allocate subnet size /24.",
        ),
        (
            {"subnetpool_id": "prefix_delegation"},
            400,
            "HTTPBadRequest",
            "Invalid input for subnetpool_id. Reason: prefix delegation is not supported.",
        ),
        (
            {"cidr": "fd00::/24"},
            400,
            "InvalidInput",
            "Invalid input for operation: cidr 'fd00::/24' does not match the ip_version '4'.",
        ),
    ],
)
def test_refused_subnets(cloud, values, status, type, message):
    """Of a pool of one /24, of which one address block is taken."""
    pool = cloud.pool("10.0.0.0/24", min_prefixlen=24, max_prefixlen=30)["id"]
    cloud.subnet(cloud.make("network"), subnetpool_id=pool, cidr="10.0.0.128/26")
    network = cloud.make("network")
    assert cloud.refused_subnet(network, **{"subnetpool_id": pool, **values}) == (status, type, message)
    assert cloud.get(f"/v2.0/subnets?network_id={network['id']}") == []


def test_the_default_pool(cloud):
    network = cloud.make("network")
    refused = (400, "BadRequest", "Bad subnets request: No default subnetpool found for IPv4.")
    assert cloud.refused_subnet(network, use_default_subnetpool=True) == refused
    pool = cloud.pool("10.0.0.0/8", is_default=True, default_prefixlen=24)
    made = cloud.subnet(network, use_default_subnetpool=True)
    assert (made["subnetpool_id"], made["cidr"]) == (pool["id"], "10.0.0.0/24")
    other = cloud.as_(ANN).make("network")
    assert cloud.refused_subnet(other, use_default_subnetpool=True) == refused  # it is not shared with them


def test_a_projects_share_of_a_pool(cloud):
    pool = cloud.pool("10.0.0.0/16", default_quota=64, shared=True)["id"]
    six = cloud.pool("fd00::/32", default_quota=2, shared=True, default_prefixlen=64)["id"]
    network = cloud.as_(ANN).make("network")
    for _ in range(2):
        cloud.subnet(network, subnetpool_id=pool, prefixlen=27)
        cloud.subnet(network, subnetpool_id=six, ip_version=6)
    over = (409, "SubnetPoolQuotaExceeded", "Per-project subnet pool prefix quota exceeded.")
    assert cloud.refused_subnet(network, subnetpool_id=pool, prefixlen=32, enable_dhcp=False) == over
    assert cloud.refused_subnet(network, subnetpool_id=pool, cidr="10.0.99.0/30") == over
    assert cloud.refused_subnet(network, subnetpool_id=six, ip_version=6) == over
    cloud.as_(BOB).subnet(cloud.make("network"), subnetpool_id=pool, prefixlen=26)


def test_many_at_once_do_not_overlap(cloud):
    pool, network = cloud.pool("10.0.0.0/24")["id"], cloud.make("network")
    one = {"network_id": network["id"], "ip_version": 4, "subnetpool_id": pool, "prefixlen": 26}
    made = cloud("POST", "/v2.0/subnets", {"subnets": [one] * 4}).body["subnets"]
    assert [subnet["cidr"] for subnet in made] == ["10.0.0.0/26", "10.0.0.64/26", "10.0.0.128/26", "10.0.0.192/26"]
    assert cloud("POST", "/v2.0/subnets", {"subnets": [one]}).error[1] == "SubnetAllocationError"


# -- subnets taken into pools ------------------------------------------------------------------------------------------


def test_a_networks_subnets_are_taken_into_a_pool(cloud):
    scope = cloud.scope()["id"]
    pool = cloud.as_(ANN).pool("10.0.0.0/16", default_prefixlen=24)["id"]
    cloud.as_(ADMIN).put(f"subnetpools/{pool}", address_scope_id=scope)
    mine = cloud.as_(BOB).pool("10.1.0.0/16", default_prefixlen=24)
    network = cloud.make("network")
    subnets = [cloud.subnet(network, cidr=cidr) for cidr in ("10.1.7.0/24", "192.0.2.0/25")]
    cloud.subnet(network, cidr="fd00::/64", ip_version=6)
    path = f"/v2.0/subnetpools/{mine['id']}"
    onboard = {"network_id": network["id"]}
    taken = cloud("PUT", f"{path}/onboard_network_subnets", onboard)
    assert (taken.status, sorted(taken.body, key=lambda one: one["cidr"])) == (
        200,
        [{"id": subnet["id"], "cidr": subnet["cidr"]} for subnet in subnets],
    )
    assert cloud.get(path)["prefixes"] == ["10.1.0.0/16", "192.0.2.0/25"]
    for subnet in subnets:
        now = cloud.get(f"/v2.0/subnets/{subnet['id']}")
        assert (now["subnetpool_id"], now["revision_number"]) == (mine["id"], 1)
    again = cloud("PUT", f"{path}/onboard_network_subnets", onboard).error
    assert again[:2] == (400, "IllegalSubnetPoolUpdate")
    assert again[2].endswith(f"conflicts with allocated prefixes in subnet pool {mine['id']}.")
    cloud.as_(ADMIN).put(f"subnetpools/{mine['id']}", address_scope_id=scope)
    assert cloud.get(f"/v2.0/networks/{network['id']}")["ipv4_address_scope"] == scope


def test_what_is_not_taken_into_a_pool(cloud):
    pool = cloud.as_(BOB).pool("10.1.0.0/16")["id"]
    path = f"/v2.0/subnetpools/{pool}/onboard_network_subnets"
    assert cloud("PUT", path, {}).error[2] == "Invalid input for operation: network_id must be specified.."
    hidden = cloud.as_(ANN).make("network")["id"]
    absent = (404, "NetworkNotFound", f"Network {hidden} could not be found.")
    assert cloud.as_(BOB)("PUT", path, {"network_id": hidden}).error == absent
    shared = cloud.as_(ADMIN).make("network", shared=True)["id"]
    assert cloud.as_(BOB)("PUT", path, {"network_id": shared}).error == (403, "NotAuthorized", "Not authorized.")
    assert cloud("PUT", path, {"network_id": 7}).status == 400
    mine = cloud.make("network")
    cloud.subnet(mine, cidr="10.1.0.0/24")
    scope = cloud.as_(ADMIN).scope()["id"]
    cloud.put(f"subnetpools/{pool}", address_scope_id=scope)
    cloud.pool("192.0.2.0/24", address_scope_id=scope)
    other = cloud.make("network")
    cloud.subnet(other, cidr="192.0.2.0/25")
    refused = cloud("PUT", path, {"network_id": other["id"]}).error
    assert refused[1] == "AddressScopePrefixConflict"
    assert cloud.get(f"/v2.0/subnetpools/{pool}")["prefixes"] == ["10.1.0.0/16"]


# -- networks, pools and scopes ---------------------------------------------------------------------------------------


def test_subnets_of_a_network_are_of_one_pool(cloud):
    one, other = (cloud.pool(prefix, default_prefixlen=24)["id"] for prefix in ("10.0.0.0/8", "11.0.0.0/8"))
    network, plain = cloud.make("network"), cloud.make("network")
    cloud.subnet(network, subnetpool_id=one)
    cloud.subnet(plain, cidr="192.0.2.0/24")
    text = "Subnets hosted on the same network must be allocated from the same subnet pool."
    refused = (400, "NetworkSubnetPoolAffinityError", text)
    assert cloud.refused_subnet(network, subnetpool_id=other) == refused
    assert cloud.refused_subnet(network, cidr="192.0.2.0/24") == refused
    assert cloud.refused_subnet(plain, subnetpool_id=one) == refused
    cloud.subnet(network, subnetpool_id=one)
    cloud.subnet(network, cidr="fd00::/64", ip_version=6)


def test_networks_show_the_scopes_that_they_are_in(cloud):
    scope, six = cloud.scope()["id"], cloud.scope(6)["id"]
    pools = [cloud.pool(p, default_prefixlen=24, address_scope_id=scope)["id"] for p in ("10.0.0.0/8", "11.0.0.0/8")]
    network = cloud.make("network")
    path = f"/v2.0/networks/{network['id']}"

    def scopes():
        shown = cloud.get(path)
        return shown["ipv4_address_scope"], shown["ipv6_address_scope"]

    assert scopes() == (None, None)
    first = cloud.subnet(network, subnetpool_id=pools[0])
    assert scopes() == (scope, None)
    cloud.subnet(network, subnetpool_id=pools[1])
    pool = cloud.pool("fd00::/48")["id"]
    cloud.subnet(network, subnetpool_id=pool, ip_version=6)
    assert scopes() == (scope, None)
    cloud.put(f"subnetpools/{pool}", address_scope_id=six)
    assert scopes() == (scope, six)
    text = (
        "Subnets of the same address family hosted on the same network must all participate in the same address scope."
    )
    refused = (400, "NetworkAddressScopeAffinityError", text)
    other = cloud.pool("12.0.0.0/8", address_scope_id=cloud.scope()["id"], default_prefixlen=24)["id"]
    assert cloud.refused_subnet(network, subnetpool_id=other) == refused
    assert cloud.refused_subnet(network, cidr="192.0.2.0/24")[1] == "NetworkSubnetPoolAffinityError"
    assert cloud.put(f"subnetpools/{pools[0]}", address_scope_id=cloud.scope()["id"]).error == refused
    cloud("DELETE", f"/v2.0/subnets/{first['id']}")
    assert scopes() == (scope, six)


def test_prefixes_are_unique_in_a_scope(cloud):
    scope, six = cloud.scope()["id"], cloud.scope(6)["id"]
    cloud.pool("10.0.0.0/8", address_scope_id=scope)
    conflict = (
        409,
        "AddressScopePrefixConflict",
        "Failed to associate address scope: subnetpools within an address scope must have unique prefixes.",
    )
    body = {"name": "p", "prefixes": ["10.1.0.0/16"], "address_scope_id": scope}
    assert cloud("POST", "/v2.0/subnetpools", {"subnetpool": body}).error == conflict
    same, apart = cloud.pool("10.1.0.0/16")["id"], cloud.pool("11.0.0.0/16", address_scope_id=scope)["id"]
    assert cloud.put(f"subnetpools/{same}", address_scope_id=scope).error == conflict
    assert cloud.put(f"subnetpools/{apart}", prefixes=["11.0.0.0/16", "10.2.0.0/16"]).error == conflict
    assert cloud("PUT", f"/v2.0/subnetpools/{apart}/add_prefixes", {"prefixes": ["10.2.0.0/16"]}).error == conflict
    assert cloud.put(f"subnetpools/{same}", address_scope_id=six).error == (
        400,
        "IllegalSubnetPoolIpVersionAssociationToAddressScope",
        f"Illegal subnetpool association: subnetpool {same} cannot associate with address scope {six} because "
        "subnetpool ip_version is not 6.",
    )
    reply = cloud("DELETE", f"/v2.0/address-scopes/{scope}")
    assert reply.error == (
        409,
        "AddressScopeInUse",
        f"Unable to complete operation on address scope {scope}. There are one or more subnet pools in use on the "
        "address scope.",
    )
    assert cloud.put(f"subnetpools/{apart}", address_scope_id=None).body["subnetpool"]["address_scope_id"] is None
    assert cloud("DELETE", f"/v2.0/address-scopes/{six}").status == 204


def test_a_pool_in_a_shared_scope_is_its_owners_to_change(cloud):
    scope = cloud.scope(shared=True)["id"]
    pool = cloud.as_(ANN).pool("10.0.0.0/8", address_scope_id=scope)["id"]
    reason = f"subnetpool {pool} cannot be updated when associated with shared address scope {scope}"
    refused = (400, "IllegalSubnetPoolUpdate", f"Illegal subnetpool update : {reason}.")
    assert cloud.put(f"subnetpools/{pool}", name="n").error == refused
    assert cloud.as_(ADMIN).put(f"subnetpools/{pool}", name="n").status == 200
    hidden = cloud.scope()["id"]
    body = {"subnetpool": {"name": "p", "prefixes": ["11.0.0.0/8"], "address_scope_id": hidden}}
    absent = (404, "AddressScopeNotFound", f"Address scope {hidden} could not be found.")
    assert cloud.as_(ANN)("POST", "/v2.0/subnetpools", body).error == absent


# -- cost -------------------------------------------------------------------------------------------------------------


def test_a_subnet_costs_nothing_of_other_pools(cloud, monkeypatch):
    """Rows looked at do not grow with other pools, networks and subnets."""
    pool, other = (cloud.pool(prefix, default_prefixlen=28)["id"] for prefix in ("10.0.0.0/8", "11.0.0.0/8"))

    def looked_at():
        network, seen, get = cloud.make("network"), [], type(cloud.store.net).get
        monkeypatch.setattr(type(cloud.store.net), "get", lambda *args: seen.append(args) or get(*args))
        cloud.subnet(network, subnetpool_id=pool)
        monkeypatch.undo()
        return len(seen)

    cloud.subnet(cloud.make("network"), subnetpool_id=pool)
    before = looked_at()
    one = {"network_id": cloud.make("network")["id"], "ip_version": 4, "subnetpool_id": other}
    assert cloud("POST", "/v2.0/subnets", {"subnets": [one] * 50}).status == 201
    more = looked_at() - before
    assert before > 10
    assert more <= 4  # for the one subnet more that the pool has
