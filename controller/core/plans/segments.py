"""What carries a network: its segment, as asked for or chosen; or several, for hosts that reach different ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core import segment_ranges
from controller.core.model import NETWORK_TYPES, TUNNEL_TYPES, Binding, Host, Network, Port, Segment, Subnet
from controller.core.plan import Draft
from controller.core.plans import allocate, refusals
from controller.core.plans.owners import AUTO_DELETE_OWNERS
from controller.core.plans.parse import Carrier
from controller.core.plans.refusals import invalid_input
from controller.core.plans.revision import existing, update
from controller.core.segments import reached, segments_of

NOTHING = Carrier(None, None, None)


def make(draft: Draft, network_id: str, project_id: str, asked: Carrier, several: Iterable[Carrier]) -> list[Segment]:
    """Make the segments of a project's network: those asked for as `several`, else the one that is `asked` for.

    Each host uses the first that it reaches, so several are only for physical networks that are joined outside.
    """
    if several and asked != NOTHING:
        raise refusals.segments_and_provider()
    wanted = list(several) or [asked]
    full = [carrier for carrier in wanted if None not in carrier]
    if len(set(full)) != len(full):
        raise refusals.segment_twice()
    made = [_put(draft, network_id, project_id, carrier, position) for position, carrier in enumerate(wanted)]
    _require_joinable(made)
    return made


def _put(draft: Draft, network_id: str, project_id: str, asked: Carrier, position: int, **labels: Any) -> Segment:
    labels |= {"position": position, "created_at": draft.now, "updated_at": draft.now}
    network_type, physical_network, segmentation_id = _segment(draft, project_id, *asked)
    made = Segment(draft.new_id(), network_id, network_type, physical_network, segmentation_id, **labels)
    return draft.put(made)


def create(draft: Draft, values: dict[str, Any]) -> Segment:
    """Add a segment to a network: the last that hosts choose.

    `values`: fields of Segment, of which `physical_network` and `segmentation_id` may be left out.  Refuses what a
    network with all its segments would be refused for.
    """
    network: Network = existing(draft, Network, values["network_id"])
    if values["network_type"] not in NETWORK_TYPES:
        raise invalid_input(f"network_type value '{values['network_type']}' not supported")
    asked = Carrier(values["network_type"], values.get("physical_network") or None, values.get("segmentation_id"))
    labels = {name: values[name] for name in ("name", "description") if name in values}
    held = segments_of(draft, network.id)
    position = 1 + max((segment.position for segment in held), default=-1)
    made = _put(draft, network.id, network.project_id, asked, position, **labels)
    _require_joinable([*held, made])
    return made


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> Segment:
    """Update what a segment is called."""
    return update(draft, existing(draft, Segment, key, revision), values)  # type: ignore[no-any-return]


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    """Take a segment from its network.  Refuses with SegmentInUse while subnets are on it or hosts use it for ports,
    and the last one of a network, which nothing would carry."""
    segment: Segment = existing(draft, Segment, key, revision)
    subnets = [subnet.id for subnet in draft.find(Subnet, "segment_id", key)]
    if subnets:
        raise refusals.segment_in_use(key, f"The segment is still associated with subnet(s) {', '.join(subnets)}")
    ports = [port.id for port in draft.find(Port, "network_id", segment.network_id) if _is_on(draft, port, segment)]
    if ports:
        raise refusals.segment_in_use(key, f"The segment is still bound with port(s) {', '.join(ports)}")
    if len(segments_of(draft, segment.network_id)) == 1:
        raise refusals.segment_in_use(key, f"The segment is the only one of network {segment.network_id}")
    draft.remove(segment)


def _is_on(draft: Draft, port: Port, segment: Segment) -> bool:
    """Whether the host of a port that somebody made uses a segment for it."""
    if port.device_owner in AUTO_DELETE_OWNERS:
        return False
    binding = draft.get(Binding, port.id)
    host = draft.get(Host, binding.host if binding is not None else port.host_id)
    return host is not None and reached(draft, host, segment.network_id)[:1] == [segment]


def _require_joinable(made: list[Segment]) -> None:
    """Nothing of ours joins segments, so hosts on different ones would never meet, but on physical networks."""
    if len(made) > 1:
        physical = {segment.physical_network for segment in made if segment.network_type in ("flat", "vlan")}
        if len(physical) < len(made):
            raise invalid_input("several segments must be flat or vlan, each on a physical network of its own")


def _segment(
    draft: Draft, project_id: str, network_type: str | None, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    if network_type is None:
        if physical_network is not None or segmentation_id is not None:
            raise invalid_input("network_type required")
        return allocate.tenant_segment(draft, project_id)
    if network_type == "vlan":
        return _vlan(draft, project_id, physical_network, segmentation_id)
    if network_type in TUNNEL_TYPES:
        return _tunnel(draft, project_id, network_type, physical_network, segmentation_id)
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
    draft: Draft, project_id: str, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    known = segment_ranges.physical_networks(draft, draft.settings)
    if not physical_network:
        if segmentation_id is not None:
            raise invalid_input("segmentation_id requires physical_network for VLAN provider network")
        return _any_vlan(draft, project_id, known)
    if physical_network not in known:
        raise invalid_input(f"physical_network '{physical_network}' unknown for VLAN provider network")
    if segmentation_id is None:
        return _any_vlan(draft, project_id, (physical_network,))
    low, high = allocate.VLANS
    if not low <= segmentation_id <= high:
        raise invalid_input(f"segmentation_id out of range ({low} through {high})")
    if not allocate.segment_free(draft, "vlan", physical_network, segmentation_id):
        raise refusals.vlan_in_use(segmentation_id, physical_network)
    return "vlan", physical_network, segmentation_id


def _any_vlan(draft: Draft, project_id: str, physical_networks: tuple[str, ...]) -> tuple[str, str | None, int | None]:
    found = allocate.vlan(draft, project_id, physical_networks)
    if found is None:
        raise refusals.no_network_available()
    return "vlan", *found


def _tunnel(
    draft: Draft, project_id: str, network_type: str, physical_network: str | None, segmentation_id: int | None
) -> tuple[str, str | None, int | None]:
    if physical_network:
        raise invalid_input(f"provider:physical_network specified for {network_type} network")
    if segmentation_id is None:
        number = allocate.tunnel_id(draft, project_id, network_type)
        if number is None:
            raise refusals.no_network_available()
        return network_type, None, number
    largest = allocate.LARGEST_TUNNEL_ID[network_type]
    if not 1 <= segmentation_id <= largest:
        raise invalid_input(f"segmentation_id out of range (1 through {largest})")
    if not allocate.segment_free(draft, network_type, None, segmentation_id):
        raise refusals.tunnel_in_use(segmentation_id)
    return network_type, None, segmentation_id
