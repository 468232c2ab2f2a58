"""JSON values of attributes into the values that rows hold: one function for each kind of value.

Each raises `Invalid` with the reason, or a Refusal where Neutron answers with another exception than its usual "Invalid
input for x. Reason: ...".  Rules that concern several attributes or other rows are the plans' business.
"""

from __future__ import annotations

import ipaddress
import json
import re
from typing import Any, NamedTuple

from controller.core.model import NETWORK_TYPES, Pool, Route
from controller.core.plan import Refusal
from controller.core.plans.refusals import bad_request, invalid_input

LONGEST = 255
"""Characters in a name, description or id that a client gives (Neutron's column width)."""
LONGEST_PROFILE = 4095
VNIC_TYPES = (
    "normal",
    "direct",
    "macvtap",
    "baremetal",
    "direct-physical",
    "virtio-forwarder",
    "smart-nic",
    "vdpa",
    "accelerator-direct",
    "accelerator-direct-physical",
    "remote-managed",
)
IPV6_MODES = ("dhcpv6-stateful", "dhcpv6-stateless", "slaac")
MOST_ITEMS = 256
"""Items of a list in one attribute.  Neutron has no such limit; without it one request could cost minutes."""
TRUE, FALSE = ("true", "1", "yes", "on", "t", "y"), ("false", "0", "no", "off", "f", "n")

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_OWNER = re.compile(r"[A-Za-z0-9_-]+:[^\s]*")


class Invalid(ValueError):
    """A value that an attribute can't have; the text is the reason."""


class Wanted(NamedTuple):
    """One of the fixed_ips a client asks for: a subnet, an address, or both ('' where not given)."""

    subnet_id: str
    ip_address: str


class Carrier(NamedTuple):
    """A segment that a client asks for; None where that is left to us."""

    network_type: str | None
    physical_network: str | None
    segmentation_id: int | None


def string(value: Any, longest: int = LONGEST) -> str:
    """Text of up to 255 characters that any SQL database can hold (no NUL, no lone surrogates)."""
    if not isinstance(value, str) or "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise Invalid(f"'{printable(value)}' is not a valid string")
    if len(value) > longest:
        raise Invalid(f"'{value}' exceeds maximum length of {longest}")
    return value


def printable(value: Any) -> str:
    """The value in a message; a text that UTF-8 can't carry is escaped."""
    return str(value).encode("utf-8", "backslashreplace").decode()


def string_or_null(value: Any) -> str:
    return "" if value is None else string(value)


def name_or_null(value: Any) -> str | None:
    return None if value is None else string(value)


def boolean(value: Any) -> bool:
    """JSON's true and false, and the words and numbers that Neutron takes for them."""
    word = str(value).strip().lower()
    if word in TRUE or word in FALSE:
        return word in TRUE
    raise invalid_input(f"'{printable(value)}' cannot be converted to boolean")


def integer(value: Any) -> int:
    """A JSON integer, or its decimal digits in a string (at most 18)."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"[+-]?[0-9]{1,18}", value.strip()):
        return int(value)
    raise invalid_input(f"'{printable(value)}' is not an integer")


def non_negative(value: Any) -> int:
    number = integer(value)
    if number < 0:
        raise Invalid(f"'{number}' should be non-negative")
    return number


def uuid(value: Any) -> str:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise Invalid(f"'{printable(value)}' is not a valid UUID")
    return value.lower()


def uuid_or_null(value: Any) -> str | None:
    return None if value is None else uuid(value)


def uuids_or_null(value: Any) -> tuple[str, ...] | None:
    """A list of different UUIDs, or null."""
    if value is None:
        return None
    if not isinstance(value, list):
        raise Invalid(f"'{printable(value)}' is not a list")
    if len(value) > MOST_ITEMS:
        raise Invalid(f"The list has more than {MOST_ITEMS} items")
    repeated = ", ".join(dict.fromkeys(printable(item) for item in value if value.count(item) > 1))
    if repeated:
        raise Invalid(f"Duplicate items in the list: '{repeated}'")
    return tuple(uuid(item) for item in value)


def target_project(value: Any) -> str:
    """Whom an RBAC policy is for: the id of a project (a UUID, its dashes may be left out), or `*` for all."""
    if value == "*" or isinstance(value, str) and re.fullmatch("[0-9a-f]{32}", value.replace("-", "").lower()):
        return value  # type: ignore[no-any-return]
    raise invalid_input(f"'{printable(value)}' is not a valid target project ID; expected a UUID or '*'")


def tag(value: Any) -> str:
    """A word by which users find a resource again: up to 255 characters."""
    return string(value)


def tags(value: Any) -> tuple[str, ...]:
    """A list of different tags, in alphabetical order."""
    if not isinstance(value, list):
        raise Invalid(f"'{printable(value)}' is not a list")
    found = [tag(one) for one in value]
    again = sorted({one for one in found if found.count(one) > 1}) if len(set(found)) < len(found) else []
    if again:
        raise Invalid(f"Duplicate items in the list: '{', '.join(again)}'")
    return tuple(sorted(found))


def ip_version(value: Any) -> int:
    number = integer(value)
    if number not in (4, 6):
        raise Invalid(f"{number} is not in valid_values")
    return number


def address(value: Any) -> str:
    """An IPv4 or IPv6 address in its canonical form (RFC 5952); no zone, no leading zeros."""
    try:
        if isinstance(value, str) and "%" not in value:
            return str(ipaddress.ip_address(value))
    except ValueError:
        pass
    raise Invalid(f"'{printable(value)}' is not a valid IP address")


def cidr(value: Any) -> str:
    """A block `address/length`; host bits are cleared, as Neutron does."""
    try:
        if isinstance(value, str) and re.fullmatch(r"[^/%]+/[0-9]{1,3}", value):
            return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        pass
    raise invalid_input(f"{printable(value)} is not in a CIDR format")


def gateway(value: Any) -> str | None:
    return None if value is None else address(value)


def pools(value: Any) -> tuple[Pool, ...]:
    """`[{"start": address, "end": address}, ...]`; none (or null): the subnet gives no addresses by itself."""
    items = _dicts(_list(value, "IP pool"), "IP pool", "start", "end")
    return tuple(Pool(address(pool["start"]), address(pool["end"])) for pool in items)


def _list(value: Any, what: str) -> list[Any]:
    """The value, when it is a list (null is an empty one) that is not too long."""
    items = [] if value is None else value
    if not isinstance(items, list):
        raise Invalid(f"Invalid data format for {what}: '{printable(value)}'")
    if len(items) > MOST_ITEMS:
        raise Invalid(f"The list has more than {MOST_ITEMS} items")
    return items


def _dicts(items: list[Any], what: str, *keys: str) -> list[dict[str, Any]]:
    """The items, when all are objects with exactly these keys."""
    for item in items:
        if not isinstance(item, dict) or set(item) != set(keys):
            expected = ", ".join(f"'{key}'" for key in keys)
            raise Invalid(f"Invalid data format for {what}: '{printable(item)}', it must have the keys {expected}")
    return items


def nameservers(value: Any) -> tuple[str, ...]:
    found: list[str] = []
    for host in _list(value, "nameserver"):
        try:
            server = address(host)
        except Invalid as invalid:
            raise Invalid(f"'{printable(host)}' is not a valid nameserver. {invalid}") from invalid
        if server in found:
            raise Invalid(f"Duplicate nameserver '{host}'")
        found.append(server)
    return tuple(found)


def routes(value: Any) -> tuple[Route, ...]:
    """`[{"destination": cidr, "nexthop": address}, ...]`"""
    found: list[Route] = []
    items = _list(value, "hostroute")
    for item in _dicts(items, "hostroute", "destination", "nexthop"):
        route = Route(_destination(item["destination"]), address(item["nexthop"]))
        if route in found:
            raise Invalid(f"Duplicate hostroute '{item}'")
        found.append(route)
    return tuple(found)


def _destination(value: Any) -> str:
    try:
        if isinstance(value, str) and re.fullmatch(r"[^/%]+/[0-9]{1,3}", value):
            return str(ipaddress.ip_network(value))
    except ValueError:
        pass
    raise Invalid(f"'{printable(value)}' is not a valid CIDR")


def service_types(value: Any) -> tuple[str, ...]:
    """Device owners (`compute:nova`, `network:dhcp`): each a prefix, a colon and a kind."""
    for item in _list(value, "subnet service types"):
        if not isinstance(item, str):
            text = f"Subnet service type {printable(item)} is not a string."
            raise Refusal("InvalidInputSubnetServiceType", text, 400)
        if not _OWNER.fullmatch(string(item)):
            text = f"Subnet service type {item} does not correspond to a valid device owner."
            raise Refusal("InvalidSubnetServiceType", text, 400)
    return tuple(sorted(set(value or ())))


def ipv6_mode(value: Any) -> str | None:
    if value is not None and value not in IPV6_MODES:
        raise Invalid(f"{printable(value)} is not in valid_values")
    return value  # type: ignore[no-any-return]


def mac(value: Any) -> str | None:
    """A unicast MAC address in lower case with colons (dashes are taken too); null leaves the choice to us."""
    if value is None:
        return None
    text = value.lower().replace("-", ":") if isinstance(value, str) else ""
    if not _MAC.fullmatch(text) or text == "00:00:00:00:00:00" or int(text[:2], 16) & 1:
        raise Invalid(f"'{printable(value)}' is not a valid MAC address")
    return text


def fixed_ips(value: Any) -> tuple[Wanted, ...] | None:
    """`[{"subnet_id": uuid, "ip_address": address}, ...]`, either key alone is enough; null leaves the choice to us."""
    if value is None:
        return None
    found = [_wanted(item) for item in _list(value, "fixed IP")]
    addresses = [wanted.ip_address for wanted in found if wanted.ip_address]
    for text in addresses:
        if addresses.count(text) > 1:
            raise Invalid(f"Duplicate IP address '{text}'")
    return tuple(found)


def _wanted(item: Any) -> Wanted:
    if not isinstance(item, dict) or not set(item) <= {"subnet_id", "ip_address"}:
        raise Invalid(f"Invalid data format for fixed IP: '{printable(item)}'")
    return Wanted(
        uuid(item["subnet_id"]) if "subnet_id" in item else "",
        address(item["ip_address"]) if "ip_address" in item else "",
    )


def vnic_type(value: Any) -> str:
    if value not in VNIC_TYPES:
        raise Invalid(f"{printable(value)} is not in valid_values")
    return value  # type: ignore[no-any-return]


def profile(value: Any) -> str:
    """An object as JSON text; its `interface`, when there, is a string (see `Port.interface_name`)."""
    if not isinstance(value, dict | None):
        raise Invalid(f"'{printable(value)}' is not a dictionary")
    if value and "interface" in value:
        string(value["interface"])
    text = json.dumps(value or {}, sort_keys=True)
    if len(text) > LONGEST_PROFILE:
        raise invalid_input("binding:profile value too large")
    return text


def network_type(value: Any) -> str | None:
    if value is not None and value not in NETWORK_TYPES:
        raise invalid_input(f"network_type value '{printable(value)}' not supported")
    return value  # type: ignore[no-any-return]


def physical_network(value: Any) -> str | None:
    return None if value is None else string(value)


def segmentation_id(value: Any) -> int | None:
    return None if value is None else integer(value)


def segments(value: Any) -> tuple[Carrier, ...]:
    """`[{"provider:network_type": ..., "provider:physical_network": ..., "provider:segmentation_id": ...}, ...]`"""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Invalid(f"'{printable(value)}' is not a list of segments")
    return tuple(_segment(item) for item in _list(value, "segments"))


def _segment(item: dict[str, Any]) -> Carrier:
    names = [f"provider:{field}" for field in Carrier._fields]
    unknown = [name for name in item if name not in names]
    if unknown:
        raise bad_request("Unrecognized attribute(s) '{}'".format(", ".join(map(printable, unknown))))
    type_, physical, number = (item.get(name) for name in names)
    return Carrier(network_type(type_), physical_network(physical), segmentation_id(number))


def never(value: Any) -> bool:
    """A boolean that must be false: what it would turn on is not there."""
    if boolean(value):
        raise Invalid("true is not supported")
    return False


def anything(value: Any) -> Any:
    return value


def _mac_text(text: str) -> str:
    return text.lower().replace("-", ":")
