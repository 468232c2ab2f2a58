"""DNS names of ports and domains of networks, over REST."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps import dns
from tests.rest.api import SETTINGS, Api


@pytest.fixture
def api():
    return Api(replace(SETTINGS, dns_domain="example.org."), apps=[dns.app])


@pytest.fixture
def network(api):
    made = api.make("network")["id"]
    api.make("subnet", network_id=made, cidr="10.67.0.0/24", ip_version=4)
    api.make("subnet", network_id=made, cidr="fd00:90::/64", ip_version=6)
    return made


def test_every_address_has_a_name(api, network):
    port = api.make("port", network_id=network, fixed_ips=[{"ip_address": a} for a in ("10.67.0.3", "fd00:90::f81")])
    assert (port["dns_name"], port["dns_domain"]) == ("", "")
    assert port["dns_assignment"] == [
        {"ip_address": "10.67.0.3", "hostname": "host-10-67-0-3", "fqdn": "host-10-67-0-3.example.org."},
        {"ip_address": "fd00:90::f81", "hostname": "host-fd00-90--f81", "fqdn": "host-fd00-90--f81.example.org."},
    ]


def test_a_port_that_has_a_name(api, network):
    port = api.make("port", network_id=network, dns_name="D1", dns_domain="test.org.", fixed_ips=[])
    assert (port["dns_name"], port["dns_domain"], port["dns_assignment"]) == ("d1", "test.org.", [])
    address = {"fixed_ips": [{"ip_address": "10.67.0.9"}], "dns_name": "d2"}
    changed = api("PUT", f"/v2.0/ports/{port['id']}", {"port": address}).body["port"]
    assert changed["dns_assignment"] == [{"ip_address": "10.67.0.9", "hostname": "d2", "fqdn": "d2.example.org."}]
    full = api("PUT", f"/v2.0/ports/{port['id']}", {"port": {"dns_name": "d3.example.org."}}).body["port"]
    assert full["dns_assignment"] == [{"ip_address": "10.67.0.9", "hostname": "d3", "fqdn": "d3.example.org."}]
    again = api("PUT", f"/v2.0/ports/{port['id']}", {"port": {"dns_name": ""}}).body["port"]
    assert again["dns_assignment"][0]["hostname"] == "host-10-67-0-9"


def test_a_networks_domain(api):
    network = api.make("network", dns_domain="test.org.")
    assert network["dns_domain"] == "test.org."
    changed = api("PUT", f"/v2.0/networks/{network['id']}", {"network": {"dns_domain": "d.org."}}).body["network"]
    assert (changed["dns_domain"], changed["revision_number"]) == ("d.org.", 1)


LONG = ".".join(["a" * 63] * 4)


@pytest.mark.parametrize(
    ("attribute", "value", "reason"),
    [
        ("dns_name", "a..b", "'a..b' not a valid PQDN or FQDN. Reason: Encountered an empty component."),
        ("dns_name", "-a", "'-a' not a valid PQDN or FQDN. Reason: Name '-a' must not start or end with a hyphen."),
        (
            "dns_name",
            "a_b",
            "'a_b' not a valid PQDN or FQDN. Reason: Name 'a_b' must be 1-63 characters long, each of which can only "
            "be alphanumeric or a hyphen.",
        ),
        ("dns_name", "a.1", "'a.1' not a valid PQDN or FQDN. Reason: TLD '1' must not be all numeric."),
        (
            "dns_name",
            f"{LONG}.a",
            f"'{LONG}.a' not a valid PQDN or FQDN. Reason: '{LONG}.a' exceeds the 255 character FQDN limit.",
        ),
        (
            "dns_name",
            "a.other.org.",
            "The dns_name passed is a FQDN. Its higher level labels must be equal to the dns_domain option in "
            "neutron.conf, that has been set to 'example.org.'. It must also include one or more valid DNS labels to "
            "the left of 'example.org.'.",
        ),
        (
            "dns_name",
            LONG,
            "The dns_name passed is a PQDN and its size is '255'. The dns_domain option in neutron.conf is set to "
            "example.org., with a length of '13'. When the two are concatenated to form a FQDN (with a '.' at the "
            "end), the resulting length exceeds the maximum size of '255'.",
        ),
        ("dns_domain", "test.org", "'test.org' is not a FQDN."),
    ],
)
def test_names_that_are_none_are_refused(api, network, attribute, value, reason):
    reply = api("POST", "/v2.0/ports", {"port": {"network_id": network, attribute: value}})
    assert reply.error == (400, "HTTPBadRequest", f"Invalid input for {attribute}. Reason: {reason}")
    assert api.get("/v2.0/ports") == []


def test_a_name_is_a_text(api):
    reply = api("POST", "/v2.0/networks", {"network": {"dns_domain": 5}})
    text = "Invalid input for operation: Input value 5 must be string type."
    assert reply.error == (400, "InvalidInput", text)
