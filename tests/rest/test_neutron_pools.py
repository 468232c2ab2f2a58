"""Exchanges about subnet pools, address scopes and availability recorded from Neutron 29.0.0, replayed.

`neutron29_pools.jsonl` is as `neutron29.jsonl` is.  What a request is about is made first, by its own recorded create
or by the state named here; then ids are translated, and the answer is what Neutron's was.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from controller.core.app import load
from controller.core.caller import Caller
from rest.policy import Policy
from tests.rest.api import SETTINGS, Api

EXCHANGES = [json.loads(line) for line in (Path(__file__).parent / "neutron29_pools.jsonl").read_text().splitlines()]
CREATED = {
    made["id"]: exchange
    for exchange in EXCHANGES
    if exchange["m"] == "POST" and exchange["s"] == 201
    for made in exchange["r"].values()
}
NOT_COMPARED = ("id", "created_at", "updated_at", "revision_number", "project_id", "tenant_id")
"""Attributes whose values are not the request's doing."""
LENGTHS = ("default_prefixlen", "min_prefixlen", "max_prefixlen")
"""Texts everywhere, but numbers where Neutron answers an update."""


class Replay:
    """An API on which objects are made on demand; `ids` is ours by theirs."""

    def __init__(self, quotas=()):
        self.caller = self.of("admin,member,reader")
        self.ids = {}
        self.api = Api(
            replace(SETTINGS, quotas=quotas), apps=load(), authenticate=lambda environ: self.caller, policy=Policy()
        )

    def of(self, roles, project="project"):
        names = frozenset(roles.split(","))
        return Caller("user", project, names, is_admin="admin" in names)

    def make(self, theirs, name, /, **values):
        """Make what they call `theirs`; its path."""
        collection = {"address_scope": "address-scopes"}.get(name, name + "s")
        reply = self.api("POST", f"/v2.0/{collection}", {name: values})
        assert reply.status == 201, reply
        self.ids[theirs] = reply.body[name]["id"]
        return f"/v2.0/{collection}/{self.ids[theirs]}"

    def remake(self, theirs):
        """Make what a recorded request made, and what that was about."""
        exchange = CREATED[theirs]
        arrange(self, exchange)
        caller, self.caller = self.caller, self.of("admin,member,reader")
        reply = self.ask(exchange)
        assert reply.status == 201, reply
        self.caller = caller
        (made,) = reply.body.values()
        self.ids[theirs] = made["id"]

    def ask(self, exchange):
        body = None if exchange["q"] is None else json.loads(self.translated(json.dumps(exchange["q"])))
        return self.api(exchange["m"], "/v2.0" + self.translated(exchange["p"]), body)

    def translated(self, text):
        for theirs, ours in self.ids.items():
            text = text.replace(theirs, ours)
        return text

    def theirs(self, reply):
        """An answer with their ids."""
        text = json.dumps(reply.body)
        for theirs, ours in self.ids.items():
            text = text.replace(ours, theirs)
        return json.loads(text)


# -- states -----------------------------------------------------------------------------------------------------------


def arrange(replay, exchange):
    """Make what a request is about: by its path, its body, and what it is refused for."""
    error = exchange["r"]["NeutronError"]["type"] if exchange["r"] and "NeutronError" in exchange["r"] else ""
    asked = next(iter((exchange["q"] or {"": {}}).values()))
    _, collection, *rest = exchange["p"].split("/")
    if "network_id" in asked:
        external = exchange["s"] == 201 and exchange["r"]["subnet"]["router:external"]
        replay.make(asked["network_id"], "network", **{"router:external": external, "project_id": "project"})
    if asked.get("subnetpool_id"):
        replay.remake(asked["subnetpool_id"])
    if asked.get("address_scope_id") and error not in ("AddressScopeNotFound", "HTTPBadRequest"):
        version = 6 if error.startswith("IllegalSubnetPoolIpVersion") or "2001" in str(asked) else 4
        replay.make(asked["address_scope_id"], "address_scope", ip_version=version)
    if rest and exchange["s"] != 404:
        of_path(replay, collection, rest[0])
    if error in STATES:
        STATES[error](replay, asked, *rest)


def of_path(replay, collection, theirs):
    if theirs in CREATED:
        replay.remake(theirs)
    elif collection == "subnetpools":
        prefixes = POOLS.get(theirs[:8], ["192.0.2.0/24"])
        replay.make(theirs, "subnetpool", name="pool", prefixes=prefixes, min_prefixlen=29)
    elif collection == "address-scopes":
        replay.make(theirs, "address_scope", ip_version=4, name="scope")


POOLS = {
    "ff1244c1": ["20.0.0.0/18", "30.0.0.0/18"],
    "1fe6c6d0": ["20.0.0.0/18", "30.0.0.0/18"],
    "bb9ffcca": ["10.11.12.0/24"],
}
"""The prefixes of pools whose creates were not recorded, by the beginning of their ids."""


def scope_has_prefixes(replay, asked, theirs=None):
    scope = replay.ids.get(asked.get("address_scope_id")) or replay.make("scope", "address_scope", ip_version=4)[-36:]
    if theirs is not None:
        path = f"/v2.0/subnetpools/{replay.ids[theirs]}"
        replay.api("PUT", path, {"subnetpool": {"address_scope_id": scope}})
    other = asked["prefixes"][1] if theirs is None else asked["prefixes"][2]
    replay.make("other", "subnetpool", name="other", prefixes=[other], address_scope_id=scope)


def scope_has_pool(replay, asked, theirs):
    scope = replay.ids[theirs]
    replay.make("pool", "subnetpool", name="pool", prefixes=["192.0.2.0/24"], address_scope_id=scope)


def pool_is_in_a_shared_scope(replay, asked, theirs):
    scope = "f87e0999-9f93-4240-853e-5c7e391cd5f3"
    replay.make(scope, "address_scope", ip_version=4, shared=True, project_id="others")
    values = {"address_scope_id": replay.ids[scope]}
    reply = replay.api("PUT", f"/v2.0/subnetpools/{replay.ids[theirs]}", {"subnetpool": values})
    assert reply.status == 200


def scope_is_shared(replay, asked, theirs):
    path = f"/v2.0/address-scopes/{replay.ids[theirs]}"
    assert replay.api("PUT", path, {"address_scope": {"shared": True}}).status == 200


STATES = {
    "AddressScopePrefixConflict": scope_has_prefixes,
    "AddressScopeInUse": scope_has_pool,
    "IllegalSubnetPoolUpdate": pool_is_in_a_shared_scope,
    "AddressScopeUpdateError": scope_is_shared,
}
"""What Neutron refused for, and how it comes to be."""


def chosen(test):
    found = [exchange for exchange in EXCHANGES if test(exchange)]
    assert found
    names = [f"{e['m']}-{e['p'][:30]}-{e['s']}-{place}" for place, e in enumerate(found)]
    return pytest.mark.parametrize("exchange", found, ids=names)


def same(ours, theirs, but=NOT_COMPARED):
    """Every attribute that both have is the same."""
    compared = ours.keys() & theirs.keys() - set(but)
    assert compared
    assert {name: ours[name] for name in compared} == {name: theirs[name] for name in compared}


def is_availability(exchange):
    return exchange["p"].startswith("/network-ip-availabilities")


@chosen(lambda e: not is_availability(e) and e["s"] in (200, 201, 204))
def test_answers(exchange):
    replay = Replay()
    if "?" in exchange["p"]:
        (shown,) = next(iter(exchange["r"].values()))
        replay.remake(shown["id"])
    else:
        arrange(replay, exchange)
    replay.caller = replay.of(exchange["roles"])
    reply = replay.ask(exchange)
    assert reply.status == exchange["s"], reply
    if exchange["r"] is None:
        return
    (ours,), (theirs,) = replay.theirs(reply).values(), exchange["r"].values()
    if isinstance(theirs, list):
        (ours,), (theirs,) = ours, theirs
    if exchange["m"] == "PUT":
        theirs = {**theirs, **{name: str(theirs[name]) for name in LENGTHS}}
        asked = exchange["q"]["subnetpool"].keys()
        theirs = {name: value for name, value in theirs.items() if name in asked or exchange["p"][13:] in CREATED}
    same(ours, theirs)
    missing = theirs.keys() - ours.keys() - set(NOT_COMPARED)
    assert not missing


@chosen(lambda e: e["s"] >= 400)
def test_refusals(exchange):
    over = exchange["r"]["NeutronError"]["type"] == "OverQuota"
    replay = Replay((("subnet", 0),) if over else ())
    arrange(replay, exchange)
    replay.caller = replay.of(exchange["roles"])
    reply = replay.ask(exchange)
    assert (reply.status, replay.theirs(reply)) == (exchange["s"], exchange["r"])


@chosen(lambda e: is_availability(e) and e["s"] == 200)
def test_availability(exchange):
    """Two subnets, IPv4 of 50 addresses and SLAAC, and three ports that have an address of both."""
    replay, theirs = Replay(), exchange["r"]["network_ip_availability"]
    replay.make(theirs["network_id"], "network", name=theirs["network_name"])
    network = replay.ids[theirs["network_id"]]
    for subnet in theirs["subnet_ip_availability"]:
        six = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
        four = {"allocation_pools": [{"start": "10.90.0.50", "end": "10.90.0.99"}]}
        replay.make(
            subnet["subnet_id"],
            "subnet",
            network_id=network,
            name=subnet["subnet_name"],
            cidr=subnet["cidr"],
            ip_version=subnet["ip_version"],
            **(four if subnet["ip_version"] == 4 else six),
        )
    for number in range(3):
        replay.make(f"port {number}", "port", network_id=network)
    replay.caller = replay.of(exchange["roles"])
    ours = replay.theirs(replay.ask(exchange))["network_ip_availability"]
    for answer in (ours, theirs):
        answer["subnet_ip_availability"].sort(key=lambda subnet: subnet["subnet_id"])
    assert ours.keys() == theirs.keys()
    same(ours, theirs, ("project_id", "tenant_id"))
