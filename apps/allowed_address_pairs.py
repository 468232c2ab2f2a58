"""Allowed address pairs: what a port may send as besides its own MAC and addresses (VRRP, say)."""

from __future__ import annotations

import ipaddress
from typing import Any, NamedTuple

from apps.port_security import PortSecurity
from controller.core.app import App
from controller.core.model import Port
from controller.core.plan import Draft, Refusal
from controller.core.plans import parse
from controller.core.plans.refusals import bad_request
from controller.core.resource import put_side
from controller.core.row import Check, attr, index

app = App("allowed_address_pairs")
app.extension(
    "allowed-address-pairs",
    "Allowed Address Pairs",
    "Addresses that a port may use besides its own.",
    "2013-07-23T10:00:00-00:00",
)

MOST_PAIRS = 10
"""Neutron's default of max_allowed_address_pair."""


class AddressPair(NamedTuple):
    """A MAC ('' in a request: the port's own) and an address or CIDR that may be sent with it, as it was written."""

    mac_address: str
    ip_address: str


def _pairs(value: Any) -> tuple[AddressPair, ...]:
    """`[{"ip_address": address or CIDR, "mac_address": MAC}, ...]`, the MAC may be left out; null is an empty list."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise bad_request("Allowed address pairs must be a list.")
    if len(value) > MOST_PAIRS:
        text = f"The number of allowed address pair exceeds the maximum {MOST_PAIRS}."
        raise Refusal("AllowedAddressPairExhausted", text, 400)
    pairs = tuple(_pair(item) for item in value)
    _require_different(pairs)
    return pairs


def _pair(item: Any) -> AddressPair:
    if not isinstance(item, dict):
        raise parse.Invalid(f"'{parse.printable(item)}' is not a dictionary")
    if "ip_address" not in item:
        raise Refusal("AllowedAddressPairsMissingIP", "AllowedAddressPair must contain ip_address", 400)
    unknown = ", ".join(parse.printable(name) for name in item if name not in AddressPair._fields)
    if unknown:
        raise bad_request(f"Unrecognized attribute(s) '{unknown}'")
    try:
        mac = parse.mac(item["mac_address"]) if "mac_address" in item else ""
        if mac is None:
            raise parse.Invalid("'None' is not a valid MAC address")
        return AddressPair(mac, _address(item["ip_address"]))
    except parse.Invalid as invalid:
        raise bad_request(str(invalid)) from invalid


def _address(value: Any) -> str:
    """An address or a CIDR that no multicast group is in.  Its text stays: clients compare what they sent."""
    block = _block(value)
    group = ipaddress.ip_network("224.0.0.0/4" if block.version == 4 else "ff00::/8")
    if "/" not in value and block.is_multicast:
        raise parse.Invalid(f"IP {value} is a multicast address, which is not supported.")
    if str(block) != "0.0.0.0/0" and block.overlaps(group):
        raise parse.Invalid(f"Subnet {value} overlaps with multicast range {group}, which is not supported.")
    return str(value)


Block = ipaddress.IPv4Network | ipaddress.IPv6Network


def _block(value: Any) -> Block:
    is_block = isinstance(value, str) and "/" in value
    try:
        if isinstance(value, str) and "%" not in value and (not is_block or value.partition("/")[2].isdecimal()):
            return ipaddress.ip_network(value, strict=False)
    except ValueError:
        pass
    raise parse.Invalid(f"'{parse.printable(value)}' is not a valid IP {'subnet' if is_block else 'address'}")


def _require_different(pairs: tuple[AddressPair, ...]) -> None:
    for place, pair in enumerate(pairs):
        if pair in pairs[:place]:
            mac = pair.mac_address or None
            text = f"Request contains duplicate address pair: mac_address {mac} ip_address {pair.ip_address}."
            raise Refusal("DuplicateAddressPairInRequest", text, 400)


_ITEM = {
    "type": "object",
    "properties": {"ip_address": {"type": "string"}, "mac_address": {"type": "string"}},
    "required": ["ip_address"],
    "additionalProperties": False,
}
PAIRS = Check(_pairs, {"type": ["array", "null"], "items": _ITEM, "maxItems": MOST_PAIRS})


def _alone(pairs: AddressPairs) -> set[str]:
    blocks = (_block(pair.ip_address) for pair in pairs.allowed_address_pairs)
    return {str(block.network_address) for block in blocks if block.num_addresses == 1}


@app.row(key="port_id", extends=Port, indexes=[index("address", each=_alone)])
class AddressPairs:
    """What else a port may send as; the index `address` has those that it may have one by one, not in a block."""

    port_id: str
    allowed_address_pairs: tuple[AddressPair, ...] = attr(default=(), initial=(), check=PAIRS, filter=False)

    @staticmethod
    def blocks(net: Any, port_id: str) -> list[tuple[str, Block]]:
        """(MAC, block of addresses) of each pair of a port; an address is a block of one."""
        side = net.get(AddressPairs, port_id)
        pairs = side.allowed_address_pairs if side is not None else ()
        return list(dict.fromkeys((pair.mac_address, _block(pair.ip_address)) for pair in pairs))

    @staticmethod
    def allow(net: Any, port_id: str, mac: str, address: str) -> bool:
        """Whether a pair of a port's has this MAC and address, both in their usual text."""
        found = AddressPairs.blocks(net, port_id)
        asked = ipaddress.ip_address(address) if found else None
        return any(mac == held and asked in block for held, block in found)


@app.rule(Port)
def settle(draft: Draft, old: Port | None, new: Port | None, values: dict[str, Any]) -> None:
    """A pair without a MAC gets the port's, as it is now.  A port that is not protected has no pairs."""
    if new is None:
        return
    side = draft.get(AddressPairs, new.id)
    if side is None:
        return
    if not PortSecurity.enabled(draft, new.id):
        text = "Port Security must be enabled in order to have allowed address pairs on a port."
        raise Refusal("AddressPairAndPortSecurityRequired", text, 409)
    pairs = tuple(pair._replace(mac_address=pair.mac_address or new.mac_address) for pair in side.allowed_address_pairs)
    _require_different(pairs)
    put_side(draft, AddressPairs, new.id, {"allowed_address_pairs": pairs})
