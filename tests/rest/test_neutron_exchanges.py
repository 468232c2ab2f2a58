"""Exchanges recorded from a running Neutron 29.0.0 (ML2/OVS), replayed: the same request gets the same answer.

`neutron29.jsonl` has one exchange a line: method, path below /v2.0, body, status and answer, ids as they were.  What a
request refers to is made first, from its own recorded create where there is one, so ids are translated.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from controller.core.app import load
from controller.core.model import Host
from controller.core.plans import wiring
from tests.rest.api import Api

EXCHANGES = [json.loads(line) for line in (Path(__file__).parent / "neutron29.jsonl").read_text().splitlines()]
SINGULAR = {"networks": "network", "subnets": "subnet", "ports": "port"}
CREATED = {
    made["id"]: (collection, body)
    for exchange in EXCHANGES
    if exchange["m"] == "POST" and exchange["s"] == 201
    for collection, name in SINGULAR.items()
    if name in (exchange["q"] or {})
    for made, body in [(exchange["r"][name], exchange["q"][name])]
}
OTHERS = (
    "id",
    "created_at",
    "updated_at",
    "revision_number",
    "project_id",
    "tenant_id",
    "subnets",
    "network_id",
    "security_groups",
    "dns_assignment",
)
"""Attributes whose values are not the request's doing."""


class Replay:
    """An API on which recorded objects are made on demand, with a host that has joined; `ids` is ours by theirs."""

    def __init__(self):
        self.api = Api(apps=load())
        host = Host("ho-host-1", "10.0.0.1")
        self.api.store.execute(lambda draft: wiring.describe_host(draft, host), who="controller")
        self.ids = {}

    def id(self, theirs, collection):
        """Our id of one of their objects."""
        if theirs not in self.ids:
            _, body = CREATED.get(theirs, (collection, self._plain(collection)))
            self.ids[theirs] = self.api.make(SINGULAR[collection], **self.translated(body))["id"]
        return self.ids[theirs]

    def _plain(self, collection):
        if collection == "networks":
            return {}
        plain = {"network_id": "a network of no name"}
        return plain if collection == "ports" else {**plain, "cidr": "2001:db8::/64", "ip_version": 6}

    def translated(self, body):
        body = dict(body)
        if "network_id" in body:
            body["network_id"] = self.id(body["network_id"], "networks")
        if body.get("fixed_ips"):
            body["fixed_ips"] = [
                {**ip, "subnet_id": self.id(ip["subnet_id"], "subnets")} if "subnet_id" in ip else ip
                for ip in body["fixed_ips"]
            ]
        return body


def labels(exchanges):
    return [f"{e['m']}-{e['p'][:30]}-{e['s']}-{place}" for place, e in enumerate(exchanges)]


def chosen(test):
    found = [exchange for exchange in EXCHANGES if test(exchange)]
    assert found
    return pytest.mark.parametrize("exchange", found, ids=labels(found))


def single_create(exchange):
    return exchange["m"] == "POST" and exchange["s"] == 201 and set(exchange["q"]) & set(SINGULAR.values())


@chosen(single_create)
def test_creates(exchange):
    """Every attribute that we have is what Neutron answered, but for ids, times and values drawn at random."""
    replay, collection = Replay(), exchange["p"][1:]
    name = SINGULAR[collection]
    asked = exchange["q"][name]
    for ip in exchange["r"][name].get("fixed_ips", []):
        if ip["subnet_id"] in CREATED:
            replay.id(ip["subnet_id"], "subnets")
    reply = replay.api("POST", f"/v2.0/{collection}", {name: replay.translated(asked)})
    assert reply.status == 201, reply
    ours, theirs = reply.body[name], exchange["r"][name]
    random = {key for key in ("mac_address", "fixed_ips", "binding:vif_details") if key not in asked}
    if "fixed_ips" in asked:
        translated = [{**ip, "subnet_id": replay.ids[ip["subnet_id"]]} for ip in theirs["fixed_ips"]]
        assert ours["fixed_ips"] == translated
    compared = ours.keys() & theirs.keys() - {*OTHERS, *random, "fixed_ips"}
    assert compared
    assert {key: ours[key] for key in compared} == {key: theirs[key] for key in compared}
    if "tenant_id" in asked or "project_id" in asked:
        assert (ours["project_id"], ours["tenant_id"]) == (theirs["project_id"], theirs["tenant_id"])


@chosen(lambda e: e["m"] == "POST" and e["s"] == 201 and not single_create(e))
def test_bulk_creates(exchange):
    replay, collection = Replay(), exchange["p"][1:]
    items = [replay.translated(item) for item in exchange["q"][collection]]
    reply = replay.api("POST", f"/v2.0/{collection}", {collection: items})
    assert reply.status == 201
    for ours, theirs in zip(reply.body[collection], exchange["r"][collection], strict=True):
        for key in ("name", "admin_state_up", "status", "mtu", "gateway_ip", "allocation_pools"):
            assert ours.get(key) == theirs.get(key)


@chosen(lambda e: e["m"] == "PUT" and e["s"] == 200)
def test_updates(exchange):
    """What the update asked for is answered as Neutron did."""
    replay = Replay()
    _, collection, theirs_id = exchange["p"].split("/")
    name = SINGULAR[collection]
    asked = replay.translated(exchange["q"][name])
    if asked.get("fixed_ips"):
        (subnet_id,) = (ip["subnet_id"] for ip in asked["fixed_ips"])
        network_id = replay.api.get(f"/v2.0/subnets/{subnet_id}")["network_id"]
        replay.ids[theirs_id] = replay.api.make("port", network_id=network_id)["id"]
    if exchange["p"].startswith("/subnets") and "gateway_ip" in asked and theirs_id not in CREATED:
        pytest.fail("a gateway is changed of a subnet that is not recorded")
    path = f"/v2.0/{collection}/{replay.id(theirs_id, collection)}"
    headers = {"If_Match": "revision_number=0"} if exchange["if"] else {}
    reply = replay.api("PUT", path, {name: asked}, **headers)
    assert reply.status == 200, reply
    theirs = exchange["r"][name]
    for key in asked.keys() & theirs.keys() - {"fixed_ips"}:
        assert reply.body[name][key] == theirs[key], key


@chosen(lambda e: e["s"] == 404)
def test_what_is_not_there(exchange):
    reply = Api()(exchange["m"], "/v2.0" + exchange["p"], exchange["q"])
    assert (reply.status, reply.body) == (404, exchange["r"])


def nothing(replay, network, exchange):
    """No state is needed."""


def subnet(cidr, **values):
    def arrange(replay, network, exchange):
        version = 6 if ":" in cidr else 4
        body = exchange["q"].get("port", {})
        wanted = [ip["subnet_id"] for ip in body.get("fixed_ips", []) if "subnet_id" in ip]
        made = replay.api.make("subnet", network_id=network, cidr=cidr, ip_version=version, **values)
        replay.ids.update(dict.fromkeys(wanted, made["id"]))

    return arrange


def taken(cidr, **values):
    """A subnet, and a port that has what is asked for."""

    def arrange(replay, network, exchange):
        subnet(cidr)(replay, network, exchange)
        asked = exchange["q"]["port"].get("fixed_ips")
        fixed_ips = {"fixed_ips": [{"ip_address": ip["ip_address"]} for ip in asked]} if asked else {}
        replay.api.make("port", network_id=network, **fixed_ips, **values)

    return arrange


def full(replay, network, exchange):
    """A subnet of one address, taken."""
    taken("10.67.0.0/30")(replay, network, exchange)


def small(replay, network, exchange):
    """A network whose MTU is too small for any subnet."""
    replay.api("PUT", f"/v2.0/networks/{network}", {"network": {"mtu": 67}})


STATES = {
    "HTTPBadRequest": nothing,
    "InvalidIpForNetwork": subnet("10.67.0.0/29"),
    "InvalidIpForSubnet": subnet("10.90.0.0/24"),
    "IpAddressAlreadyAllocated 10.66": taken("10.66.0.0/24"),
    "IpAddressAlreadyAllocated 2001": taken("2001:db8::/64"),
    "MacAddressInUse": taken("10.67.0.0/29", mac_address="fa:16:3e:b6:3c:67"),
    "IpAddressGenerationFailure": full,
    "overlaps 10.90": subnet("10.90.0.0/24"),
    "overlaps 2001": subnet("2001:db8::/64"),
    "not in a CIDR": nothing,
    "ipv6_ra_mode set": nothing,
    "Requested MTU": nothing,
    "NetworkMTUSubnetConflict": small,
}


def refused_create(exchange):
    return exchange["m"] == "POST" and exchange["s"] in (400, 409)


@chosen(refused_create)
def test_refused_creates(exchange):
    """Same status, type and text, ids apart, in the state in which Neutron refused."""
    replay, collection = Replay(), exchange["p"][1:]
    text = json.dumps(exchange["r"])
    (state,) = [arrange for words, arrange in STATES.items() if all(word in text for word in words.split())]
    if not isinstance(exchange["q"], dict):
        reply = replay.api("POST", f"/v2.0/{collection}", exchange["q"])
        assert (reply.status, reply.body) == (exchange["s"], exchange["r"])
        return
    asked = exchange["q"][SINGULAR[collection]]
    network = replay.api.make("network")["id"]
    if "network_id" in asked:
        replay.ids[asked["network_id"]] = network
        state(replay, network, exchange)
    reply = replay.api("POST", f"/v2.0/{collection}", {SINGULAR[collection]: replay.translated(asked)})
    known = {ours: theirs for theirs, ours in replay.ids.items()}
    message = reply.error[2]
    for ours, theirs in known.items():
        message = message.replace(ours, theirs)
    error = exchange["r"]["NeutronError"]
    if "already allocated in subnet" in error["message"]:  # the request did not name the subnet
        message, error["message"] = message.rpartition(" ")[0], error["message"].rpartition(" ")[0]
    assert (reply.status, reply.error[1], message) == (exchange["s"], error["type"], error["message"])


@chosen(lambda e: e["m"] == "GET" and e["s"] == 400 and e["p"].startswith("/networks"))
def test_refused_lists(exchange):
    reply = Api()("GET", "/v2.0" + exchange["p"])
    assert (reply.status, reply.body) == (400, exchange["r"])


@chosen(lambda e: e["m"] in ("PUT", "DELETE") and e["s"] in (409, 412))
def test_refused_changes(exchange):
    """Objects in use, an MTU too small for a subnet, a revision that has passed."""
    replay = Replay()
    _, collection, theirs_id = exchange["p"].split("/")
    name = SINGULAR[collection]
    network = replay.api.make("network")["id"]
    made = replay.api.make("subnet", network_id=network, cidr="10.9.0.0/24", ip_version=4)["id"]
    port = replay.api.make("port", network_id=network)["id"] if exchange["m"] == "DELETE" else ""
    ours_id = network if collection == "networks" else made
    headers = {"If_Match": exchange["if"]} if exchange["if"] else {}
    for revision in range(2 if headers else 0):
        replay.api("PUT", f"/v2.0/networks/{network}", {"network": {"name": f"{revision}"}})
    reply = replay.api(exchange["m"], f"/v2.0/{collection}/{ours_id}", exchange["q"], **headers)
    error = exchange["r"]["NeutronError"]
    expected = error["message"].replace(theirs_id, ours_id)
    if error["type"] == "NetworkInUse":
        expected = f"{expected.rpartition(' ')[0]} {port}."
    assert name
    assert reply.error == (exchange["s"], error["type"], expected)
