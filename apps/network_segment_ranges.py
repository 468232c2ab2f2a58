"""Network segment ranges: which VLANs and tunnel ids a project's networks are given, as administrators say.

The rows and what is given from them are of the core (controller/core/segment_ranges.py); here is what clients see and
may do, and the default ranges, which show what is configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

from controller.core.app import App
from controller.core.model import TUNNEL_TYPES, Network, Segment, Sequence
from controller.core.plan import Draft, Refusal
from controller.core.plans.allocate import LARGEST_TUNNEL_ID, VLANS
from controller.core.plans.refusals import bad_resource
from controller.core.plans.revision import existing, update
from controller.core.resource import Computed, Source
from controller.core.resources import read_only
from controller.core.segment_ranges import NetworkSegmentRange, made_by_hand
from controller.core.settings import Settings

app = App("network_segment_ranges")
app.extension(
    "network-segment-range",
    "Neutron Network Segment Range",
    "Which VLANs and tunnel ids the networks of a project are given.",
    "2018-11-29T00:00:00-00:00",
)

MOST_AVAILABLE = 65536
"""Values of a range that are listed as available: Neutron lists up to four thousand million."""

# ---------------------------------------------------------------------------------------------------------------------
# What is in a range


def _segments(net: Any, of: NetworkSegmentRange) -> list[Segment]:
    """The segments that have their VLAN or tunnel id from a range, whoever gave it to them."""
    found = net.find(Segment, "network_type+physical_network", (of.network_type, of.physical_network))
    return [one for one in found if of.minimum <= (one.segmentation_id or 0) <= of.maximum]


def _used(net: Any, of: NetworkSegmentRange) -> dict[str, str]:
    """The project of each value's network."""
    networks = ((one.segmentation_id, net.get(Network, one.network_id)) for one in _segments(net, of))
    return {str(number): network.project_id for number, network in networks if network is not None}


def _available(net: Any, of: NetworkSegmentRange) -> list[int]:
    """The lowest MOST_AVAILABLE values that no network has."""
    taken = {one.segmentation_id for one in _segments(net, of)}
    return list(islice((number for number in range(of.minimum, of.maximum + 1) if number not in taken), MOST_AVAILABLE))


def _ranges(net: Any, segment: Segment) -> Iterator[str]:
    """Those that a segment has its VLAN or tunnel id from."""
    for one in net.find(NetworkSegmentRange, "network_type", segment.network_type):
        inside = one.minimum <= (segment.segmentation_id or 0) <= one.maximum
        if inside and one.physical_network == segment.physical_network:
            yield one.id


# ---------------------------------------------------------------------------------------------------------------------
# What may be done


def create(draft: Draft, values: dict[str, Any]) -> NetworkSegmentRange:
    """Make a range.  A shared one is no project's, and only VLANs are of a physical network (Neutron's rules)."""
    stamps = {"id": draft.new_id(), "created_at": draft.now, "updated_at": draft.now}
    made = NetworkSegmentRange(**{**values, **stamps})
    if made.network_type != "vlan":
        made = replace(made, physical_network=None)
    elif not made.physical_network:
        what = "Network type vlan requires 'physical_network' to be specified while creating new range"
        raise bad_resource("network_segment_range", what)
    if made.shared:
        made = replace(made, project_id="")
    elif not made.project_id:
        reason = "if NetworkSegmentRange is not shared, it must have a project_id"
        raise Refusal("ObjectActionError", f"Object action create failed because: {reason}.", 400)
    _require_valid(made)
    _require_apart(draft, made)
    return draft.put(made)


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> NetworkSegmentRange:
    """Update a range's name or its bounds.  Refuses when networks would be left outside."""
    old = _changeable(draft, key, revision)
    new = replace(old, **values)
    if any(not new.minimum <= (one.segmentation_id or 0) <= new.maximum for one in _segments(draft, old)):
        raise _referenced(key)
    _require_valid(new)
    _require_apart(draft, new)
    return update(draft, old, values)


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    """Remove a range that no network has anything from."""
    old = _changeable(draft, key, revision)
    if _segments(draft, old):
        raise _referenced(key)
    position = draft.get(Sequence, old.sequence)
    for row in (old, position) if position is not None else (old,):
        draft.remove(row)


def _changeable(draft: Draft, key: str, revision: int | None) -> NetworkSegmentRange:
    found: NetworkSegmentRange = existing(draft, NetworkSegmentRange, key, revision)
    if found.default:
        what = "a default segment range which could not be updated or deleted"
        raise Refusal("NetworkSegmentRangeDefaultReadOnly", f"Network Segment Range {key} is {what}.", 400)
    return found


def _referenced(key: str) -> Refusal:
    text = f"Network Segment Range {key} is referenced by one or more project networks."
    return Refusal("NetworkSegmentRangeReferencedByProject", text, 409)


def _require_valid(made: NetworkSegmentRange) -> None:
    """The bounds are ones of the type, and in order.  Neutron answers 500, as if it were at fault."""
    wrong = next((number for number in (made.minimum, made.maximum) if number > _largest(made.network_type)), None)
    kind, one = ("VLAN", "VLAN tag") if made.network_type == "vlan" else ("tunnel", f"{made.network_type} identifier")
    if wrong is not None:
        raise _invalid(kind, made, f"{wrong} is not a valid {one}")
    if made.maximum < made.minimum:
        raise _invalid(kind, made, f"End of {kind} range is less than start of {kind} range")


def _largest(network_type: str) -> int:
    return VLANS[1] if network_type == "vlan" else LARGEST_TUNNEL_ID[network_type]


def _invalid(kind: str, made: NetworkSegmentRange, reason: str) -> Refusal:
    why = f"'{reason}'" if kind == "VLAN" else reason  # as Neutron writes them
    text = f"Invalid network {kind} range: '{made.minimum}:{made.maximum}' - {why}."
    return Refusal(f"Network{kind.capitalize()}RangeError", text, 400)


def _require_apart(draft: Draft, made: NetworkSegmentRange) -> None:
    """No other range but the default ones has a value in common."""
    others = (one for one in made_by_hand(draft, made.network_type) if one.id != made.id)
    overlapping = [
        one.id
        for one in others
        if one.physical_network == made.physical_network and one.minimum <= made.maximum and made.minimum <= one.maximum
    ]
    if overlapping:
        text = f"Network segment range overlaps with range(s) with id {', '.join(overlapping)}"
        raise Refusal("NetworkSegmentRangeOverlaps", text, 409)


app.resource(
    "network_segment_range",
    "network_segment_ranges",
    NetworkSegmentRange,
    create,
    change,
    delete,
    computed=(
        Computed("", read_only("used", filter=False), _used),
        Computed("", read_only("available", filter=False), _available),
    ),
    sources=(Source(Segment, _ranges),),
    shapes={"project_id": lambda project_id: project_id or None},
)

# ---------------------------------------------------------------------------------------------------------------------
# The default ranges

Default = tuple[str, str | None, int, int]
"""Type, physical network, first and last value."""


@app.at_start
def defaults(draft: Draft) -> None:
    """The default ranges are those of the configuration."""
    wanted = dict.fromkeys(_configured(draft.settings))
    for one in draft.find(NetworkSegmentRange, "default", True):
        shown = (one.network_type, one.physical_network, one.minimum, one.maximum)
        if shown in wanted:
            del wanted[shown]
        else:
            draft.remove(one)
    for network_type, physical_network, low, high in wanted:
        made = NetworkSegmentRange(
            id=draft.new_id(),
            created_at=draft.now,
            updated_at=draft.now,
            default=True,
            network_type=network_type,
            physical_network=physical_network,
            minimum=low,
            maximum=high,
        )
        draft.put(made)


def _configured(settings: Settings) -> Iterable[Default]:
    for physical_network, ranges in settings.vlan_ranges:
        yield from (("vlan", physical_network, low, high) for low, high in ranges)
    for network_type in TUNNEL_TYPES:
        yield from ((network_type, None, low, high) for low, high in settings.tunnel_id_ranges)
