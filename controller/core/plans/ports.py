"""Plans for ports."""

from __future__ import annotations

import ipaddress
import json
from typing import Any, NamedTuple

from controller.core.model import DEFERRED, IMMEDIATE, NONE, Attachment, Binding, Fault, FixedIp, Network, Port, Subnet
from controller.core.plan import Draft
from controller.core.plans import allocate, refusals, routed
from controller.core.plans.owners import ROUTER_OWNERS
from controller.core.plans.parse import Wanted
from controller.core.plans.refusals import invalid_input
from controller.core.plans.revision import existing, update
from controller.core.plans.subnets import is_auto_address, is_for


def create(draft: Draft, values: dict[str, Any]) -> Port:
    """Make a port.

    `values`: fields of Port, where `mac_address` left out or None is chosen, and `fixed_ips` is a tuple of Wanted:
    left out or None means an address of one IPv4 and one IPv6 subnet, () means none.  Subnets where hosts make their
    own addresses always give theirs (Neutron's rule).  On a routed network a port gets them when it has a host.
    """
    values = dict(values)
    network = existing(draft, Network, values["network_id"])
    mac = values.pop("mac_address", None)
    if mac is None:
        mac = allocate.mac(draft, network.id)
    elif not allocate.mac_free(draft, network.id, mac):
        raise refusals.mac_in_use(network.id, mac)
    place = Place(network.id, mac, values.get("device_owner", ""), values.get("host_id", ""))
    values["fixed_ips"], values["ip_allocation"] = _addresses(draft, place, values.get("fixed_ips"), ())
    values["interface_name"] = _interface_name(values.get("profile", "{}"))
    port_id, key = draft.new_id(), allocate.next_key(draft, "port key")
    stamps: dict[str, Any] = {"created_at": draft.now, "updated_at": draft.now}
    return draft.put(Port(id=port_id, key=key, mac_address=mac, **values, **stamps))


def _interface_name(profile: str) -> str:
    return json.loads(profile).get("interface", "")  # type: ignore[no-any-return]


class Place(NamedTuple):
    """What a port's addresses depend on, besides those that it asks for."""

    network_id: str
    mac: str
    owner: str
    host_id: str


def _addresses(
    draft: Draft, place: Place, wanted: tuple[Wanted, ...] | None, held: tuple[FixedIp, ...]
) -> tuple[tuple[FixedIp, ...], str]:
    """The addresses of a port that asks for `wanted` and has `held`, and how it came by them (Port.ip_allocation).
    What it may keep, it keeps."""
    network_id, mac, owner, host_id = place
    known = _subnets(draft, network_id, owner)
    here = routed.usable(draft, network_id, known, host_id, held if wanted == () else wanted or ())
    if wanted is None and known and not here:
        return (), DEFERRED
    self_made = [subnet for subnet in here if is_auto_address(subnet) and owner not in ROUTER_OWNERS]
    automatic = {subnet.id: allocate.eui64(subnet.cidr, mac) for subnet in self_made}
    if wanted is None:
        found = _one_of_each(draft, network_id, [subnet for subnet in here if not is_auto_address(subnet)])
    else:
        found = _asked_for(draft, network_id, here, automatic, wanted, held)
    for subnet_id, address in automatic.items():
        ip = FixedIp(subnet_id, address)
        if ip not in found:
            _require_free(draft, network_id, ip, held)
            found.append(ip)
    return tuple(found), NONE if wanted == () else IMMEDIATE


def _subnets(draft: Draft, network_id: str, owner: str) -> list[Subnet]:
    """The network's subnets for ports of an owner; those that are for such owners only come first.  Refuses when all
    are for others."""
    found = draft.find(Subnet, "network_id", network_id)
    here = [subnet for subnet in found if is_for(subnet, owner)]
    if found and not here:
        raise refusals.no_subnet_for_owner(network_id, owner)
    return sorted(here, key=lambda subnet: (not subnet.service_types, subnet.created_at, subnet.id))


def _one_of_each(draft: Draft, network_id: str, here: list[Subnet]) -> list[FixedIp]:
    """An address of one IPv4 subnet and of one IPv6 subnet, as far as the network has them."""
    found = []
    for version in (4, 6):
        candidates = [subnet for subnet in here if subnet.ip_version == version]
        if candidates:
            found.append(_from_any(draft, network_id, candidates))
    return found


def _from_any(
    draft: Draft, network_id: str, candidates: list[Subnet], besides: frozenset[str] = frozenset()
) -> FixedIp:
    for subnet in candidates:
        address = allocate.address(draft, subnet, besides)
        if address is not None:
            return FixedIp(subnet.id, address)
    raise refusals.no_address_left(network_id)


def _asked_for(
    draft: Draft,
    network_id: str,
    here: list[Subnet],
    automatic: dict[str, str],
    wanted: tuple[Wanted, ...],
    held: tuple[FixedIp, ...],
) -> list[FixedIp]:
    """Asked-for addresses first, so that a chosen one never takes them; the answer is in the order of the request."""
    chosen: dict[int, FixedIp] = {}
    for position, want in enumerate(wanted):
        if FixedIp(*want) in held and want.subnet_id not in automatic:
            chosen[position] = FixedIp(*want)  # also when its subnet is now for other owners
            continue
        subnet = _subnet(draft, network_id, here, want)
        if want.ip_address:
            chosen[position] = ip = FixedIp(subnet.id, want.ip_address)
            if automatic.get(subnet.id, want.ip_address) != want.ip_address:
                raise refusals.address_is_automatic(want.ip_address, subnet.id)
            _require_free(draft, network_id, ip, held)
    kept = [ip for ip in held if ip not in chosen.values()]
    for position, want in enumerate(wanted):
        if position in chosen or want.subnet_id in automatic:
            continue
        again = next((ip for ip in kept if ip.subnet_id == want.subnet_id), None)
        if again is not None:
            kept.remove(again)
        besides = frozenset(ip.ip_address for ip in chosen.values())
        subnet = _subnet(draft, network_id, here, want)
        chosen[position] = again or _from_any(draft, network_id, [subnet], besides)
    return [chosen[position] for position in sorted(chosen)]


def _subnet(draft: Draft, network_id: str, here: list[Subnet], want: Wanted) -> Subnet:
    """The subnet of the network that a fixed_ips item means."""
    if not here:
        raise invalid_input("IP allocation requires subnets for network")
    if not want.subnet_id:
        if not want.ip_address:
            raise invalid_input("IP allocation requires subnet_id or ip_address")
        for subnet in here:
            if _may_have(subnet, want.ip_address):
                return subnet
        raise refusals.address_not_in_network(want.ip_address)
    for subnet in here:
        if subnet.id == want.subnet_id:
            if want.ip_address and not _may_have(subnet, want.ip_address):
                raise refusals.address_not_in_subnet(want.ip_address)
            return subnet
    existing(draft, Subnet, want.subnet_id)
    raise invalid_input(
        f"Failed to create port on network {network_id}, because fixed_ips included invalid subnet {want.subnet_id}"
    )


def _may_have(subnet: Subnet, address: str) -> bool:
    """Whether a host can have the address: in the block, and neither its network nor its broadcast address."""
    block, ip = ipaddress.ip_network(subnet.cidr), ipaddress.ip_address(address)
    if ip not in block:
        return False
    return block.version == 6 or block.prefixlen >= 31 or ip not in (block[0], block[-1])


def _require_free(draft: Draft, network_id: str, ip: FixedIp, held: tuple[FixedIp, ...]) -> None:
    if ip not in held and not allocate.address_free(draft, network_id, ip.ip_address):
        raise refusals.address_in_use(ip.ip_address, ip.subnet_id)


def change(draft: Draft, key: str, values: dict[str, Any], revision: int | None = None) -> Port:
    """Update a port.  A `mac_address` of None asks for a new one; addresses that hosts make follow the MAC."""
    port = existing(draft, Port, key, revision)
    values = dict(values)
    if "mac_address" in values:
        values["mac_address"] = _new_mac(draft, port, values["mac_address"])
    if "profile" in values:
        values["interface_name"] = _interface_name(values["profile"])
    values |= _changed_addresses(draft, port, values)
    if values.get("host_id", port.host_id) not in ("", port.host_id):
        routed.require_compatible(draft, port, values["host_id"], values.get("fixed_ips", port.fixed_ips))
    return update(draft, port, values)  # type: ignore[no-any-return]


def _new_mac(draft: Draft, port: Port, asked: str | None) -> str:
    if asked is None:
        return allocate.mac(draft, port.network_id)
    if asked != port.mac_address and not allocate.mac_free(draft, port.network_id, asked):
        raise refusals.mac_in_use(port.network_id, asked)
    return asked


def _changed_addresses(draft: Draft, port: Port, values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a port's addresses, where an update changes them: it asks for others, or for another MAC, or gives
    the port that waits for a host one."""
    mac, owner = values.get("mac_address", port.mac_address), values.get("device_owner", port.device_owner)
    place = Place(port.network_id, mac, owner, values.get("host_id", port.host_id))
    if "fixed_ips" in values:
        found, allocation = _addresses(draft, place, values["fixed_ips"], port.fixed_ips)
    elif port.ip_allocation == DEFERRED and place.host_id:
        found, allocation = _addresses(draft, place, None, ())
    elif "mac_address" in values and port.ip_allocation != DEFERRED:
        found, _ = _addresses(draft, place, _kept(draft, port, owner), port.fixed_ips)
        allocation = port.ip_allocation
    else:
        return {}
    return {"fixed_ips": found, "ip_allocation": allocation}


def _kept(draft: Draft, port: Port, owner: str) -> tuple[Wanted, ...]:
    """The addresses that a port keeps when its MAC changes."""
    made = {s.id for s in draft.find(Subnet, "network_id", port.network_id) if is_auto_address(s)}
    return tuple(Wanted(*ip) for ip in port.fixed_ips if ip.subnet_id not in made or owner in ROUTER_OWNERS)


def delete(draft: Draft, key: str, revision: int | None = None) -> None:
    """Remove a port and what was observed about it."""
    remove(draft, existing(draft, Port, key, revision))


def remove(draft: Draft, port: Port) -> None:
    """Take the port, its Attachment, its Binding and its Fault away."""
    more = (draft.get(Attachment, port.id), draft.get(Binding, port.id), draft.get(Fault, ("Port", port.id)))
    for row in (*more, port):
        if row is not None:
            draft.remove(row)
