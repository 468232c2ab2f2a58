"""What carries a network: its segment, as asked for or chosen; or several, for hosts that reach different ones."""

from __future__ import annotations

from collections.abc import Iterable

from controller.core.model import TUNNEL_TYPES, Segment
from controller.core.plan import Draft
from controller.core.plans import allocate, refusals
from controller.core.plans.checks import Carrier
from controller.core.plans.refusals import invalid_input

NOTHING = Carrier(None, None, None)


def make(draft: Draft, network_id: str, asked: Carrier, several: Iterable[Carrier]) -> list[Segment]:
    """Make a network's segments: those asked for as `several`, else the one that is `asked` for.

    Each host uses the first that it reaches, so several are only for physical networks that are joined outside.
    """
    if several and asked != NOTHING:
        raise refusals.segments_and_provider()
    wanted = list(several) or [asked]
    full = [carrier for carrier in wanted if None not in carrier]
    if len(set(full)) != len(full):
        raise refusals.segment_twice()
    made = [
        draft.put(Segment(draft.new_id(), network_id, *_segment(draft, *carrier), position))
        for position, carrier in enumerate(wanted)
    ]
    _require_joinable(made)
    return made


def _require_joinable(made: list[Segment]) -> None:
    """Nothing of ours joins segments, so hosts on different ones would never meet, but on physical networks."""
    if len(made) > 1:
        physical = {segment.physical_network for segment in made if segment.network_type in ("flat", "vlan")}
        if len(physical) < len(made):
            raise invalid_input("several segments must be flat or vlan, each on a physical network of its own")


def _segment(
    draft: Draft, network_type: str | None, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    if network_type is None:
        if physical_network is not None or segmentation_id is not None:
            raise invalid_input("network_type required")
        return allocate.tenant_segment(draft)
    if network_type == "vlan":
        return _vlan(draft, physical_network, segmentation_id)
    if network_type in TUNNEL_TYPES:
        return _tunnel(draft, network_type, physical_network, segmentation_id)
    if segmentation_id is not None:
        raise invalid_input(f"segmentation_id prohibited for {network_type} provider network")
    if network_type == "flat":
        return _flat(draft, physical_network)
    if physical_network is not None:
        raise invalid_input("physical_network prohibited for local provider network")
    return "local", None, None


def _flat(draft: Draft, physical_network: str | None) -> tuple[str, str | None, int | None]:
    known = draft.settings.flat_networks
    if not physical_network:
        raise invalid_input("physical_network required for flat provider network")
    if not known:
        raise invalid_input("Flat provider networks are disabled")
    if "*" not in known and physical_network not in known:
        raise invalid_input(f"physical_network '{physical_network}' unknown for flat provider network")
    if not allocate.segment_free(draft, "flat", physical_network, None):
        raise refusals.flat_network_in_use(physical_network)
    return "flat", physical_network, None


def _vlan(
    draft: Draft, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    ranges = dict(draft.settings.vlan_ranges)
    if not physical_network:
        if segmentation_id is not None:
            raise invalid_input("segmentation_id requires physical_network for VLAN provider network")
        return _any_vlan(draft, tuple(ranges))
    if physical_network not in ranges:
        raise invalid_input(f"physical_network '{physical_network}' unknown for VLAN provider network")
    if segmentation_id is None:
        return _any_vlan(draft, (physical_network,))
    low, high = allocate.VLANS
    if not low <= segmentation_id <= high:
        raise invalid_input(f"segmentation_id out of range ({low} through {high})")
    if not allocate.segment_free(draft, "vlan", physical_network, segmentation_id):
        raise refusals.vlan_in_use(segmentation_id, physical_network)
    return "vlan", physical_network, segmentation_id


def _any_vlan(draft: Draft, physical_networks: tuple[str, ...]) -> tuple[str, str | None, int | None]:
    ranges = dict(draft.settings.vlan_ranges)
    for physical_network in physical_networks:
        vid = allocate.vlan(draft, physical_network, ranges[physical_network])
        if vid is not None:
            return "vlan", physical_network, vid
    raise refusals.no_network_available()


def _tunnel(
    draft: Draft, network_type: str, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    if physical_network:
        raise invalid_input(f"provider:physical_network specified for {network_type} network")
    if segmentation_id is None:
        number = allocate.tunnel_id(draft, network_type)
        if number is None:
            raise refusals.no_network_available()
        return network_type, None, number
    largest = allocate.LARGEST_TUNNEL_ID[network_type]
    if not 1 <= segmentation_id <= largest:
        raise invalid_input(f"segmentation_id out of range (1 through {largest})")
    if not allocate.segment_free(draft, network_type, None, segmentation_id):
        raise refusals.tunnel_in_use(segmentation_id)
    return network_type, None, segmentation_id
