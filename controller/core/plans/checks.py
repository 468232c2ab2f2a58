"""What one attribute's value must be: the checks that row classes declare, by name or with values of their own, and
the JSON schema of each."""

from __future__ import annotations

from typing import Any

from controller.core.model import NETWORK_TYPES
from controller.core.plans import parse
from controller.core.plans.refusals import bad_request
from controller.core.row import Check


def of(rule: str | Check) -> Check:
    """The check that an attribute declares, by itself or by its name here."""
    return rule if isinstance(rule, Check) else CHECKS[rule]


def check(rule: str | Check, attribute: str, value: Any) -> Any:
    """The value in the form that rows hold it.  Refuses it with the attribute's name and the reason."""
    try:
        return of(rule).read(value)
    except parse.Invalid as invalid:
        raise bad_request(f"Invalid input for {attribute}. Reason: {invalid}.") from invalid


def from_text(rule: str | Check, text: str) -> Any:
    """What a filter's text in a query string is compared with, in the form that answers show it."""
    return of(rule).from_text(text)


# ---------------------------------------------------------------------------------------------------------------------
# Checks that attributes declare with values of their own


def one_of(*values: str | None) -> Check:
    """One of these."""

    def read(value: Any) -> Any:
        if value not in values or isinstance(value, bool):
            raise parse.Invalid(f"{parse.printable(value)} is not in valid_values")
        return value

    return Check(read, {"enum": list(values)})


def text(longest: int, *, null: bool = False) -> Check:
    """A string of up to that many characters; with `null`, null too, which is ''."""

    def read(value: Any) -> str:
        return "" if null and value is None else parse.string(value, longest)

    return Check(read, {"type": ["string", "null"] if null else "string", "maxLength": longest})


def number(low: int, high: int, *, null: bool = False) -> Check:
    """A whole number between the two, both included; with `null`, null too."""

    def read(value: Any) -> int | None:
        if null and value is None:
            return None
        found = parse.integer(value)
        if not low <= found <= high:
            raise parse.Invalid(f"'{found}' is not in range {low} through {high}")
        return found

    return Check(
        read, {"type": ["integer", "null"] if null else "integer", "minimum": low, "maximum": high}, parse.integer
    )


UUIDS_OR_NULL = Check(
    parse.uuids_or_null,
    {"type": ["array", "null"], "items": {"type": "string", "format": "uuid"}, "maxItems": parse.MOST_ITEMS},
    str.lower,
)


# ---------------------------------------------------------------------------------------------------------------------
# Checks by name


_STRING = {"type": "string", "maxLength": parse.LONGEST}
_ADDRESS = {"type": "string", "examples": ["10.0.0.1", "2001:db8::1"]}
_INTEGER = {"type": "integer"}
_BOOLEAN = {"type": "boolean"}


def _null(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


def _list_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": ["array", "null"], "items": schema, "maxItems": parse.MOST_ITEMS}


def _object(*required: str, **properties: Any) -> dict[str, Any]:
    shape: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return {**shape, "required": list(required)} if required else shape


_UUID_TEXT = {"type": "string", "format": "uuid"}

CHECKS: dict[str, Check] = {
    "any": Check(parse.anything),
    "string": Check(parse.string, _STRING),
    "string_or_null": Check(parse.string_or_null, _null(_STRING)),
    "name_or_null": Check(parse.name_or_null, _null(_STRING)),
    "boolean": Check(parse.boolean, _BOOLEAN, parse.boolean),
    "mtu": Check(parse.non_negative, {**_INTEGER, "minimum": 0}, parse.integer),
    "integer": Check(parse.integer, _INTEGER, parse.integer),
    "uuid": Check(parse.uuid, _UUID_TEXT),
    "uuid_or_null": Check(parse.uuid_or_null, _null(_UUID_TEXT)),
    "target_project": Check(parse.target_project, {**_STRING, "examples": ["*", "dde0177aab9b44398f7b05eaa1519c80"]}),
    "tags": Check(parse.tags, {"type": "array", "items": _STRING, "uniqueItems": True}),
    "ip_version": Check(parse.ip_version, {**_INTEGER, "enum": [4, 6]}, parse.integer),
    "address": Check(parse.address, _ADDRESS),
    "cidr": Check(parse.cidr, {"type": "string", "examples": ["10.0.0.0/24"]}),
    "gateway": Check(parse.gateway, _null(_ADDRESS)),
    "pools": Check(parse.pools, _list_of(_object("start", "end", start=_ADDRESS, end=_ADDRESS))),
    "nameservers": Check(parse.nameservers, _list_of(_ADDRESS)),
    "routes": Check(parse.routes, _list_of(_object("destination", "nexthop", destination=_STRING, nexthop=_ADDRESS))),
    "ipv6_mode": Check(parse.ipv6_mode, {"enum": [*parse.IPV6_MODES, None]}),
    "mac": Check(parse.mac, {"type": ["string", "null"], "examples": ["fa:16:3e:00:00:01"]}, parse._mac_text),
    "fixed_ips": Check(parse.fixed_ips, _list_of(_object(subnet_id=_UUID_TEXT, ip_address=_ADDRESS))),
    "vnic_type": Check(parse.vnic_type, {"enum": list(parse.VNIC_TYPES)}),
    "profile": Check(parse.profile, {"type": ["object", "null"]}),
    "network_type": Check(parse.network_type, {"enum": [*NETWORK_TYPES, None]}),
    "physical_network": Check(parse.physical_network, _null(_STRING)),
    "segmentation_id": Check(parse.segmentation_id, _null(_INTEGER), parse.integer),
    "segment_type": text(32),
    "segment_physical_network": text(64),
    "segments": Check(
        parse.segments,
        _list_of(
            _object(
                **{
                    "provider:network_type": {"enum": [*NETWORK_TYPES, None]},
                    "provider:physical_network": _null(_STRING),
                    "provider:segmentation_id": _null(_INTEGER),
                }
            )
        ),
    ),
    "never": Check(parse.never, _BOOLEAN, parse.boolean),
    "non_negative": Check(parse.non_negative, {**_INTEGER, "minimum": 0}, parse.integer),
    "service_types": Check(parse.service_types, _list_of(_STRING)),
}
