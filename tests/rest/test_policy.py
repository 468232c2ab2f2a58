"""Policy: what rules mean, what they cost, and what an operator's file does."""

from __future__ import annotations

import logging
import os

import pytest
from oslo_policy import policy as oslo

from controller.core.caller import Caller
from rest.policy import Policy, PolicyError

ADMIN = Caller("root", "admin", frozenset({"admin", "manager", "member", "reader"}))
MEMBER = Caller("ann", "p1", frozenset({"member", "reader"}))
READER = Caller("rob", "p1", frozenset({"reader"}))
SERVICE = Caller("nova", "service", frozenset({"service"}))
NOWHERE = Caller("eve", "", frozenset({"member", "reader"}))


@pytest.fixture(scope="module")
def defaults():
    return Policy()


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def write(tmp_path):
    """Write policy.yaml so that a change of it is seen; its path."""
    path = tmp_path / "policy.yaml"
    times = iter(range(1, 1000))

    def write(text):
        path.write_text(text)
        os.utime(path, (1, next(times)))
        return str(path)

    return write


# -- meaning ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "caller", "target", "allowed"),
    [
        ("create_network", MEMBER, {"project_id": "p1"}, True),
        ("create_network", READER, {"project_id": "p1"}, False),
        ("create_network", MEMBER, {"project_id": "p2"}, False),
        ("create_network", ADMIN, {"project_id": "p2"}, True),
        ("create_network:router:external", MEMBER, {"project_id": "p1"}, False),
        ("create_network:provider:network_type", MEMBER, {"project_id": "p1"}, False),
        ("get_network", READER, {"project_id": "p2", "shared": True, "router:external": False}, True),
        ("get_network", READER, {"project_id": "p2", "shared": False, "router:external": True}, True),
        ("get_network", READER, {"project_id": "p2", "shared": False, "router:external": False}, False),
        # One name stands for the other.
        ("get_network", READER, {"tenant_id": "p1"}, True),
        ("get_port", READER, {"project_id": "p2", "network:tenant_id": "p1"}, True),
        # What is on a shared network.
        ("create_port", MEMBER, {"project_id": "p1", "network:project_id": "p2", "network:shared": True}, True),
        ("create_port", MEMBER, {"project_id": "p1", "network:project_id": "p2", "network:shared": False}, False),
        # A target may know better than its row whether it is shared: what is true counts.
        ("create_port", MEMBER, {"network:project_id": "p2", "shared": False, "network:shared": True}, True),
        ("create_port:mac_address", MEMBER, {"network:project_id": "p2", "network:shared": True}, False),
        # Machines' ports are for their service to delete.
        ("delete_port", MEMBER, {"project_id": "p1", "device_owner": "compute:nova"}, False),
        ("delete_port", MEMBER, {"project_id": "p1", "device_owner": ""}, True),
        ("delete_port", SERVICE, {"project_id": "p1", "device_owner": "compute:nova"}, True),
        (
            "delete_port",
            Caller("ann", "p1", frozenset({"member"}), False, frozenset({"service"})),
            {"project_id": "p1", "device_owner": "compute:nova"},
            True,
        ),
        ("create_port:device_owner", MEMBER, {"network:project_id": "p2", "device_owner": "network:dhcp"}, False),
        ("create_port:device_owner", MEMBER, {"network:project_id": "p2", "device_owner": "compute:x"}, True),
        ("create_port:binding:profile", ADMIN, {"project_id": "p1"}, False),
        ("create_port:binding:profile", SERVICE, {"project_id": "p1"}, True),
        ("create_rbac_policy:target_tenant", MEMBER, {"target_tenant": "*"}, False),
        ("create_rbac_policy:target_tenant", MEMBER, {"target_tenant": "p2"}, True),
        ("create_security_group_rule", MEMBER, {"project_id": "p1", "security_group:project_id": "p2"}, False),
        ("create_security_group_rule", MEMBER, {"security_group:project_id": "p1"}, True),
        # A rule that nobody declared is Neutron's default: administrators and the owner.
        ("create_thing", READER, {"project_id": "p1"}, True),
        ("create_thing", READER, {"project_id": "p2"}, False),
        ("create_thing", ADMIN, {"project_id": "p2"}, True),
    ],
)
def test_who_may_do_what(defaults, rule, caller, target, allowed):
    assert defaults.allows(rule, caller, target) is allowed


def test_who_has_no_project_owns_nothing(defaults):
    for owner in ("", None):
        assert not defaults.allows("get_network", NOWHERE, {"project_id": owner})
        assert not defaults.allows("get_port", NOWHERE, {"project_id": owner, "network:project_id": owner})
    assert defaults.never("update_network", NOWHERE)


def test_what_is_known_without_a_target(defaults):
    assert defaults.always("get_port", ADMIN) and defaults.always("get_port", SERVICE)
    assert not defaults.always("get_port", MEMBER) and not defaults.never("get_port", MEMBER)
    assert defaults.never("get_agent", MEMBER) and not defaults.always("get_agent", MEMBER)
    assert defaults.always("get_availability_zone", READER)
    assert defaults.always("regular_user", NOWHERE)
    assert defaults.never("create_port:binding:profile", ADMIN)
    assert defaults.admin(ADMIN) and not defaults.admin(MEMBER) and not defaults.admin(SERVICE)


def test_rules_of_attributes_are_asked_where_they_are(defaults):
    assert defaults.has("create_network:shared")
    assert not defaults.has("create_network:name")


# -- cost -------------------------------------------------------------------------------------------------------------


def test_a_long_list_costs_a_handful_of_evaluations():
    policy = Policy()
    rows = [{"id": str(n), "project_id": f"p{n % 2}", "network:project_id": "p2", "name": "x"} for n in range(10_000)]
    seen = sum(policy.allows("get_port", MEMBER, row) for row in rows)
    assert seen == 5000
    assert (policy.lookups, policy.evaluations) == (10_000, 2)


def test_no_target_no_lookup():
    policy = Policy()
    for _ in range(100):
        assert policy.always("get_port", ADMIN)
    assert (policy.lookups, policy.evaluations) == (0, 1)


def test_only_what_a_rule_reads_tells_targets_apart():
    policy = Policy()
    for n, owner in enumerate(["", "compute:a", "compute:a", ""]):
        policy.allows("delete_port", MEMBER, {"project_id": "p1", "id": n, "fixed_ips": [n], "device_owner": owner})
    assert policy.evaluations == 2


def test_a_value_that_can_not_be_kept_is_evaluated_each_time(write):
    policy = Policy(write("get_network: field:networks:tags=['a']\n"))
    assert [policy.allows("get_network", MEMBER, {"tags": ["a"]}) for _ in range(3)] == [True] * 3
    assert policy.evaluations == 3


# -- an operator's file -----------------------------------------------------------------------------------------------


def test_a_file_goes_before_the_defaults(write):
    file = write(
        """
"create_network": "rule:admin_only"
"get_network:mtu": "rule:net_admin"      # an attribute that has no rule by default
"net_admin": "role:net_admin or rule:admin_only"
"get_subnet": "@"
"get_agent": "not role:auditor and tenant_id:%(project_id)s"
"create_floatingip": "!"
"""
    )
    policy = Policy(file)
    assert not policy.allows("create_network", MEMBER, {"project_id": "p1"})
    assert policy.has("get_network:mtu")
    assert policy.always("get_network:mtu", Caller("x", "p", frozenset({"net_admin"})))
    assert policy.always("get_subnet", NOWHERE)
    assert policy.allows("get_agent", MEMBER, {"project_id": "p1"})
    assert not policy.allows("get_agent", Caller("x", "p1", frozenset({"auditor"})), {"project_id": "p1"})
    assert policy.never("create_floatingip", ADMIN)
    assert policy.allows("update_network", MEMBER, {"project_id": "p1"})


def test_an_empty_file_changes_nothing(write):
    assert Policy(write("# nothing\n")).allows("create_network", MEMBER, {"project_id": "p1"})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("get_network: [\n", "it is not YAML"),
        ("- get_network\n", "it is not a mapping"),
        ("get_network: 5\n", "get_network: a rule is text"),
        ("get_netwrok: role:admin\n", "get_netwrok: there is no such rule"),
        ("get_network: rule:admni_only\n", "get_network: there is no rule admni_only"),
        ("get_network: not rule:admni_only\n", "get_network: there is no rule admni_only"),
        ("get_network: admin\n", "get_network: 'admin' is not a rule"),
        ("get_network: role:a or\n", "get_network: 'role:a or' is not a rule"),
        ("get_network: role:a or role\n", "get_network: 'role:a or role' is not a rule"),
        ("get_network: rule:get_port\nget_port: not rule:get_network\n", "get_network -> get_port -> get_network"),
        ("get_network: project_id:5\n", "get_network: project_id:5 is not project_id:%(KEY)s"),
        ("get_network: field:networks\n", "get_network: field:networks is not field:RESOURCES"),
        ("get_network: field:networks:name=~[\n", "get_network:"),
    ],
)
def test_a_file_that_can_not_be_used_keeps_us_from_starting(write, text, problem):
    file = write(text)
    with pytest.raises(PolicyError) as raised:
        Policy(file)
    assert problem in str(raised.value)
    assert str(raised.value).startswith(file)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_keeps_us_from_starting(tmp_path):
    with pytest.raises(PolicyError, match="No such file"):
        Policy(str(tmp_path / "policy.yaml"))


def test_a_changed_file_is_read_again_once_a_second_at_most(write, clock):
    policy = Policy(write("get_agent: role:reader\n"), clock=clock)
    assert policy.always("get_agent", MEMBER)
    generation = policy.generation
    write("get_agent: role:nobody\n")
    clock.now = 0.9
    assert policy.always("get_agent", MEMBER)
    clock.now = 1.0
    assert not policy.always("get_agent", MEMBER)
    assert policy.generation == generation + 1
    clock.now = 5
    assert policy.generation == generation + 1


def test_a_file_that_became_unusable_changes_nothing_and_is_told(write, clock, caplog, tmp_path):
    policy = Policy(write("get_agent: role:reader\n"), clock=clock)
    for n, text in enumerate(["get_agent: [", "get_agent: nonsense"], 1):
        write(text)
        clock.now = n * 2
        with caplog.at_level(logging.ERROR, "patchbay.policy"):
            assert policy.always("get_agent", MEMBER)
        assert "policy.yaml" in caplog.records[-1].message
    write("get_agent: role:nobody\n")
    clock.now = 10
    assert policy.never("get_agent", MEMBER)
    (tmp_path / "policy.yaml").unlink()
    clock.now = 20
    assert policy.never("get_agent", MEMBER)


# -- rules of extensions ----------------------------------------------------------------------------------------------


EXTENSION = [
    oslo.RuleDefault("get_credential", "rule:admin_only", description="See credentials."),
    ("create_credential", "role:member and project_id:%(project_id)s", "Make a credential."),
]


def test_an_extension_adds_its_rules():
    policy = Policy()
    policy.register(EXTENSION)
    assert policy.has("get_credential") and policy.never("get_credential", MEMBER)
    assert policy.allows("create_credential", MEMBER, {"project_id": "p1"})
    policy.register([("get_credential", "rule:admin_only", "Again, the same.")])


def test_a_file_may_speak_of_an_extensions_rules(write):
    file = write("get_credential: role:keeper\n")
    assert Policy(file, EXTENSION).always("get_credential", Caller("x", "p", frozenset({"keeper"})))
    with pytest.raises(PolicyError, match="get_credential: there is no such rule"):
        Policy(file)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (("get_network", "@", ""), "the rule get_network is declared already"),
        (("get_credential", "rule:nonsense", ""), "there is no rule nonsense"),
    ],
)
def test_a_bad_rule_of_an_extension_is_refused_and_nothing_changes(rule, problem):
    policy = Policy()
    with pytest.raises(PolicyError, match=problem):
        policy.register([rule])
    assert not policy.has("get_credential")
    assert not policy.always("get_network", MEMBER)
