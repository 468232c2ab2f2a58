"""Security groups as clients see them, beyond what was recorded from Neutron."""

from __future__ import annotations

import pytest

from apps.security_groups.rows import Membership, SecurityGroup, SecurityGroupRule
from apps.security_groups.templates import FIRST
from controller.core.app import load
from controller.core.caller import Caller
from controller.core.model import RbacPolicy
from rest.policy import Policy
from tests.rest.api import Api

RULES, GROUPS, TEMPLATES = "/v2.0/security-group-rules", "/v2.0/security-groups", "/v2.0/default-security-group-rules"
ADMIN = {"X_Roles": "admin"}


def caller(environ):
    roles = frozenset(environ.get("HTTP_X_ROLES", "member").split(","))
    return Caller("somebody", environ.get("HTTP_X_PROJECT_ID", "p1"), roles, "admin" in roles)


class Cloud(Api):
    """Callers are members of `p1` unless they say otherwise."""

    def __init__(self, **more):
        super().__init__(apps=load(), authenticate=caller, **more)

    def group(self, **values):
        reply = self("POST", GROUPS, {"security_group": values})
        assert reply.status == 201, reply
        return reply.body["security_group"]

    def rule(self, group, **values):
        body = {"security_group_id": group, "direction": "ingress", **values}
        return self("POST", RULES, {"security_group_rule": body})

    def default(self, project="p1"):
        groups = self("GET", f"{GROUPS}?name=default", X_Project_Id=project).body["security_groups"]
        (group,) = [group for group in groups if group["project_id"] == project]
        return group

    def update(self, port, **values):
        return self("PUT", f"/v2.0/ports/{port['id']}", {"port": values})


@pytest.fixture
def cloud():
    return Cloud()


@pytest.fixture
def network(cloud):
    return cloud.make("network")["id"]


# -- the default group ------------------------------------------------------------------------------------------------


def test_it_is_made_with_the_first_network_and_once(cloud):
    for number in range(2):
        cloud.make("network", name=f"{number}")
    assert [group.name for group in cloud.store.net.find(SecurityGroup, "project_id", "p1")] == ["default"]
    assert len(cloud.default()["security_group_rules"]) == 4


def test_a_look_makes_it_and_the_next_one_runs_no_sql(cloud):
    before = cloud.store.revision
    assert len(cloud.get(RULES)) == 4
    assert cloud.store.revision == before + 1
    statements = cloud.store.statements
    assert [group["name"] for group in cloud.get(GROUPS)] == ["default"]
    assert cloud.store.statements == statements


def test_nobody_makes_that_of_another_project_by_looking_but_an_administrator(cloud):
    before = cloud.store.revision
    assert cloud.get(f"{GROUPS}?project_id=p2") == []
    assert cloud.store.revision == before
    found = cloud("GET", f"{GROUPS}?project_id=p2", **ADMIN).body["security_groups"]
    assert [(group["name"], group["project_id"]) for group in found] == [("default", "p2")]


def test_an_unscoped_caller_makes_none(cloud):
    before = cloud.store.revision
    assert cloud("GET", GROUPS, X_Project_Id="", **ADMIN).body == {"security_groups": []}
    assert cloud.store.revision == before


def test_only_an_administrator_removes_it_and_it_comes_again(cloud):
    first = cloud.default()["id"]
    refused = cloud("DELETE", f"{GROUPS}/{first}").error
    assert refused[:2] == (409, "SecurityGroupCannotRemoveDefault")
    assert cloud("DELETE", f"{GROUPS}/{first}", **ADMIN).status == 204
    assert cloud.store.net.count(SecurityGroupRule) == 0
    assert cloud.default()["id"] != first


@pytest.mark.parametrize("name", ["default", "Default", "DEFAULT"])
def test_its_name_is_its_own(cloud, name):
    assert cloud("POST", GROUPS, {"security_group": {"name": name}}).error[1] == "SecurityGroupDefaultAlreadyExists"


def test_its_description_may_change_and_its_name_not_even_by_an_administrator(cloud):
    path = f"{GROUPS}/{cloud.default()['id']}"
    assert cloud("PUT", path, {"security_group": {"description": "x"}}).status == 200
    refused = cloud("PUT", path, {"security_group": {"name": "x"}}, **ADMIN).error
    assert refused[:2] == (409, "SecurityGroupCannotUpdateDefault")


# -- rules ------------------------------------------------------------------------------------------------------------


def test_a_rule_counts_as_a_change_of_its_group_and_is_shown_in_it(cloud):
    group = cloud.group(name="web")
    rule = cloud.rule(group["id"], protocol="tcp", port_range_min=80, port_range_max=80).body["security_group_rule"]
    shown = cloud.get(f"{GROUPS}/{group['id']}")
    assert rule in shown["security_group_rules"]
    assert shown["revision_number"] == group["revision_number"] + 1
    assert cloud("DELETE", f"{RULES}/{rule['id']}").status == 204
    shown = cloud.get(f"{GROUPS}/{group['id']}")
    assert rule not in shown["security_group_rules"]
    assert shown["revision_number"] == group["revision_number"] + 2


def test_a_rule_keeps_all_but_its_description(cloud):
    rule = cloud.rule(cloud.group()["id"]).body["security_group_rule"]
    path = f"{RULES}/{rule['id']}"
    assert cloud("PUT", path, {"security_group_rule": {"description": "x"}}).status == 200
    assert cloud("PUT", path, {"security_group_rule": {"protocol": "tcp"}}).status == 400


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ({"protocol": "TCP", "ethertype": "ipv6"}, {"protocol": "tcp", "ethertype": "IPv6"}),
        ({"protocol": "any"}, {"protocol": None}),
        ({"protocol": 255}, {"protocol": "255"}),
        ({"protocol": "icmpv6", "ethertype": "IPv6"}, {"protocol": "ipv6-icmp"}),
        ({"protocol": "icmp", "ethertype": "IPv6"}, {"protocol": "ipv6-icmp"}),
        ({"protocol": 1, "ethertype": "IPv6"}, {"protocol": "58"}),
        ({"protocol": "icmp", "port_range_min": 8, "port_range_max": 0}, {"port_range_min": 8, "port_range_max": 0}),
        ({"protocol": "icmp", "port_range_min": 8}, {"port_range_min": 8, "port_range_max": None}),
        ({"protocol": "udp", "port_range_min": 1, "port_range_max": 65535}, {"port_range_min": None}),
        ({"protocol": "17", "port_range_min": "53", "port_range_max": "53"}, {"port_range_min": 53}),
        (
            {"remote_ip_prefix": "10.1.2.3/8"},
            {"remote_ip_prefix": "10.1.2.3/8", "normalized_cidr": "10.0.0.0/8", "belongs_to_default_sg": False},
        ),
        ({"remote_ip_prefix": "10.1.2.3"}, {"remote_ip_prefix": "10.1.2.3/32"}),
        ({"remote_ip_prefix": "2001:DB8::1/64", "ethertype": "IPv6"}, {"normalized_cidr": "2001:db8::/64"}),
        ({"remote_ip_prefix": ""}, {"remote_ip_prefix": None, "normalized_cidr": None}),
    ],
)
def test_how_a_rule_is_spelt(cloud, given, shown):
    rule = cloud.rule(cloud.group()["id"], **given).body["security_group_rule"]
    assert {name: rule[name] for name in shown} == shown


@pytest.mark.parametrize(
    ("given", "type"),
    [
        ({"protocol": 256}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": True}, "SecurityGroupRuleInvalidProtocol"),
        ({"protocol": ["tcp"]}, "SecurityGroupRuleInvalidProtocol"),
        ({"port_range_min": 80, "port_range_max": 80}, "SecurityGroupProtocolRequiredWithPorts"),
        ({"protocol": "tcp", "port_range_min": 80}, "SecurityGroupInvalidPortRange"),
        ({"protocol": "tcp", "port_range_min": 0, "port_range_max": 80}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "tcp", "port_range_min": "x"}, "SecurityGroupInvalidPortValue"),
        ({"protocol": "gre", "port_range_min": 1, "port_range_max": 2}, "SecurityGroupInvalidProtocolForPort"),
        ({"protocol": "58"}, "SecurityGroupEthertypeConflictWithProtocol"),
        ({"direction": "sideways"}, "HTTPBadRequest"),
        ({"remote_ip_prefix": "fe80::1%eth0", "ethertype": "IPv6"}, "InvalidCIDR"),
        ({"remote_ip_prefix": 7}, "InvalidCIDR"),
        ({"ethertype": None}, "SecurityGroupRuleInvalidEtherType"),
        ({"remote_group_id": 7}, "HTTPBadRequest"),
    ],
)
def test_what_no_rule_can_say(cloud, given, type):
    group = cloud.group()["id"]
    before = cloud.store.revision
    assert cloud.rule(group, **given).error[:2] == (400, type)
    assert cloud.store.revision == before


@pytest.mark.parametrize(
    "again",
    [
        {"protocol": "6", "description": "other words"},
        {"protocol": "tcp", "remote_ip_prefix": "0.0.0.0/0"},
        {"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535},
    ],
)
def test_a_rule_that_is_there_in_other_words(cloud, again):
    group = cloud.group()["id"]
    first = cloud.rule(group, protocol="tcp").body["security_group_rule"]["id"]
    text = f"Security group rule already exists. Rule id is {first}."
    assert cloud.rule(group, **again).error == (409, "SecurityGroupRuleExists", text)
    assert cloud.rule(cloud.group()["id"], **again).status == 201


def test_many_rules_are_made_together_or_not_at_all(cloud):
    group = cloud.group()["id"]
    rules = [{"security_group_id": group, "direction": "ingress", "protocol": str(number)} for number in (6, 17, 300)]
    before = cloud.store.revision
    assert cloud("POST", RULES, {"security_group_rules": rules}).error[1] == "SecurityGroupRuleInvalidProtocol"
    assert cloud("POST", RULES, {"security_group_rules": rules[:1] * 2}).error[1] == "SecurityGroupRuleExists"
    assert cloud.store.revision == before
    assert cloud("POST", RULES, {"security_group_rules": rules[:2]}).status == 201
    assert cloud.store.revision == before + 1


def test_rules_about_a_group_go_with_it(cloud):
    web, db = cloud.group(name="web")["id"], cloud.group(name="db")
    rule = cloud.rule(db["id"], remote_group_id=web).body["security_group_rule"]
    cloud.rule(web, remote_group_id=web)
    assert cloud("DELETE", f"{GROUPS}/{web}", If_Match="revision_number=1").status == 204
    assert cloud("GET", f"{RULES}/{rule['id']}").status == 404
    shown = cloud.get(f"{GROUPS}/{db['id']}")
    assert shown["revision_number"] == db["revision_number"] + 2
    assert shown["security_group_rules"] == db["security_group_rules"]


# -- ports ------------------------------------------------------------------------------------------------------------


def test_which_groups_a_port_is_in(cloud, network):
    group, default = cloud.group()["id"], cloud.default()["id"]
    assert cloud.make("port", network_id=network)["security_groups"] == [default]
    assert cloud.make("port", network_id=network, security_groups=None)["security_groups"] == [default]
    assert cloud.make("port", network_id=network, security_groups=[])["security_groups"] == []
    own = cloud.make("port", network_id=network, device_owner="network:dhcp")
    assert (own["security_groups"], own["port_security_enabled"]) == ([], False)
    port = cloud.make("port", network_id=network, security_groups=[group])
    both = cloud.update(port, security_groups=[default, group]).body["port"]
    assert both["security_groups"] == sorted([default, group])
    assert both["revision_number"] == port["revision_number"] + 1
    assert cloud.update(port, name="x").body["port"]["security_groups"] == sorted([default, group])
    assert cloud.update(port, security_groups=None).body["port"]["security_groups"] == []


def test_a_port_that_becomes_a_guests_joins_the_default_group(cloud, network):
    port = cloud.make("port", network_id=network, device_owner="network:dhcp")
    cloud.update(port, port_security_enabled=True)
    freed = cloud.update(port, device_owner="compute:nova").body["port"]
    assert freed["security_groups"] == [cloud.default()["id"]]


def test_ports_are_found_by_their_groups(cloud, network):
    groups = [cloud.group(name=name)["id"] for name in ("a", "b")]
    one = cloud.make("port", network_id=network, security_groups=groups)
    two = cloud.make("port", network_id=network, security_groups=groups[1:])
    cloud.make("port", network_id=network)
    assert cloud.get(f"/v2.0/ports?security_groups={groups[0]}") == [one]
    found = cloud.get(f"/v2.0/ports?security_groups={groups[0]}&security_groups={groups[1]}")
    assert sorted(port["id"] for port in found) == sorted([one["id"], two["id"]])
    assert cloud.get("/v2.0/ports?security_groups=none") == []


def test_a_group_with_ports_stays_and_stays_stateful(cloud, network):
    group = cloud.group()["id"]
    port = cloud.make("port", network_id=network, security_groups=[group])
    path = f"{GROUPS}/{group}"
    assert cloud("DELETE", path).error[1] == "SecurityGroupInUse"
    assert cloud("PUT", path, {"security_group": {"stateful": False}}).error[1] == "SecurityGroupInUse"
    assert cloud("PUT", path, {"security_group": {"stateful": True}}).status == 200
    assert cloud("DELETE", f"/v2.0/ports/{port['id']}").status == 204
    assert cloud.store.net.count(Membership) == 0
    assert cloud("PUT", path, {"security_group": {"stateful": False}}).body["security_group"]["stateful"] is False
    assert cloud("DELETE", path).status == 204


def test_a_group_of_another_project_must_be_shared(cloud, network):
    theirs = cloud("POST", GROUPS, {"security_group": {"name": "x"}}, X_Project_Id="p2").body["security_group"]["id"]
    body = {"port": {"network_id": network, "security_groups": [theirs]}}
    text = f"Security group {theirs} does not exist"
    assert cloud("POST", "/v2.0/ports", body).error == (404, "SecurityGroupNotFound", text)
    assert cloud("POST", "/v2.0/ports", {"port": {**body["port"], "project_id": "p1"}}, **ADMIN).error[2] == text
    assert cloud.rule(cloud.group()["id"], remote_group_id=theirs).error[2] == text
    policy = RbacPolicy("r1", "p2", "security_group", theirs, "access_as_shared", "p1")
    cloud.store.execute(lambda draft: draft.put(policy), who="")
    assert cloud("POST", "/v2.0/ports", body).status == 201
    assert [group["id"] for group in cloud.get(f"{GROUPS}?shared=true")] == [theirs]
    assert theirs not in [group["id"] for group in cloud.get(f"{GROUPS}?shared=false")]
    assert cloud("GET", f"{GROUPS}?shared=true", X_Project_Id="p3").body == {"security_groups": []}


def test_what_a_new_port_writes(cloud, network):
    """A port in the default group is one row more than before; one that names nothing else, too."""
    cloud.default()
    written = []
    cloud.store.subscribe(lambda revision, changes: written.append([change.row_type.__name__ for change in changes]))
    cloud.make("port", network_id=network)
    (rows,) = written
    assert sorted(rows) == ["Membership", "Port", "Sequence"]


# -- templates --------------------------------------------------------------------------------------------------------


def test_the_first_templates_are_the_same_everywhere_and_may_go(cloud):
    assert {rule["id"] for rule in cloud.get(TEMPLATES)} == {template.id for template in FIRST}
    for template in FIRST:
        assert cloud("DELETE", f"{TEMPLATES}/{template.id}", **ADMIN).status == 204
    assert cloud.default()["security_group_rules"] == []
    assert cloud("PUT", f"{TEMPLATES}/{FIRST[0].id}", {}).status == 405


def test_a_template_is_for_the_groups_that_it_says(cloud):
    helper = cloud.group(name="helper")["id"]
    wanted = {"direction": "ingress", "protocol": "tcp", "remote_group_id": helper}
    made = cloud("POST", TEMPLATES, {"default_security_group_rule": wanted}).body["default_security_group_rule"]
    assert (made["used_in_default_sg"], made["used_in_non_default_sg"]) == (False, True)
    rules = cloud.group()["security_group_rules"]
    assert [rule["remote_group_id"] for rule in rules if rule["protocol"] == "tcp"] == [helper]
    again = {**wanted, "used_in_default_sg": True, "description": "again"}
    assert cloud("POST", TEMPLATES, {"default_security_group_rule": again}).error[1] == "DefaultSecurityGroupRuleExists"
    nobody = {**wanted, "remote_group_id": "nobody"}
    assert cloud("POST", TEMPLATES, {"default_security_group_rule": nobody}).error[:2] == (404, "SecurityGroupNotFound")
    assert cloud("DELETE", f"{GROUPS}/{helper}").status == 204
    assert made["id"] not in [rule["id"] for rule in cloud.get(TEMPLATES)]


# -- who may ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def ruled():
    """A cloud with the usual policy."""
    return Cloud(policy=Policy())


def as_of(roles, project="p1"):
    return {"X_Roles": roles, "X_Project_Id": project}


MEMBER, READER, STRANGER = as_of("member,reader"), as_of("reader"), as_of("member,reader", "p2")


def test_who_may_do_what_with_groups(ruled):
    assert ruled("POST", GROUPS, {"security_group": {}}, **READER).status == 403
    group = ruled("POST", GROUPS, {"security_group": {}}, **MEMBER).body["security_group"]
    rule = {"security_group_rule": {"security_group_id": group["id"], "direction": "ingress"}}
    assert ruled("POST", RULES, rule, **READER).status == 403
    assert ruled("POST", RULES, rule, **STRANGER).error[:2] == (404, "SecurityGroupNotFound")
    made = ruled("POST", RULES, rule, **MEMBER).body["security_group_rule"]
    assert ruled("GET", f"{RULES}/{made['id']}", **READER).body["security_group_rule"] == made
    assert ruled("GET", f"{RULES}/{made['id']}", **STRANGER).error[:2] == (404, "SecurityGroupRuleNotFound")
    assert [found["name"] for found in ruled("GET", GROUPS, **STRANGER).body["security_groups"]] == ["default"]
    template = {"default_security_group_rule": {"direction": "ingress", "protocol": "tcp"}}
    assert ruled("POST", TEMPLATES, template, **MEMBER).status == 403
    assert len(ruled("GET", TEMPLATES, **READER).body["default_security_group_rules"]) == 4


def test_only_who_owns_the_network_lets_a_port_send_as_others(ruled):
    made = ruled("POST", "/v2.0/networks", {"network": {}}, **as_of("member,reader", "p0")).body["network"]["id"]
    policy = RbacPolicy("r1", "p0", "network", made, "access_as_shared", "p1")
    ruled.store.execute(lambda draft: draft.put(policy), who="")
    port = {"network_id": made}
    pairs = {"allowed_address_pairs": [{"ip_address": "1.1.1.1"}]}
    text = (
        "(rule:{0} and (rule:{0}:allowed_address_pairs and (rule:{0}:allowed_address_pairs:ip_address))) is disallowed "
        "by policy"
    )
    refused = ruled("POST", "/v2.0/ports", {"port": {**port, **pairs}}, **MEMBER)
    assert refused.error == (403, "PolicyNotAuthorized", text.format("create_port"))
    made = ruled("POST", "/v2.0/ports", {"port": port}, **MEMBER).body["port"]
    refused = ruled("PUT", f"/v2.0/ports/{made['id']}", {"port": pairs}, **MEMBER)
    assert refused.error == (403, "PolicyNotAuthorized", text.format("update_port"))
