"""Which VLANs and tunnel ids a project's networks are given: its own ranges first, then what all projects have.

What all have is what is configured and the shared ranges, without the ranges of single projects.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.model import TUNNEL_TYPES
from controller.core.plans.checks import number, one_of, text
from controller.core.row import Tagged, attr, index, row
from controller.core.settings import Settings

LARGEST_ID = 2**32 - 1
"""That of a GRE key (RFC 2890), the widest of all."""
Range = tuple[int, int]
"""First and last value."""

_ID = number(1, LARGEST_ID)


@row(
    key="id",
    indexes=[
        index("project_id"),
        index("network_type"),
        index("default", each=lambda one: [True] if one.default else []),
    ],
    store=True,
    absent="Network Segment Range {} could not be found.",
)
class NetworkSegmentRange(Tagged):
    """VLANs of a physical network, or ids of a tunnel type: of one project, or `shared` by all (of no project).

    Those that are `default` show what is configured, and are kept so at each start (apps/network_segment_ranges.py).
    """

    default: bool = attr(default=False, post=False, put=False, check="boolean", filter=False, quiet=True)
    shared: bool = attr(default=True, put=False, initial=True, check="boolean", filter=False, quiet=True)
    network_type: str = attr(default="", put=False, check=one_of("vlan", *TUNNEL_TYPES), quiet=True)
    physical_network: str | None = attr(default=None, put=False, initial=None, check=text(64), quiet=True)
    minimum: int = attr(default=0, check=_ID, filter=False, quiet=True)
    maximum: int = attr(default=0, check=_ID, filter=False, quiet=True)

    @property
    def sequence(self) -> str:
        """The name of the Sequence by which the range is given out."""
        return f"range {self.id}"


def made_by_hand(net: Any, network_type: str) -> list[NetworkSegmentRange]:
    """The ranges of a type but for the default ones.  `net` is a Net or a Draft, here and below."""
    return [one for one in net.find(NetworkSegmentRange, "network_type", network_type) if not one.default]


def own(net: Any, project_id: str, network_type: str) -> list[NetworkSegmentRange]:
    """The ranges of a type that are a project's alone, the one with the lowest values first."""
    mine = [one for one in made_by_hand(net, network_type) if not one.shared and one.project_id == project_id]
    return sorted(mine, key=lambda one: (one.minimum, one.physical_network or ""))


def common(net: Any, settings: Settings, network_type: str, physical_network: str | None) -> list[Range]:
    """What all projects may have."""
    held = [one for one in made_by_hand(net, network_type) if one.physical_network == physical_network]
    ranges = list(configured(settings, network_type, physical_network))
    if not held:
        return ranges
    shared = [(one.minimum, one.maximum) for one in held if one.shared]
    return _without(_merged([*ranges, *shared]), [(one.minimum, one.maximum) for one in held if not one.shared])


def configured(settings: Settings, network_type: str, physical_network: str | None) -> tuple[Range, ...]:
    if network_type == "vlan":
        return dict(settings.vlan_ranges).get(physical_network or "", ())
    return settings.tunnel_id_ranges


def physical_networks(net: Any, settings: Settings) -> tuple[str, ...]:
    """Those that VLANs may be of: the configured ones, and those of ranges."""
    ranged = (one.physical_network for one in made_by_hand(net, "vlan"))
    return tuple(dict.fromkeys([name for name, _ in settings.vlan_ranges] + [name for name in ranged if name]))


def _merged(ranges: Iterable[Range]) -> list[Range]:
    """The same values in ranges that neither overlap nor touch."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(high, found[-1][1]))
        else:
            found.append((low, high))
    return found


def _without(ranges: Iterable[Range], taken: Iterable[Range]) -> list[Range]:
    """The values that are in none of the ranges that are taken."""
    left = list(ranges)
    for first, last in taken:
        parts = (part for low, high in left for part in ((low, min(high, first - 1)), (max(low, last + 1), high)))
        left = [(low, high) for low, high in parts if low <= high]
    return left
