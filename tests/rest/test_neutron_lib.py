"""Our attributes against neutron-lib, the authority: for every extension that we show, the same names, the same may be
given, the same is shown, the same defaults, and the same values are accepted; but for what is listed, with its reason.
"""

from __future__ import annotations

import importlib
import pkgutil
from contextlib import suppress
from dataclasses import MISSING

import neutron_lib.api.definitions as definitions
import pytest
from neutron_lib import constants
from neutron_lib.api import attributes as lib
from oslo_config import cfg

from controller.core.app import load
from controller.core.plan import Refusal
from controller.core.plans import checks
from controller.core.resources import declare
from controller.core.settings import Settings
from rest.differences import CHOSEN
from rest.extensions import EXTENSIONS

with suppress(cfg.DuplicateOptError):
    # What neutron itself registers, and neutron-lib's checks look at.
    cfg.CONF.register_opt(cfg.IntOpt("max_allowed_address_pair", default=10))
    cfg.CONF.register_opt(cfg.StrOpt("dns_domain", default="openstacklocal."))

CORE = ("network", "subnet", "port")
UUID = "4e8e5957-649f-477b-9e5b-f1f75b21c03c"
PROBES = [
    None,
    True,
    "true",
    0,
    1,
    "7",
    -1,
    4096,
    2**40,
    "",
    "a",
    "a" * 255,
    "a" * 256,
    UUID,
    "10.0.0.1",
    "10.0.0.0/24",
    "2001:db8::1",
    "fa:16:3e:00:00:01",
    [],
    {},
    ["a"],
    [UUID],
    ["10.0.0.1"],
    ["10.0.0.0/24"],
    [{"a": "b"}],
    [{"start": "10.0.0.2", "end": "10.0.0.9"}],
    [{"destination": "10.9.0.0/24", "nexthop": "10.0.0.1"}],
    [{"ip_address": "10.0.0.5"}],
    [{"subnet_id": UUID}],
    {"a": "b"},
    "ingress",
    "IPv4",
    "tcp",
]
"""Values of all sorts: what one side takes and the other refuses is a difference."""


def by_alias():
    found = {}
    for info in pkgutil.iter_modules(definitions.__path__):
        module = importlib.import_module(f"{definitions.__name__}.{info.name}")
        if hasattr(module, "ALIAS"):
            found[module.ALIAS] = module
    return found


def maps(alias, module):
    """(our collection, the attributes that the alias defines of it)."""
    for collection, declared in (getattr(module, "RESOURCE_ATTRIBUTE_MAP", None) or {}).items():
        yield collection.replace("_", "-"), "", declared
    for collection, declared in (getattr(module, "SUB_RESOURCE_ATTRIBUTE_MAP", None) or {}).items():
        yield collection.replace("_", "-"), declared["parent"]["collection_name"], declared["parameters"]


def cases():
    apps = load()
    resources = declare(Settings(), apps)
    shown = [*CORE, *sorted({e.alias for e in EXTENSIONS} | {e.alias for app in apps for e in app.extensions})]
    modules = by_alias()
    for alias in shown:
        for collection, parent, declared in maps(alias, modules[alias]) if alias in modules else ():
            resource = resources.at(collection, parent) or resources.at(collection.replace("-", "_"), parent)
            for name, theirs in declared.items():
                yield alias, collection, name, theirs, resource


CASES = list(cases())


def accepts_lib(name, info, value):
    attribute = lib.AttributeInfo({name: info})
    try:
        attribute.convert_values({name: value})
    except Exception:  # noqa: BLE001  (whatever it raises, it does not take it)
        return False
    return True


def accepts(attribute, name, value):
    try:
        checks.check(attribute.check, name, value)
    except Refusal:
        return False
    return True


def default_of(attribute):
    """How ours and theirs say the same: nothing when it must be given or is chosen by the server."""
    return None if attribute.default is MISSING else attribute.default


def plain(value):
    """A default of either side in one form: what is empty is empty."""
    if value is None or value is constants.ATTR_NOT_SPECIFIED or value in ("", [], (), {}, "{}"):
        return None
    return value


def differences(theirs, resource, name):
    """(aspect, theirs, ours)"""
    wire = "project_id" if name == "tenant_id" else name
    slot = resource.attributes.get(wire) if resource is not None else None
    if slot is None:
        yield "missing", "", ""
        return
    ours = slot.attribute
    for aspect, want, got in (
        ("post", theirs.get("allow_post", False), ours.post),
        ("put", theirs.get("allow_put", False), ours.put),
        ("shown", theirs.get("is_visible", False), ours.shown),
        ("filter", theirs.get("is_filter", False), ours.filter),
    ):
        if bool(want) != bool(got):
            yield aspect, want, got
    if theirs.get("allow_post", False) and ours.post and plain(theirs.get("default")) != plain(default_of(ours)):
        yield "default", theirs.get("default"), default_of(ours)
    if (theirs.get("allow_post", False) or theirs.get("allow_put", False)) and (ours.post or ours.put):
        for value in PROBES:
            if accepts_lib(name, theirs, value) != accepts(ours, name, value):
                yield f"value {value!r:.40}", "", ""


@pytest.mark.parametrize("case", CASES, ids=lambda case: ":".join(case[:3]))
def test_as_neutron_lib_has_it(case):
    alias, collection, name, theirs, resource = case
    found = [what for what, *_ in differences(theirs, resource, name)]
    allowed = set()
    for (where, attribute, aspect), _reason in CHOSEN.items():
        if where in ("*", collection) and attribute in ("*", name):
            allowed |= {what for what in found if what == aspect or what.startswith(aspect)}
    assert [what for what in found if what not in allowed] == []


def test_every_listed_difference_is_one():
    """A difference that is gone leaves the list."""
    real = {(case[1], case[2], what) for case in CASES for what, *_ in differences(case[3], case[4], case[2])}
    stale = [
        (where, name, aspect)
        for where, name, aspect in CHOSEN
        if not any(
            where in ("*", collection) and name in ("*", attribute) and what.startswith(aspect)
            for collection, attribute, what in real
        )
    ]
    assert stale == []
