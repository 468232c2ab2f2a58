"""Routes between the subnets of a routed network: guests of one segment reach those of the others by their own gateway.

A guest's default route may lead elsewhere, so each subnet on a segment has a host route to every subnet of its IP
version on another one.  DHCP tells guests.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from controller.core.app import App
from controller.core.model import Route, Subnet
from controller.core.plan import Draft
from controller.core.plans.revision import update

app = App("segment_routes")
app.extension(
    "segments-peer-subnet-host-routes",
    "Segments peer-subnet host routes",
    "A subnet on a segment has host routes to those on other segments.",
    "2018-06-12T10:00:00-00:00",
)


@app.rule(Subnet)
def to_peers(draft: Draft, old: Subnet | None, new: Subnet | None, values: dict[str, Any]) -> None:
    """The subnet has its routes to the others, and they have, or lose, theirs to it."""
    subnet = new or old
    if subnet is None or subnet.segment_id is None:
        return
    peers = _peers(draft, subnet)
    if new is not None:
        stale = _by(old.gateway_ip, peers) if old is not None and old.gateway_ip != new.gateway_ip else set()
        draft.put(replace(new, host_routes=_routes(new, peers, stale)))  # part of the change that was just counted
    for peer in peers:
        stale = _by(peer.gateway_ip, [subnet]) if new is None else set()
        update(draft, peer, {"host_routes": _routes(peer, _peers(draft, peer), stale)})


def _by(gateway: str | None, peers: Iterable[Subnet]) -> set[Route]:
    """The routes that led to subnets by a gateway."""
    return {Route(peer.cidr, gateway) for peer in peers if gateway is not None}


def _peers(draft: Draft, subnet: Subnet) -> list[Subnet]:
    """The subnets of its IP version on the network's other segments."""
    others = draft.find(Subnet, "network_id", subnet.network_id)
    return [
        other
        for other in others
        if other.segment_id not in (None, subnet.segment_id) and other.ip_version == subnet.ip_version
    ]


def _routes(subnet: Subnet, peers: Iterable[Subnet], stale: set[Route]) -> tuple[Route, ...]:
    """The subnet's host routes, without stale ones and with those that its peers are reached by.  Where one leads to a
    peer already, be it a wider one, none is added."""
    routes = [route for route in subnet.host_routes if route not in stale]
    if subnet.gateway_ip is None:
        return tuple(routes)
    for peer in peers:
        if not any(_leads_to(route, peer) for route in routes):
            routes.append(Route(peer.cidr, subnet.gateway_ip))
    return tuple(routes)


def _leads_to(route: Route, peer: Subnet) -> bool:
    return ipaddress.ip_network(peer.cidr).subnet_of(ipaddress.ip_network(route.destination))  # type: ignore[arg-type]
