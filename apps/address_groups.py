"""Address groups: named lists of address blocks that security group rules refer to."""

from __future__ import annotations

import ipaddress
from collections import Counter
from typing import Any

from controller.core.app import App
from controller.core.plan import Draft, Refusal
from controller.core.plans import allocate, crud, parse
from controller.core.plans.refusals import bad_request
from controller.core.plans.revision import existing, update
from controller.core.resource import Action, Sharing
from controller.core.row import Check, Standard, attr, index

app = App("address_groups")
app.extension(
    "address-group", "Address group", "Named lists of addresses for security groups.", "2020-07-15T10:00:00-00:00"
)
app.extension(
    "rbac-address-group",
    "Add address_group type to RBAC",
    "Address groups are shared by RBAC policies.",
    "2021-01-20T00:00:00-00:00",
)


def _addresses(value: Any) -> tuple[str, ...]:
    """Blocks in CIDR notation, host bits cleared, each once, sorted as text (as Neutron shows them)."""
    given = [] if value is None else value
    if not isinstance(given, list):
        raise parse.Invalid(f"'{parse.printable(given)}' is not a list")
    if len(given) > MOST_ADDRESSES:
        raise parse.Invalid(f"The list has more than {MOST_ADDRESSES} items")
    texts = Counter(map(parse.printable, given))
    repeated = ", ".join(text for text, times in texts.items() if times > 1)
    if repeated:
        raise parse.Invalid(f"Duplicate items in the list: '{repeated}'")
    return tuple(sorted({_block(item) for item in given}))


def _block(value: Any) -> str:
    try:
        if isinstance(value, str) and "%" not in value and value.partition("/")[2].isdecimal():
            return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        pass
    raise parse.Invalid(f"'{parse.printable(value)}' is not a valid IP subnet")


MOST_ADDRESSES = 4096
"""Addresses of one request.  Neutron has no such limit; without it one request could cost minutes."""
ADDRESSES = Check(_addresses, {"type": ["array", "null"], "items": {"type": "string"}, "maxItems": MOST_ADDRESSES})


@app.row(
    key="id",
    indexes=[index("project_id"), index("address", each=lambda group: group.addresses)],
    absent="Address group {} could not be found.",
)
class AddressGroup(Standard):
    """Address blocks under a name.  `key` identifies it in conjunctions; no other group or security group has it."""

    addresses: tuple[str, ...] = attr(default=(), put=False, initial=(), check=ADDRESSES, filter=False)
    key: int = 0

    @staticmethod
    def new_key(draft: Draft) -> int:
        """A key that no group, of addresses or of ports, has or had."""
        return allocate.next_key(draft, "group key")


def create(draft: Draft, values: dict[str, Any]) -> AddressGroup:
    """Make an address group."""
    group: AddressGroup = crud.create(AddressGroup, draft, {**values, "key": AddressGroup.new_key(draft)})
    return group


def _asked(body: dict[str, Any]) -> list[str]:
    """The blocks of an action's body, in the order given, each once; a bare address is a block of one."""
    if set(body) != {"addresses"} or not isinstance(body["addresses"], list):
        raise bad_request("The body must be {'addresses': [...]}")
    if len(body["addresses"]) > MOST_ADDRESSES:
        raise bad_request(f"Invalid input for addresses. Reason: The list has more than {MOST_ADDRESSES} items.")
    return list(dict.fromkeys(_one(item) for item in body["addresses"]))


def _one(value: Any) -> str:
    try:
        if isinstance(value, str) and "%" not in value:
            return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        pass
    raise Refusal("AddrFormatError", f"invalid IPNetwork {parse.printable(value)}", 400)


def add_addresses(draft: Draft, key: str, body: dict[str, Any]) -> str:
    """Refuses what the group has already."""
    group, asked = existing(draft, AddressGroup, key), _asked(body)
    held = set(group.addresses)
    there = [address for address in asked if address in held]
    if there:
        text = f"Addresses {there} already exist in the address group {key}."
        raise Refusal("AddressesAlreadyExist", text, 400)
    _put(draft, group, held.union(asked))
    return key


def remove_addresses(draft: Draft, key: str, body: dict[str, Any]) -> str:
    """Refuses what the group has not."""
    group, asked = existing(draft, AddressGroup, key), _asked(body)
    held = set(group.addresses)
    absent = [address for address in asked if address not in held]
    if absent:
        raise Refusal("AddressesNotFound", f"Addresses {absent} not found in the address group {key}.", 404)
    _put(draft, group, held.difference(asked))
    return key


def _put(draft: Draft, group: AddressGroup, addresses: set[str]) -> None:
    update(draft, group, {"addresses": tuple(sorted(addresses))})


app.resource(
    "address_group",
    "address-groups",
    AddressGroup,
    create,
    actions=(Action("add_addresses", add_addresses), Action("remove_addresses", remove_addresses)),
    sharing=Sharing(post=False, put=False, shown=False),
)
