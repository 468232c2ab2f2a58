"""Query strings: filters, `fields`, sorting and pages, as Neutron has them.

A filter's repeated values are alternatives, different filters must all hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from controller.core.net import Net
from controller.core.plans import checks
from controller.core.plans.refusals import bad_resource, invalid_input, not_found
from controller.core.resource import PROJECT_ID, TENANT_ID, Filter, Resource, Slot
from controller.core.row import key_of
from rest.errors import bad_request
from rest.views import View

CONTROLS = ("fields", "sort_key", "sort_dir", "limit", "marker", "page_reverse")
LONGEST_LIMIT = 18
"""Digits of `limit`: more than there can be rows, and a number for every database and JSON parser."""
FIXED_IP_KEYS = ("ip_address", "subnet_id", "ip_address_substr")

Test = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Query:
    """A query string, read: `equal` is filters by attribute (the JSON values of which one must be there), `kept` the
    resource's own filters and what was asked of them."""

    equal: dict[str, list[Any]]
    kept: list[tuple[Filter, list[Any]]]
    fixed_ips: dict[str, list[str]]
    fields: frozenset[str]
    sorts: list[tuple[str, bool]]
    limit: int
    marker: str
    reverse: bool
    pairs: list[tuple[str, str]]


def read(resource: Resource, text: str) -> Query:
    """The query.  Refuses unknown filters and values that an attribute can't have."""
    pairs = parse_qsl(text, keep_blank_values=True, errors="replace")
    given: dict[str, list[str]] = {}
    for name, value in pairs:
        given.setdefault(name, []).append(value)
    filters = {PROJECT_ID if name == TENANT_ID else name: given[name] for name in given if name not in CONTROLS}
    own = {filter.name for filter in resource.filters}
    unknown = [name for name in filters if name not in own and not _can_filter(resource, name)]
    if unknown:
        raise bad_request(f"{unknown} is invalid attribute for filtering")
    fixed_ips = _fixed_ips(filters.pop("fixed_ips", []))
    kept = [
        (own, [checks.from_text(own.check, value) for value in filters.pop(own.name)])
        for own in resource.filters
        if own.name in filters
    ]
    equal = {
        name: [checks.from_text(resource.attributes[name].attribute.check, value) for value in values]
        for name, values in filters.items()
    }
    return Query(
        equal,
        kept,
        fixed_ips,
        frozenset(given.get("fields", [])) - {""},
        _sorts(resource, given.get("sort_key", []), given.get("sort_dir", [])),
        _limit(given.get("limit", ["0"])[-1]),
        given.get("marker", [""])[-1],
        given.get("page_reverse", [""])[-1].lower() == "true",
        pairs,
    )


def _can_filter(resource: Resource, name: str) -> bool:
    return name in resource.attributes and resource.attributes[name].attribute.filter


def _fixed_ips(values: list[str]) -> dict[str, list[str]]:
    """`ip_address=10.0.0.5` and the like, by key."""
    found: dict[str, list[str]] = {}
    for value in values:
        key, equals, wanted = value.partition("=")
        if not equals:
            raise invalid_input(f"'{value}' is not of the form <key>=[value]")
        if key not in FIXED_IP_KEYS:
            raise bad_request(f"['fixed_ips={key}'] is invalid attribute for filtering")
        found.setdefault(key, []).append(wanted)
    return found


def _sorts(resource: Resource, keys: list[str], directions: list[str]) -> list[tuple[str, bool]]:
    """(attribute, descending) in order of weight."""
    if len(keys) != len(directions):
        raise bad_request("The number of sort_keys and sort_dirs must be same")
    shown = {name for name, slot in resource.attributes.items() if slot.attribute.shown and slot.attribute.filter}
    absent = [key for key in keys if key not in (TENANT_ID, *shown)]
    if absent:
        raise bad_request(f"{absent} is invalid attribute for sort_keys")
    wrong = [direction for direction in directions if direction not in ("asc", "desc")]
    if wrong:
        raise bad_request(f"{wrong} is invalid value for sort_dirs, valid value is 'asc' and 'desc'")
    first: dict[str, bool] = {}  # a key that comes again changes nothing any more, and would cost a sort
    for key, direction in zip(keys, directions, strict=True):
        first.setdefault(key, direction == "desc")
    return list(first.items())


def _limit(text: str) -> int:
    if not text.isdecimal():
        raise bad_resource("limit", f"Limit must be an integer 0 or greater and not '{text}'")
    if len(text) > LONGEST_LIMIT:
        raise bad_resource("limit", f"Limit must have at most {LONGEST_LIMIT} digits")
    return int(text)


def select(resource: Resource, views: list[View], query: Query, net: Net, project_id: str) -> list[View]:
    """Those that the query of a project's caller is after, in its order and its page."""
    found = views
    for filter, values in query.kept:
        found = [view for view in found if filter.keeps(net, view.row, values, project_id)]
        if filter.shows is not None:
            found = [View(view.row, filter.shows(view.value, values)) for view in found]
    for name, values in query.equal.items():
        found = [view for view in found if _has(view.value.get(name), values)]
    if query.fixed_ips:
        found = [view for view in found if _has_address(view.value["fixed_ips"], query.fixed_ips)]
    return _page(_sorted(found, query), resource, query)


def candidates(resource: Resource, net: Net, query: Query, parent: Any = None) -> Iterable[Any]:
    """Rows to look at: those below a parent, else by id or by an index where a filter allows it."""
    if resource.found is not None:
        return resource.found.all(net, parent)
    if parent is not None and resource.parent is not None:
        return net.find(resource.row_type, resource.parent.field, parent.id)
    if resource.key in query.equal:
        rows = (net.get(resource.row_type, key) for key in dict.fromkeys(query.equal[resource.key]))
        return [row for row in rows if row is not None]
    for name, values in query.equal.items():
        if name in resource.indexes:
            index = resource.indexes[name]
            return [row for value in dict.fromkeys(values) for row in net.find(resource.row_type, index, value)]
        if name in resource.side_indexes:
            return _owners(resource, net, resource.side_indexes[name], values)
    return net.all(resource.row_type)


def _owners(resource: Resource, net: Net, slot: Slot, values: list[Any]) -> list[Any]:
    """The rows whose side rows have one of the values in a list."""
    side_type: Any = slot.side
    sides = (side for value in values for side in net.find(side_type, slot.field, value))
    rows = (net.get(resource.row_type, key) for key in dict.fromkeys(map(key_of, sides)))
    return [row for row in rows if row is not None]


def _has(held: Any, values: list[Any]) -> bool:
    """Whether an attribute is one of the values; a list is when it has one of them."""
    return any(item in values for item in held) if isinstance(held, list) else held in values


def _has_address(addresses: list[dict[str, str]], wanted: dict[str, list[str]]) -> bool:
    """Whether one address fits every key."""
    return any(all(_fits(address, key, values) for key, values in wanted.items()) for address in addresses)


def _fits(address: dict[str, str], key: str, values: list[str]) -> bool:
    if key == "ip_address_substr":
        return any(value in address["ip_address"] for value in values)
    return address[key] in values


def _sorted(found: list[View], query: Query) -> list[View]:
    """By the sort keys and then by the row's key, where either is asked for; else as they come."""
    if query.sorts or query.limit or query.marker:
        found = sorted(found, key=lambda view: view.id)
    for name, descending in reversed(query.sorts):
        found.sort(key=lambda view: _weight(view.value.get(name)), reverse=descending)
    return found


def _weight(value: Any) -> tuple[bool, Any]:
    """null comes first; everything else is compared with its like."""
    if isinstance(value, str | int):
        return True, value
    return value is not None, str(value)


def _page(found: list[View], resource: Resource, query: Query) -> list[View]:
    if not query.limit:
        return found
    at = None
    if query.marker:
        at = next((place for place, view in enumerate(found) if view.id == query.marker), None)
        if at is None:
            raise not_found(resource.row_type, query.marker)
    if query.reverse:
        end = len(found) if at is None else at
        return found[max(0, end - query.limit) : end]
    start = 0 if at is None else at + 1
    return found[start : start + query.limit]


def links(query: Query, found: list[View], url: str) -> list[dict[str, str]]:
    """Where the next and the previous page are; `url` is the collection's."""
    if not query.limit:
        return []
    rest = [(name, value) for name, value in query.pairs if name not in ("marker", "page_reverse")]
    full = len(found) == query.limit
    pages = []
    if found and (full or query.reverse):
        pages.append(("next", [*rest, ("marker", found[-1].id)]))
    if found and (query.marker or query.reverse) and (full or not query.reverse):
        pages.append(("previous", [*rest, ("marker", found[0].id), ("page_reverse", "True")]))
    return [{"rel": rel, "href": f"{url}?{urlencode(pairs)}"} for rel, pairs in pages]


def shown(value: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    """Just the fields asked for, those that there are."""
    return {name: held for name, held in value.items() if name in fields}
