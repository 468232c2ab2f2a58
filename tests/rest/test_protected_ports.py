"""Port security, address pairs, DHCP options and address groups, beyond what was recorded from Neutron."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.allowed_address_pairs import AddressPairs
from apps.dhcp_options import DhcpOptions
from apps.port_security import NetworkSecurity, PortSecurity
from apps.security_groups.rows import Superseded
from controller.core.app import load
from tests.rest.api import Api


@pytest.fixture
def api():
    return Api(apps=load())


@pytest.fixture
def network(api):
    return api.make("network")["id"]


@pytest.fixture
def make(api, network):
    return lambda **values: api.make("port", network_id=network, **values)


@pytest.fixture
def refused(api, network):
    def refused(**values):
        before = api.store.revision
        reply = api("POST", "/v2.0/ports", {"port": {"network_id": network, **values}})
        assert api.store.revision == before
        return reply.error

    return refused


@pytest.fixture
def update(api):
    return lambda port, **values: api("PUT", f"/v2.0/ports/{port['id']}", {"port": values})


# -- port security ----------------------------------------------------------------------------------------------------


def test_a_port_is_protected_as_its_network_says_unless_it_says_otherwise(api):
    off = api.make("network", port_security_enabled=False)
    assert off["port_security_enabled"] is False
    port = api.make("port", network_id=off["id"])
    assert (port["port_security_enabled"], port["security_groups"]) == (False, [])
    port = api.make("port", network_id=off["id"], port_security_enabled=True)
    assert port["port_security_enabled"] is True
    assert len(port["security_groups"]) == 1
    path = f"/v2.0/networks/{off['id']}"
    on = api("PUT", path, {"network": {"port_security_enabled": True}}).body["network"]
    assert (on["port_security_enabled"], on["revision_number"]) == (True, off["revision_number"] + 1)
    assert api.make("port", network_id=off["id"])["port_security_enabled"] is True


def test_only_what_is_off_is_stored(api, make):
    port = make()
    assert (api.store.net.count(PortSecurity), api.store.net.count(NetworkSecurity)) == (0, 0)
    assert port["port_security_enabled"] is True
    make(port_security_enabled=False)
    assert api.store.net.count(PortSecurity) == 1


def test_protection_is_not_taken_from_a_port_with_groups(make, update):
    port = make()
    text = (
        "Port has security group associated. Cannot disable port security or IP address until security group is "
        "removed."
    )
    assert update(port, port_security_enabled=False).error == (409, "PortSecurityPortHasSecurityGroup", text)
    open_port = update(port, port_security_enabled=False, security_groups=[]).body["port"]
    assert (open_port["port_security_enabled"], open_port["security_groups"]) == (False, [])
    again = update(port, security_groups=port["security_groups"]).error
    assert again[:2] == (400, "PortSecurityAndIPRequiredForSecurityGroups")
    both = update(port, security_groups=port["security_groups"], port_security_enabled=True)
    assert both.body["port"]["security_groups"] == port["security_groups"]


def test_an_unprotected_port_is_made_without_groups(make, refused):
    groups = make()["security_groups"]
    found = refused(port_security_enabled=False, security_groups=groups)
    assert found[:2] == (400, "PortSecurityAndIPRequiredForSecurityGroups")
    assert refused(port_security_enabled=None)[0] == 400


# -- allowed address pairs --------------------------------------------------------------------------------------------


def test_a_pair_without_a_mac_has_the_ports_of_then(make, update):
    pairs = [{"ip_address": "10.0.0.0/24"}, {"ip_address": "2001:DB8::1", "mac_address": "FA-16-3E-00-00-09"}]
    port = make(allowed_address_pairs=pairs)
    shown = [
        {"mac_address": port["mac_address"], "ip_address": "10.0.0.0/24"},
        {"mac_address": "fa:16:3e:00:00:09", "ip_address": "2001:DB8::1"},
    ]
    assert port["allowed_address_pairs"] == shown
    moved = update(port, mac_address="fa:16:3e:00:00:07").body["port"]
    assert moved["allowed_address_pairs"] == shown
    none = update(port, allowed_address_pairs=[]).body["port"]
    assert (none["allowed_address_pairs"], none["revision_number"]) == ([], moved["revision_number"] + 1)


def test_no_pairs_are_no_row(api, make, update):
    port = make(allowed_address_pairs=[{"ip_address": "10.0.0.9"}])
    assert api.store.net.count(AddressPairs) == 1
    update(port, allowed_address_pairs=None)
    assert api.store.net.count(AddressPairs) == 0


PAIR = {"ip_address": "10.0.0.9"}


@pytest.mark.parametrize(
    ("pairs", "error"),
    [
        ([PAIR, PAIR], (400, "DuplicateAddressPairInRequest")),
        ([{**PAIR, "mac_address": "fa:16:3e:00:00:01"}, PAIR], (400, "DuplicateAddressPairInRequest")),
        ([{"ip_address": f"10.0.0.{n}"} for n in range(11)], (400, "AllowedAddressPairExhausted")),
        ([{"mac_address": "fa:16:3e:00:00:01"}], (400, "AllowedAddressPairsMissingIP")),
        ([{**PAIR, "colour": "red"}], (400, "HTTPBadRequest")),
        ([{**PAIR, "mac_address": None}], (400, "HTTPBadRequest")),
        ([{**PAIR, "mac_address": "01:00:5e:00:00:01"}], (400, "HTTPBadRequest")),
        ([{"ip_address": "10.0.0.300"}], (400, "HTTPBadRequest")),
        ([{"ip_address": "10.0.0.1/33"}], (400, "HTTPBadRequest")),
        ([{"ip_address": 7}], (400, "HTTPBadRequest")),
        ([{"ip_address": "224.0.0.5"}], (400, "HTTPBadRequest")),
        ([{"ip_address": "192.0.0.0/2"}], (400, "HTTPBadRequest")),
        ([{"ip_address": "ff02::5/128"}], (400, "HTTPBadRequest")),
        ("10.0.0.9", (400, "HTTPBadRequest")),
        (["10.0.0.9"], (400, "HTTPBadRequest")),
    ],
)
def test_what_is_no_pair(refused, pairs, error):
    found = refused(allowed_address_pairs=pairs, mac_address="fa:16:3e:00:00:01")
    assert found[:2] == error


def test_the_texts_of_refused_pairs(refused):
    most = "The number of allowed address pair exceeds the maximum 10."
    assert refused(allowed_address_pairs=[{"ip_address": f"10.0.0.{n}"} for n in range(11)])[2] == most
    twice = "Request contains duplicate address pair: mac_address None ip_address 10.0.0.9."
    assert refused(allowed_address_pairs=[PAIR, PAIR])[2] == twice


def test_everywhere_is_a_pair(make):
    assert make(allowed_address_pairs=[{"ip_address": "0.0.0.0/0"}])["allowed_address_pairs"]


def test_pairs_need_protection(make, refused, update):
    text = "Port Security must be enabled in order to have allowed address pairs on a port."
    error = (409, "AddressPairAndPortSecurityRequired", text)
    assert refused(port_security_enabled=False, allowed_address_pairs=[PAIR]) == error
    port = make(allowed_address_pairs=[PAIR], security_groups=[])
    assert update(port, port_security_enabled=False).error == error
    gone = update(port, port_security_enabled=False, allowed_address_pairs=[]).body["port"]
    assert (gone["port_security_enabled"], gone["allowed_address_pairs"]) == (False, [])
    assert update(port, allowed_address_pairs=[PAIR]).error == error


# -- extra DHCP options -----------------------------------------------------------------------------------------------


def option(name, value, **more):
    return {"opt_name": name, "opt_value": value, **more}


def test_an_update_of_options_names_those_that_change(make, update):
    first = [option("bootfile-name", "a.0"), option("tftp-server", "10.0.0.1"), option("150", "x", ip_version=6)]
    port = make(extra_dhcp_opts=first)
    shown = [{"ip_version": 4, **item} for item in first]
    assert port["extra_dhcp_opts"] == shown
    changes = [option("bootfile-name", "b.0"), option("tftp-server", None), option("150", "y"), option("gone", None)]
    changed = update(port, extra_dhcp_opts=changes).body["port"]
    assert changed["extra_dhcp_opts"] == [
        option("bootfile-name", "b.0", ip_version=4),
        option("150", "x", ip_version=6),
        option("150", "y", ip_version=4),
    ]
    assert changed["revision_number"] == port["revision_number"] + 1
    for nothing in ([], None):
        same = update(port, extra_dhcp_opts=nothing).body["port"]
        assert same == changed


def test_some_options_may_be_blank_and_null_makes_none(api, make):
    given = [option("router", ""), option("tftp-server", None)]
    port = make(extra_dhcp_opts=given)
    assert port["extra_dhcp_opts"] == [option("router", "", ip_version=4)]
    api("DELETE", f"/v2.0/ports/{port['id']}")
    assert api.store.net.count(DhcpOptions) == 0


@pytest.mark.parametrize(
    "options",
    [
        [option("tftp-server", "")],
        [option("tftp-server", "  ")],
        [option("tftp-server", "10.0.0.1\nother=1")],
        [option("", "x")],
        [option("x" * 65, "x")],
        [option("x", "x" * 256)],
        [option("x", "x", ip_version=5)],
        [option("x", "x", ip_version="six")],
        [option("x", 7)],
        [{"opt_name": "x"}],
        [option("x", "x", more=1)],
        ["x"],
        "x",
    ],
)
def test_what_is_no_option(refused, options):
    assert refused(extra_dhcp_opts=options)[:2] == (400, "InvalidInput")


# -- address groups ---------------------------------------------------------------------------------------------------


class Addresses:
    def __init__(self, api):
        self.api = api

    def make(self, *addresses):
        body = {"address_group": {"name": "g", "addresses": list(addresses)}}
        return self.api("POST", "/v2.0/address-groups", body)

    def act(self, group, name, *addresses):
        path = f"/v2.0/address-groups/{group['id']}/{name}_addresses"
        return self.api("PUT", path, {"addresses": list(addresses)})


@pytest.fixture
def groups(api):
    return Addresses(api)


def test_addresses_are_added_and_removed(groups):
    group = groups.make("10.0.0.5/24", "10.0.0.6/24", "2001:db8::1/64").body["address_group"]
    assert group["addresses"] == ["10.0.0.0/24", "2001:db8::/64"]
    added = groups.act(group, "add", "192.0.2.7", "192.0.2.7/32").body["address_group"]
    assert added["addresses"] == ["10.0.0.0/24", "192.0.2.7/32", "2001:db8::/64"]
    assert added["revision_number"] == group["revision_number"] + 1
    removed = groups.act(group, "remove", "10.0.0.0/24", "192.0.2.7").body["address_group"]
    assert removed["addresses"] == ["2001:db8::/64"]
    twice = f"Addresses ['2001:db8::/64'] already exist in the address group {group['id']}."
    assert groups.act(group, "add", "2001:db8::9/64").error == (400, "AddressesAlreadyExist", twice)


def test_addresses_change_by_actions_only(api, groups):
    group = groups.make().body["address_group"]
    assert group["addresses"] == []
    path = f"/v2.0/address-groups/{group['id']}"
    assert api("PUT", path, {"address_group": {"addresses": []}}).status == 400
    for body in ({}, {"addresses": "10.0.0.1"}, {"addresses": [], "more": 1}, {"addresses": [7]}):
        assert api("PUT", f"{path}/add_addresses", body).status == 400


def test_what_is_no_address(groups):
    text = "Invalid input for addresses. Reason: Duplicate items in the list: '10.0.0.0/8'."
    assert groups.make("10.0.0.0/8", "10.0.0.0/8").error == (400, "HTTPBadRequest", text)
    for address in (7, None, "10.0.0.1", "10.0.0.0/255.0.0.0", "fe80::%1/64"):
        assert groups.make(address).error[:2] == (400, "HTTPBadRequest")


def test_an_address_group_that_rules_are_about_stays(api, groups):
    group = groups.make("10.0.0.0/8").body["address_group"]["id"]
    security = api("POST", "/v2.0/security-groups", {"security_group": {}}).body["security_group"]["id"]
    rule = {"security_group_id": security, "direction": "ingress", "remote_address_group_id": group}
    made = api("POST", "/v2.0/security-group-rules", {"security_group_rule": rule}).body["security_group_rule"]["id"]
    path, text = (
        f"/v2.0/address-groups/{group}",
        f"Address group {group} is in use on one or more security group rules.",
    )
    assert api("DELETE", path).error == (409, "AddressGroupInUse", text)
    assert api("DELETE", f"/v2.0/security-group-rules/{made}").status == 204
    assert api("DELETE", path).status == 204
    gone = api("POST", "/v2.0/security-group-rules", {"security_group_rule": rule}).error
    assert gone[:2] == (404, "AddressGroupNotFound")


def test_the_aliases(api):
    aliases = {extension["alias"] for extension in api.get("/v2.0/extensions")}
    assert {
        "security-group",
        "stateful-security-group",
        "security-groups-normalized-cidr",
        "security-groups-remote-address-group",
        "security-groups-shared-filtering",
        "security-groups-rules-belongs-to-default-sg",
        "security-groups-default-rules",
        "port-security-groups-filtering",
        "address-group",
        "port-security",
        "allowed-address-pairs",
        "extra_dhcp_opt",
    } <= aliases


# -- the order of a change --------------------------------------------------------------------------------------------


def test_a_change_that_takes_away_and_adds_notes_how_the_port_stood(api, make, update):
    """Clients don't see it.  There are no switches here that would end it."""
    group = lambda: api("POST", "/v2.0/security-groups", {"security_group": {}}).body["security_group"]["id"]  # noqa: E731
    one, other = group(), group()
    port = make(security_groups=[one])
    prefixes = tuple(f"{fixed['ip_address']}/32" for fixed in port["fixed_ips"])
    noted = lambda: api.store.net.get(Superseded, port["id"])  # noqa: E731
    assert noted() is None
    update(port, security_groups=[one, other])
    assert noted() is None
    shown = update(port, security_groups=[other]).body["port"]
    assert noted() is None, "it had both"
    assert shown == {**port, **{name: shown[name] for name in ("security_groups", "revision_number", "updated_at")}}
    update(port, security_groups=[one])
    first = noted()
    assert first == Superseded(port["id"], True, (other,), prefixes, first.turn)
    update(port, security_groups=[one, other])
    assert noted() is None
    update(port, security_groups=[other])
    update(port, security_groups=[one])
    assert noted() == replace(first, turn=noted().turn) != first, "it is another one"
    update(port, security_groups=[one, other])
    update(port, security_groups=[], port_security_enabled=False)
    assert noted() is None, "without an address it is nobody's member"


def test_other_addresses_in_a_group_are_such_a_change_and_the_note_goes_with_the_port(api, network, make, update):
    api.make("subnet", network_id=network, cidr="10.0.0.0/24", ip_version=4)
    port = make(fixed_ips=[{"ip_address": "10.0.0.10"}])
    update(port, fixed_ips=[{"ip_address": "10.0.0.11"}])
    assert api.store.net.get(Superseded, port["id"]).prefixes == ("10.0.0.10/32",)
    update(port, fixed_ips=[{"ip_address": "10.0.0.10"}])
    assert api.store.net.get(Superseded, port["id"]) is None
    update(port, security_groups=[], port_security_enabled=False)
    assert api.store.net.get(Superseded, port["id"]).security_groups == tuple(port["security_groups"])
    api("DELETE", f"/v2.0/ports/{port['id']}")
    assert api.store.net.get(Superseded, port["id"]) is None
