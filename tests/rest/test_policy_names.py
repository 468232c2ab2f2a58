"""The default rules beside those of Neutron 29 (neutron29_policies.json): the same names, and the same meaning."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from oslo_config import cfg
from oslo_policy import policy as oslo

from controller.core.caller import Caller
from rest.policies.checks import reads_of
from rest.policy import Policy, credentials

NEUTRON = json.loads((Path(__file__).parent / "neutron29_policies.json").read_text())
OURS_TOO = {"context_can_set_project_id", "patchbay_inspect"}
"""Neutron has the first elsewhere (neutron-lib), with the same default, `!`; the other is about what only we have."""

MINE, OTHERS = "mine", "others"
ROLES = (
    (),
    ("reader",),
    ("member", "reader"),
    ("manager", "member", "reader"),
    ("admin", "manager", "member", "reader"),
    ("service",),
    ("advsvc",),
    ("data_plane_integrator",),
)
CALLERS = [Caller("u", MINE, frozenset(roles), False, frozenset(by)) for roles in ROLES for by in ((), ("service",))]
VALUES = {
    "shared": (True, False),
    "router:external": (True, False),
    "belongs_to_default_sg": (True, False),
    "device_owner": ("", "compute:nova", "network:dhcp", "baremetal:none", "manila:share"),
    "target_tenant": ("*", "p"),
    "target_project": ("*", "p"),
}
"""What a key of a target may be; one that is not here is an owner."""


@pytest.fixture(scope="module")
def policy():
    return Policy()


@pytest.fixture(scope="module")
def neutron():
    enforcer = oslo.Enforcer(cfg.ConfigOpts(), use_conf=False, default_rule="default")
    enforcer.set_rules(oslo.Rules.from_dict(NEUTRON, "default"))
    return enforcer


def test_the_names_are_neutrons(policy):
    assert all(policy.has(name) for name in NEUTRON)
    assert set(policy._defaults) - set(NEUTRON) == OURS_TOO
    assert len(NEUTRON) > 350


@pytest.mark.parametrize("name", sorted(NEUTRON))
def test_a_rule_means_what_neutrons_means(policy, neutron, name):
    keys = [key for key in reads_of(neutron.rules, name) or () if not key.endswith("tenant_id")]
    possible = [VALUES.get(key, (MINE, OTHERS)) for key in keys]
    for values in itertools.product(*possible):
        target = dict(zip(keys, values, strict=True))
        for caller in CALLERS:
            expected = bool(neutron.enforce(name, target, credentials(caller)))
            assert policy.allows(name, caller, target) is expected, (caller, target)
            always, never = policy.always(name, caller), policy.never(name, caller)
            assert not (always and not expected) and not (never and expected), (caller, target)
