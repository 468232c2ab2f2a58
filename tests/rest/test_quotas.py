"""`/quotas`: limits of projects, what they have, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from apps.rbac import app
from controller.config_options import SECTIONS
from controller.core.app import load
from controller.core.model import Quota
from controller.core.plans import quotas
from controller.core.resources import declare
from tests.rest.api import SETTINGS
from tests.rest.projects import A, B, C, Projects

RECORDED = [json.loads(line) for line in (Path(__file__).parent / "neutron29_quotas.jsonl").read_text().splitlines()]
OPERATORS = (
    ("network", 200),
    ("subnet", 200),
    ("port", 1000),
    ("rbac_policy", 10),
    ("security_group", 150),
    ("security_group_rule", 1000),
)
"""What the operator of the recorded Neutron had configured."""


@pytest.fixture
def cloud():
    return Projects(apps=[app])


def recorded(method, *statuses):
    found = [exchange for exchange in RECORDED if exchange["m"] == method and exchange["s"] in statuses]
    assert found
    return pytest.mark.parametrize("exchange", found, ids=lambda e: f"{e['p'][-12:]}-{e['s']}")


def ours(cloud, values):
    """Those of recorded limits whose resources are here."""
    counted = quotas.counted(declare(SETTINGS, [app]))
    return {name: value for name, value in values.items() if name in counted}


def change(cloud, project, by="admin", **limits):
    return cloud("PUT", f"/v2.0/quotas/{project}", {"quota": limits}, by=by)


@recorded("PUT", 200)
def test_limits_as_recorded(exchange):
    cloud = Projects(replace(SETTINGS, quotas=OPERATORS), apps=[app])
    asked = exchange["q"]["quota"]
    wanted = {**ours(cloud, asked), **{name: asked[name] for name in ("force", "check_limit") if name in asked}}
    reply = cloud("PUT", "/v2.0" + exchange["p"], {"quota": wanted})
    assert (reply.status, reply.body["quota"]) == (200, ours(cloud, exchange["r"]["quota"]))
    assert cloud.seen("/v2.0" + exchange["p"], "admin") == reply.body["quota"]


@recorded("PUT", 400, 403)
def test_limits_that_neutron_refuses(cloud, exchange):
    name, asked = next((n, v) for n, v in exchange["q"]["quota"].items() if n not in ("force", "check_limit"))
    if "security_group" not in ours(cloud, {"security_group": 1}):
        exchange = json.loads(json.dumps(exchange).replace("security_group", "port"))
    project = exchange["p"].split("/")[2]
    for _ in range(2 if asked == 1 else 1):
        cloud.made("networks", "network", "admin", project_id=project)
    by = "admin" if "admin" in exchange["roles"] else "ann"
    reply = cloud("PUT", "/v2.0" + exchange["p"], exchange["q"], by=by)
    assert (reply.status, reply.body) == (exchange["s"], exchange["r"])
    assert name
    assert cloud.store.net.count(Quota) == 0


@recorded("DELETE", 204, 404)
def test_deletes_as_recorded(cloud, exchange):
    project = exchange["p"].split("/")[2]
    if exchange["s"] == 204:
        change(cloud, project, network=5)
    reply = cloud("DELETE", "/v2.0" + exchange["p"])
    assert (reply.status, reply.body) == (exchange["s"], exchange["r"])
    assert cloud.store.net.count(Quota) == 0


@recorded("GET", 200)
def test_reads_as_recorded(exchange):
    """The same limits, once they are set, are read as Neutron has them."""
    cloud = Projects(replace(SETTINGS, quotas=OPERATORS), apps=[app])
    answered = exchange["r"]
    if exchange["p"] == "/quotas":
        (theirs,) = answered["quotas"]
        change(cloud, theirs["project_id"], **ours(cloud, {"network": theirs["network"]}))
        expected = [{**ours(cloud, theirs), "project_id": theirs["project_id"], "tenant_id": theirs["project_id"]}]
        assert cloud.seen("/v2.0/quotas", "admin") == expected
        return
    _, _, project, *what = exchange["p"].split("/")
    theirs = ours(cloud, answered["quota"])
    limits = {name: value["limit"] if what else value for name, value in theirs.items()}
    change(cloud, project, force=True, **limits)
    used = {name: value["used"] for name, value in theirs.items()} if what else {}
    for _ in range(used.get("network", 0)):
        network = cloud.made("networks", "network", "admin", project_id=project)["id"]
    for number in range(used.get("subnet", 0)):
        cidr = f"10.0.{number}.0/24"
        cloud.made("subnets", "subnet", "admin", project_id=project, network_id=network, cidr=cidr, ip_version=4)
    for _ in range(used.get("port", 0)):
        cloud.made("ports", "port", "admin", project_id=project, network_id=network)
    if used.get("rbac_policy"):
        cloud("PUT", f"/v2.0/networks/{network}", {"network": {"router:external": True}})
    assert cloud.seen("/v2.0" + exchange["p"], "admin") == theirs


def test_defaults_and_ones_own(cloud):
    change(cloud, A, port=7)
    assert cloud.seen(f"/v2.0/quotas/{A}", "ann")["port"] == 7
    for path in (f"{A}/default", f"{A}/default.json"):
        assert cloud.seen(f"/v2.0/quotas/{path}", "ann") == {
            "network": 100,
            "subnet": 100,
            "port": 500,
            "rbac_policy": 10,
        }
    assert cloud.seen(f"/v2.0/quotas/{A}/details", "ann")["port"] == {"limit": 7, "used": 0, "reserved": 0}
    assert cloud.seen("/v2.0/quotas/tenant", "ann") == {"tenant_id": A}
    assert cloud.seen("/v2.0/quotas/project", "ann") == {"project_id": A}


def test_who_may_read_and_write_limits(cloud):
    change(cloud, A, port=7)
    change(cloud, B, port=8)
    assert [found["project_id"] for found in cloud.seen("/v2.0/quotas", "admin")] == [A, B]
    assert [found["project_id"] for found in cloud.seen("/v2.0/quotas", "mia")] == [A]
    for reply in (
        cloud("GET", "/v2.0/quotas", by="ann"),
        cloud("GET", f"/v2.0/quotas/{B}", by="mia"),
        cloud("GET", f"/v2.0/quotas/{B}/default", by="ann"),
    ):
        assert reply.error == (403, "PolicyNotAuthorized", "rule:get_quota is disallowed by policy")
    assert cloud("GET", f"/v2.0/quotas/{B}/details", by="mia").error[:2] == (403, "AdminRequired")
    assert change(cloud, A, by="mia", port=9).error[:2] == (403, "PolicyNotAuthorized")
    assert cloud("DELETE", f"/v2.0/quotas/{A}", by="mia").error[:2] == (403, "PolicyNotAuthorized")
    assert cloud.seen(f"/v2.0/quotas/{C}", "admin")["port"] == 500


def test_a_limit_holds_at_once_and_may_be_forced_below_what_is_used(cloud):
    for _ in range(2):
        cloud.made("networks", "network", "ann")
    assert change(cloud, A, network=1).error[2].endswith("must be greater than or equal to already used 2")
    assert change(cloud, A, network=1, force=True).body["quota"]["network"] == 1
    over = cloud("POST", "/v2.0/networks", {"network": {}}, by="ann")
    assert over.error == (409, "OverQuota", "Quota exceeded for resources: ['network'].")
    assert change(cloud, A, network=-1).status == 200
    cloud.made("networks", "network", "ann")


@pytest.mark.parametrize(
    ("method", "path", "document", "error"),
    [
        ("PUT", A, {"quota": {"network": 5, "nothing": 1}}, (400, "Unrecognized attribute(s) 'nothing'")),
        ("PUT", A, {"quota": {"network": 5, "port": None}}, (400, "'None' is not an integer")),
        ("PUT", A, {"quota": {"network": 5, "force": "maybe"}}, (400, "'maybe' cannot be converted to boolean")),
        ("PUT", A, {"network": {}}, (400, "Unable to find 'quota' in request body")),
        ("PUT", A, {"quota": []}, (400, "Body contains invalid data")),
        ("PUT", "a" * 256, {"quota": {"network": 5}}, (400, "exceeds maximum length of 255")),
        ("POST", A, {"quota": {}}, (405, "not allowed")),
        ("POST", "", {"quota": {}}, (405, "not allowed")),
        ("PUT", f"{A}/details", {"quota": {}}, (405, "not allowed")),
        ("GET", f"{A}/nothing", None, (404, "could not be found")),
        ("DELETE", A, {"quota": {}}, (400, "Request body is not supported in DELETE.")),
    ],
)
def test_what_makes_no_sense(cloud, method, path, document, error):
    status, _, text = cloud(method, f"/v2.0/quotas/{path}", document).error
    assert (status, error[1] in text) == (error[0], True), text
    assert cloud.store.net.count(Quota) == 0


def test_default_quota_is_for_resources_without_a_limit_of_their_own():
    free, tight = declare(replace(SETTINGS, quotas=(("default", 5),)), load()), (("default", 5), ("network", 1))
    counted = quotas.counted(free)
    unlimited = replace(counted["port"], quota=-1)
    settings = replace(SETTINGS, quotas=tight)
    assert quotas.default(settings, counted["network"]) == 1
    assert quotas.default(settings, counted["subnet"]) == 100
    assert quotas.default(settings, unlimited) == 5
    assert quotas.default(SETTINGS, unlimited) == -1


def test_the_sample_file_shows_the_limits_that_resources_declare():
    counted = quotas.counted(declare(SETTINGS, load()))
    shown = {option.name.removeprefix("quota_"): int(option.default) for option in SECTIONS["quotas"]}
    shared = counted.keys() & shown.keys()
    assert {"network", "subnet", "port", "rbac_policy"} <= shared
    assert {name: counted[name].quota for name in shared} == {name: shown[name] for name in shared}
