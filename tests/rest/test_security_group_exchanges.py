"""Exchanges about security groups, address groups and protected ports, recorded from a Neutron 29.0.0, replayed.

`security_groups29.jsonl` has one exchange a line: method, path below /v2.0, body, roles, status and answer, ids as they
were.  What a request refers to is made first, so ids are translated on the way in and back on the way out.  Every
attribute that we show must be what Neutron answered, but for ids that are drawn, times and revisions.
"""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from controller.core.app import load
from controller.core.caller import Caller
from tests.rest.api import Api

EXCHANGES = [json.loads(line) for line in (Path(__file__).parent / "security_groups29.jsonl").read_text().splitlines()]
SINGULAR = {
    "security-groups": "security_group",
    "security-group-rules": "security_group_rule",
    "default-security-group-rules": "default_security_group_rule",
    "address-groups": "address_group",
    "ports": "port",
}
OTHERS = {
    "id",
    "created_at",
    "updated_at",
    "revision_number",
    "mac_address",
    "fixed_ips",
    "security_group_rules",
    "dns_assignment",
}
"""Attributes that are drawn, or compared in their own way."""
MEANING = (
    "direction",
    "ethertype",
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
)
NOT_MODELLED = {"belongs_to_default_sg"}
"""In lists and updates Neutron shows null for it; here it is always told."""
GROUP_IDS = ("security_group_id", "remote_group_id")


def named(exchange):
    """(collection, id or None) of the path."""
    _, collection, *rest = exchange["p"].partition("?")[0].split("/")
    return collection, rest[0] if rest else None


def caller(environ):
    roles = frozenset(environ.get("HTTP_X_ROLES", "").split(","))
    project_id = environ.get("HTTP_X_PROJECT_ID", "")
    return Caller("somebody", project_id, roles, "admin" in roles)


class Replay:
    """An API on which what an exchange needs is made; `ids` is ours by theirs."""

    def __init__(self, exchange):
        self.api = Api(apps=load(), authenticate=caller)
        self.exchange = exchange
        self.ids = {}
        asked = dict(parse_qsl(exchange["p"].partition("?")[2]))
        self.project = next(filter(None, map(self._project, (asked, exchange["r"], exchange["q"]))), "a" * 32)

    def _project(self, found):
        if isinstance(found, dict):
            own = found.get("project_id") or found.get("tenant_id")
            return own or next(filter(None, map(self._project, found.values())), None)
        return next(filter(None, map(self._project, found)), None) if isinstance(found, list) else None

    def ask(self, method, path, body=None, roles="member,reader"):
        text = json.dumps([path, body])
        for theirs, ours in self.ids.items():
            text = text.replace(theirs, ours)
        path, body = json.loads(text)
        reply = self.api(method, f"/v2.0{path}", body, X_Project_Id=self.project, X_Roles=roles)
        text = json.dumps(reply.body)
        for theirs, ours in self.ids.items():
            text = text.replace(ours, theirs)
        return reply.status, json.loads(text)

    def run(self):
        return self.ask(self.exchange["m"], self.exchange["p"], self.exchange["q"], self.exchange["roles"])

    def make(self, collection, theirs=None, **values):
        name = SINGULAR.get(collection, collection[:-1])
        status, body = self.ask("POST", f"/{collection}", {name: values}, "admin")
        assert status == 201, body
        if theirs is not None:
            self.ids[theirs] = body[name]["id"]
        return body[name]

    def default(self):
        _, body = self.ask("GET", "/security-groups?name=default")
        return body["security_groups"][0]["id"]

    def arrange(self, values, missing=""):
        """Make what the values refer to, but for what has to be missing."""
        groups = [values[name] for name in GROUP_IDS if values.get(name)] + (values.get("security_groups") or [])
        for theirs in dict.fromkeys(groups):
            if theirs not in missing and theirs not in self.ids:
                mixed = len(groups) > 1 and "stateful and stateless" in json.dumps(self.exchange["r"])
                self.make("security-groups", theirs, name=theirs, stateful=not (mixed and theirs == groups[0]))
        if values.get("remote_address_group_id"):
            self.make("address-groups", values["remote_address_group_id"])
        if values.get("network_id") and values["network_id"] not in self.ids:
            self.make("networks", values["network_id"])
            for theirs in {ip["subnet_id"]: ip for ip in values.get("fixed_ips", [])}:
                network_id = values["network_id"]
                cidr = {"cidr": "2001:db8:9::/64", "ip_version": 6}
                self.make("subnets", theirs, network_id=network_id, **cidr)

    def templates(self, group):
        """The templates that others had made when the group was."""
        for rule in group.get("security_group_rules", ()):
            if rule["port_range_min"] is not None:
                values = {name: rule[name] for name in MEANING}
                self.make("default-security-group-rules", **values, used_in_default_sg=True)

    def port(self, theirs, **values):
        self.arrange({"network_id": "theirs", **values})
        self.make("ports", theirs, network_id="theirs", **values)


def chosen(test, least):
    found = [exchange for exchange in EXCHANGES if test(exchange)]
    assert len(found) >= least
    labels = [f"{e['m']}-{e['p'][:40]}-{e['s']}-{place}" for place, e in enumerate(found)]
    return pytest.mark.parametrize("exchange", found, ids=labels)


def body_of(exchange):
    return exchange["q"][SINGULAR[named(exchange)[0]]]


def compare(ours, theirs, besides=frozenset()):
    """Every attribute that we show, theirs being told, is the same."""
    compared = ours.keys() & theirs.keys() - OTHERS - besides
    assert len(compared) >= 5
    assert {name: ours[name] for name in compared} == {name: theirs[name] for name in compared}
    if "security_group_rules" in theirs:
        assert meanings(ours["security_group_rules"]) == meanings(theirs["security_group_rules"])


def meanings(rules):
    return sorted(json.dumps([rule[name] for name in MEANING]) for rule in rules)


@chosen(lambda e: e["m"] == "POST" and e["s"] == 201, 25)
def test_creates(exchange):
    replay, asked, (name,) = Replay(exchange), body_of(exchange), exchange["q"]
    replay.arrange(asked)
    if name == "port" and asked.get("security_groups") is None and exchange["r"][name]["security_groups"]:
        replay.ids[exchange["r"][name]["security_groups"][0]] = replay.default()
    if name == "security_group":
        replay.default()
        replay.templates(exchange["r"][name])
    status, body = replay.run()
    assert status == 201, body
    ours, theirs = body[name], exchange["r"][name]
    options = {"extra_dhcp_opts"}  # Neutron answers them in any order
    compare(ours, theirs, options | ({"mac_address"} if "mac_address" not in asked else set()))
    if name == "port":
        assert sorted(map(str, ours["extra_dhcp_opts"])) == sorted(map(str, theirs["extra_dhcp_opts"]))


def in_the_way(replay, exchange, error):
    """The state in which Neutron refused."""
    collection, key = named(exchange)
    kind, message = error["type"], error["message"]
    if kind in ("SecurityGroupRuleExists", "DefaultSecurityGroupRuleExists"):
        replay.make(collection, message.rpartition("id is ")[2].rstrip("."), **body_of(exchange))
    elif kind == "OverQuota":
        return {"OverQuota": replay.project}
    elif key is None:
        return {}
    elif collection == "ports":
        replay.port(key)
    elif kind in ("SecurityGroupCannotUpdateDefault", "HTTPBadRequest") and collection == "security-groups":
        replay.ids[key] = replay.default()
    elif collection == "security-groups" and (kind != "SecurityGroupNotFound"):
        replay.make(collection, key, name="theirs")
        if kind == "SecurityGroupInUse":
            replay.port("a port", security_groups=[key])
    elif collection == "address-groups" and exchange["p"].endswith("addresses"):
        replay.make(collection, key, addresses=["10.1.1.0/24"])
    return {}


@chosen(lambda e: e["s"] in (400, 404, 409) and e["r"]["NeutronError"]["type"] not in ("OverQuota", "HTTPNotFound"), 49)
def test_refusals(exchange):
    """Same status, type and text in the state in which Neutron refused, and nothing is changed."""
    replay, error = Replay(exchange), exchange["r"]["NeutronError"]
    if exchange["q"] and set(exchange["q"]) <= set(SINGULAR.values()):
        replay.arrange(body_of(exchange), missing=error["message"] if error["type"] == "SecurityGroupNotFound" else "")
    in_the_way(replay, exchange, error)
    before = replay.api.store.revision
    assert replay.run() == (exchange["s"], exchange["r"])
    assert replay.api.store.revision == before


@chosen(lambda e: e["s"] == 409 and e["r"]["NeutronError"]["type"] == "OverQuota", 3)
def test_quotas(exchange):
    """As many as a project may have are there."""
    replay, (refused,) = Replay(exchange), [exchange["r"]["NeutronError"]["message"]]
    made = 0
    if "security_group_rule" in refused:
        group = replay.make("security-groups", "theirs", name="full")
        made = len(group["security_group_rules"]) + 4
        rule = {"security_group_id": group["id"], "direction": "ingress", "protocol": "tcp"}
        many = [{**rule, "port_range_min": port, "port_range_max": port} for port in range(1, 101 - made)]
        status, body = replay.ask("POST", "/security-group-rules", {"security_group_rules": many})
        assert status == 201, body
    else:
        for number in range(9):
            replay.make("security-groups", name=f"{number}")
    if exchange["p"] == "/security-group-rules":
        swap_first_rules(replay, group)
        replay.ids[body_of(exchange)["security_group_id"]] = replay.ids["theirs"]
    assert replay.run() == (exchange["s"], exchange["r"])


def swap_first_rules(replay, group):
    """Other rules in place of the first ones, so that what is asked for is not there yet."""
    for place, rule in enumerate(group["security_group_rules"]):
        assert replay.ask("DELETE", f"/security-group-rules/{rule['id']}")[0] == 204
        values = {"security_group_id": group["id"], "direction": "egress", "protocol": f"{200 + place}"}
        replay.make("security-group-rules", **values)


@chosen(lambda e: e["m"] == "PUT" and e["s"] == 200, 11)
def test_updates(exchange):
    replay, (collection, key) = Replay(exchange), named(exchange)
    name = SINGULAR[collection]
    theirs = exchange["r"][name]
    if collection == "ports":
        update_of_port(replay, key, theirs)
    elif collection == "security-groups":
        replay.make(collection, key)
    else:
        added = exchange["q"].get("addresses", [])
        held = set(theirs["addresses"]) ^ set(added)
        replay.make(collection, key, name=theirs["name"], description="", addresses=sorted(held))
    status, body = replay.run()
    assert status == 200, body
    ours = body[name]
    if collection == "ports":
        asked = body_of(exchange)
        seen = {"fixed_ips", "binding:host_id"}
        assert {k: ordered(ours[k]) for k in asked.keys() - seen} == {
            k: ordered(theirs[k]) for k in asked.keys() - seen
        }
        assert ours["port_security_enabled"] == theirs["port_security_enabled"]
    else:
        compare(ours, theirs)


def ordered(value):
    """Lists of ids are sorted, which translated ones are not."""
    return sorted(value, key=str) if isinstance(value, list) else value


def update_of_port(replay, key, theirs):
    """The port as it was: on its network, with the groups that the update asks for made."""
    asked = body_of(replay.exchange)
    replay.arrange({"network_id": theirs["network_id"], **asked})
    replay.make("ports", key, network_id=theirs["network_id"], mac_address=theirs["mac_address"])


@chosen(lambda e: e["m"] == "GET" and e["s"] == 200 and named(e)[1], 4)
def test_shows(exchange):
    replay, (collection, key) = Replay(exchange), named(exchange)
    theirs = exchange["r"][SINGULAR[collection]]
    replay.arrange(theirs)
    post = {name for name in theirs if name not in OTHERS | {"tenant_id", "tags", "shared", "normalized_cidr"}}
    post -= {"belongs_to_default_sg", "standard_attr_id"}
    replay.make(collection, key, **{name: theirs[name] for name in post})
    status, body = replay.run()
    assert status == 200, body
    compare(body[SINGULAR[collection]], theirs, NOT_MODELLED)


def finds_default(exchange):
    collection, key = named(exchange)
    is_list = exchange["m"] == "GET" and collection == "security-groups" and key is None
    return is_list and any(group["name"] == "default" for group in exchange["r"]["security_groups"])


@chosen(finds_default, 4)
def test_the_default_group_is_there_when_a_project_looks(exchange):
    replay = Replay(exchange)
    (theirs,) = [group for group in exchange["r"]["security_groups"] if group["name"] == "default"]
    replay.templates(theirs)
    status, body = replay.run()
    assert status == 200
    (ours,) = body["security_groups"]
    assert ours.keys() == theirs.keys()
    replay.ids[theirs["id"]] = ours["id"]
    _, body = replay.run()
    (ours,) = body["security_groups"]
    if "stateful" in theirs:
        compare(ours, theirs)
    else:
        assert ours == {name: theirs[name] for name in ours}


@chosen(lambda e: e["m"] == "GET" and "default-security" in e["p"] and e["s"] == 200 and not named(e)[1], 3)
def test_the_first_templates(exchange):
    """Those that Neutron has from the start, as far as the recording names them (others came from elsewhere)."""
    _, body = Replay(exchange).run()
    ours = {json.dumps([rule[name] for name in (*MEANING, *USE)]) for rule in body["default_security_group_rules"]}
    told = [rule for rule in exchange["r"]["default_security_group_rules"] if isinstance(rule, dict)]
    first = [rule for rule in told if rule["description"].startswith("Legacy")]
    assert first
    assert {json.dumps([rule[name] for name in (*MEANING, *USE)]) for rule in first} <= ours
    wanted = {"used_in_default_sg": 4, "used_in_non_default_sg": 2}
    assert len(ours) == wanted.get(exchange["p"].partition("?")[2].partition("=")[0], 4)


USE = ("used_in_default_sg", "used_in_non_default_sg", "description")


@chosen(lambda e: e["m"] == "DELETE" and e["s"] == 204, 4)
def test_deletes(exchange):
    replay, (collection, key) = Replay(exchange), named(exchange)
    values = {"direction": "ingress", "protocol": "tcp"} if "rules" in collection else {}
    if collection == "security-group-rules":
        replay.make("security-groups", "theirs")
        values["security_group_id"] = "theirs"
    replay.make(collection, key, **values)
    assert replay.run() == (204, None)
    assert replay.ask("GET", f"/{collection}/{key}")[0] == 404
