"""One attribute's value: what is taken, in which form, and how the rest is refused."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.model import Pool, Route
from controller.core.plan import Refusal
from controller.core.plans.checks import CHECKS, check, from_text
from controller.core.plans.parse import Wanted
from controller.core.row import KINDS

UUID = "72d21013-5631-43b5-9a59-16c2c30c3d6b"


@pytest.mark.parametrize(
    ("rule", "value", "held"),
    [
        ("string", "x" * 255, "x" * 255),
        ("string_or_null", None, ""),
        ("boolean", True, True),
        ("boolean", "False", False),
        ("boolean", 0, False),
        ("mtu", "1400", 1400),
        ("uuid", UUID.upper(), UUID),
        ("ip_version", "6", 6),
        ("cidr", "10.0.0.7/24", "10.0.0.0/24"),
        ("cidr", "2001:DB8::/64", "2001:db8::/64"),
        ("gateway", None, None),
        ("gateway", "FD00::0:1", "fd00::1"),
        ("pools", [{"start": "10.0.0.2", "end": "10.0.0.9"}], (Pool("10.0.0.2", "10.0.0.9"),)),
        ("pools", [], ()),
        ("pools", None, ()),
        ("service_types", ["network:dhcp", "compute:nova", "network:dhcp"], ("compute:nova", "network:dhcp")),
        ("service_types", None, ()),
        ("name_or_null", None, None),
        ("name_or_null", "", ""),
        ("non_negative", "0", 0),
        ("nameservers", ["9.9.9.9"], ("9.9.9.9",)),
        ("nameservers", None, ()),
        ("routes", [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.2"}], (Route("10.1.0.0/16", "10.0.0.2"),)),
        ("ipv6_mode", "slaac", "slaac"),
        ("mac", "FA-16-3E-00-00-01", "fa:16:3e:00:00:01"),
        ("mac", None, None),
        ("fixed_ips", None, None),
        ("fixed_ips", [], ()),
        ("fixed_ips", [{"subnet_id": UUID}, {"ip_address": "10.0.0.5"}], (Wanted(UUID, ""), Wanted("", "10.0.0.5"))),
        ("vnic_type", "direct", "direct"),
        ("profile", {"interface": "h1-eth0"}, '{"interface": "h1-eth0"}'),
        ("profile", None, "{}"),
        ("network_type", None, None),
        ("physical_network", "physnet1", "physnet1"),
        ("segmentation_id", "101", 101),
        ("segmentation_id", None, None),
        ("never", "false", False),
    ],
)
def test_taken(rule, value, held):
    assert check(rule, "x", value) == held


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        ("string", True, "'True' is not a valid string"),
        ("string", "x" * 256, "'" + "x" * 256 + "' exceeds maximum length of 255"),
        ("string", "a\x00b", "'a\x00b' is not a valid string"),
        ("string", "\ud800", "'\\ud800' is not a valid string"),
        ("mtu", -1, "'-1' should be non-negative"),
        ("uuid", "abc", "'abc' is not a valid UUID"),
        ("uuid", 7, "'7' is not a valid UUID"),
        ("ip_version", 5, "5 is not in valid_values"),
        ("gateway", "10.0.0.256", "'10.0.0.256' is not a valid IP address"),
        ("gateway", "fe80::1%eth0", "'fe80::1%eth0' is not a valid IP address"),
        ("gateway", "010.0.0.1", "'010.0.0.1' is not a valid IP address"),
        ("gateway", 167772161, "'167772161' is not a valid IP address"),
        ("name_or_null", 7, "'7' is not a valid string"),
        ("non_negative", -1, "'-1' should be non-negative"),
        ("service_types", "compute:nova", "Invalid data format for subnet service types: 'compute:nova'"),
        ("pools", "10.0.0.1", "Invalid data format for IP pool: '10.0.0.1'"),
        (
            "pools",
            [{"start": "10.0.0.1"}],
            "Invalid data format for IP pool: '{'start': '10.0.0.1'}', it must have the keys 'start', 'end'",
        ),
        ("nameservers", "9.9.9.9", "Invalid data format for nameserver: '9.9.9.9'"),
        ("nameservers", ["dns"], "'dns' is not a valid nameserver. 'dns' is not a valid IP address"),
        ("nameservers", ["9.9.9.9", "9.9.9.9"], "Duplicate nameserver '9.9.9.9'"),
        ("routes", [{"destination": "10.0.0.1/24", "nexthop": "10.0.0.2"}], "'10.0.0.1/24' is not a valid CIDR"),
        (
            "routes",
            [{"destination": "10.1.0.0/16", "nexthop": "10.0.0.2"}] * 2,
            "Duplicate hostroute '{'destination': '10.1.0.0/16', 'nexthop': '10.0.0.2'}'",
        ),
        ("ipv6_mode", "auto", "auto is not in valid_values"),
        ("mac", "00:00:00:00:00:00", "'00:00:00:00:00:00' is not a valid MAC address"),
        ("mac", "01:00:5e:00:00:01", "'01:00:5e:00:00:01' is not a valid MAC address"),
        ("mac", 5, "'5' is not a valid MAC address"),
        ("fixed_ips", {"ip_address": "10.0.0.5"}, "Invalid data format for fixed IP: '{'ip_address': '10.0.0.5'}'"),
        ("fixed_ips", ["10.0.0.5"], "Invalid data format for fixed IP: '10.0.0.5'"),
        ("fixed_ips", [{"ip": "10.0.0.5"}], "Invalid data format for fixed IP: '{'ip': '10.0.0.5'}'"),
        ("fixed_ips", [{"ip_address": "10.0.0.5"}] * 2, "Duplicate IP address '10.0.0.5'"),
        ("fixed_ips", [{"subnet_id": UUID}] * 257, "The list has more than 256 items"),
        (
            "pools",
            [{"start": "10.0.0.1", "end": "10.0.0.1"}] * 257,
            "The list has more than 256 items",
        ),
        ("vnic_type", "tap", "tap is not in valid_values"),
        ("profile", [], "'[]' is not a dictionary"),
        ("profile", {"interface": 1}, "'1' is not a valid string"),
        ("never", True, "true is not supported"),
    ],
)
def test_refused_with_the_attribute_and_the_reason(rule, value, reason):
    with pytest.raises(Refusal) as caught:
        check(rule, "the_name", value)
    assert (caught.value.type, caught.value.status) == ("HTTPBadRequest", 400)
    assert caught.value.message == f"Invalid input for the_name. Reason: {reason}."


@pytest.mark.parametrize(
    ("rule", "value", "reason"),
    [
        ("boolean", None, "'None' cannot be converted to boolean"),
        ("boolean", 2, "'2' cannot be converted to boolean"),
        ("mtu", "big", "'big' is not an integer"),
        ("mtu", True, "'True' is not an integer"),
        ("mtu", 1400.5, "'1400.5' is not an integer"),
        ("mtu", "9" * 19, f"'{'9' * 19}' is not an integer"),
        ("cidr", "300.1.1.0/24", "300.1.1.0/24 is not in a CIDR format"),
        ("cidr", "10.0.0.0", "10.0.0.0 is not in a CIDR format"),
        ("cidr", 5, "5 is not in a CIDR format"),
        ("network_type", "stt", "network_type value 'stt' not supported"),
        ("profile", {"x": "y" * 4095}, "binding:profile value too large"),
    ],
)
def test_refused_as_neutron_converters_do(rule, value, reason):
    with pytest.raises(Refusal) as caught:
        check(rule, "x", value)
    assert (caught.value.type, caught.value.status) == ("InvalidInput", 400)
    assert caught.value.message == f"Invalid input for operation: {reason}."


@pytest.mark.parametrize(
    ("rule", "text", "value"),
    [
        ("boolean", "True", True),
        ("mtu", "1500", 1500),
        ("mac", "FA-16-3E-00-00-01", "fa:16:3e:00:00:01"),
        ("string", "a b", "a b"),
        ("gateway", "10.0.0.1", "10.0.0.1"),
    ],
)
def test_filter_texts_become_the_values_that_answers_show(rule, text, value):
    assert from_text(rule, text) == value


def test_every_declared_attribute_has_a_check_that_is_there():
    declared = [a for cls in KINDS.values() for _, a in cls.ROW.attributes if a.post or a.put]
    assert declared
    assert {attribute.check for attribute in declared if isinstance(attribute.check, str)} <= set(CHECKS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(rule=st.sampled_from(sorted(CHECKS)), value=JSON)
def test_no_json_value_gets_past_a_check_in_any_other_way_than_held_or_refused(rule, value):
    try:
        held = check(rule, "x", value)
    except Refusal as refusal:
        assert refusal.status == 400  # noqa: PT017
        refusal.message.encode()  # so that the answer can be written
    else:
        assert rule == "profile" or check(rule, "x", _again(held)) == held


def _again(held):
    """The held value as a client would give it."""
    if isinstance(held, tuple):
        return [item._asdict() if hasattr(item, "_asdict") else item for item in held]
    return held


@given(st.ip_addresses())
def test_any_address_is_taken_in_its_canonical_form(address):
    assert check("gateway", "x", address.exploded) == str(address)


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_any_block_loses_its_host_bits(address, length):
    block = ipaddress.ip_network(check("cidr", "x", f"{address}/{length}"))
    assert address in block
    assert block.prefixlen == length
