"""Availability zones: where hosts are, as they say it themselves (`external_ids:availability_zone`).

Every host carries every network that it can reach, so nothing is scheduled: a network's hints are kept and have no
effect, and its zones are those of the hosts where it has ports.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from controller.core.app import App
from controller.core.model import ZONE, Agent, Binding, Host, LocalVlan, Network
from controller.core.plan import Draft, Refusal
from controller.core.plans.parse import LONGEST, Invalid, printable, string
from controller.core.plans.refusals import invalid_input
from controller.core.resource import Computed, Found, Source
from controller.core.resources import read_only
from controller.core.row import Check, attr, row

app = App("availability_zones")
app.extension("availability_zone", "Availability Zone", "Where hosts are.", "2015-01-01T10:00:00-00:00")
app.extension(
    "availability_zone_filter",
    "Availability Zone Filter Extension",
    "Zones are found by their name and state.",
    "2018-06-22T10:00:00-00:00",
)
app.extension(
    "network_availability_zone",
    "Network Availability Zone",
    "In which zones a network has ports.",
    "2015-01-01T10:00:00-00:00",
)

AVAILABLE, UNAVAILABLE = "available", "unavailable"

# ---------------------------------------------------------------------------------------------------------------------
# Zones


@row(key="name", absent="AvailabilityZone {} could not be found.")
class AvailabilityZone:
    """A zone that a host names: made of the hosts when it is asked for."""

    name: str = attr(post=False, put=False, check="string")
    state: str = attr(default=UNAVAILABLE, post=False, put=False, check="string")


def _all(net: Any, parent: Any) -> Iterable[AvailabilityZone]:
    zones = sorted({host.zone or ZONE for host in net.all(Host)})
    return [AvailabilityZone(zone, _state(net, zone)) for zone in zones]


def _get(net: Any, name: str) -> AvailabilityZone | None:
    return AvailabilityZone(name, _state(net, name)) if net.count_of(Host, "zone", name) else None


def _state(net: Any, zone: str) -> str:
    """Whether any host of the zone is there."""
    hosts = net.find(Host, "zone", zone)
    alive = any(agent.alive for host in hosts for agent in net.find(Agent, "host", host.name))
    return AVAILABLE if alive else UNAVAILABLE


app.resource(
    "availability_zone",
    "availability_zones",
    AvailabilityZone,
    methods=frozenset(),
    computed=(Computed("", read_only("resource"), lambda net, zone: "network"),),
    found=Found(_get, _all),
)


def _zone_of(net: Any, agent: Agent) -> str | None:
    """The zone that the agent's host names; that of one that names none is not told, as with Neutron's."""
    host = net.get(Host, agent.host)
    return host.zone or None if host else None


app.extend(Agent, [Computed("", read_only("availability_zone"), _zone_of)])

# ---------------------------------------------------------------------------------------------------------------------
# Networks


def _hints(value: Any) -> tuple[str, ...]:
    """A list of different names."""
    if not isinstance(value, list):
        raise Invalid(f"'{printable(value)}' is not a list")
    names = [string(name) for name in value]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise Invalid(f"Duplicate items in the list: '{repeated}'")
    if sum(len(name) + 4 for name in names) > LONGEST:
        raise invalid_input("Too many availability_zone_hints specified")
    return tuple(names)


HINTS = Check(_hints, {"type": "array", "items": {"type": "string"}})


@app.row(key="network_id", extends=Network)
class ZoneHints:
    """The zones that somebody wished a network to be in."""

    network_id: str
    availability_zone_hints: tuple[str, ...] = attr(
        default=(), put=False, initial=(), check=HINTS, filter=False, quiet=True
    )


@app.prepare(Network)
def zones_are_there(draft: Draft, old: Network | None, values: dict[str, Any]) -> None:
    for zone in values.get("availability_zone_hints", ()):
        if not draft.count_of(Host, "zone", zone):
            text = f"AvailabilityZone {zone} could not be found."
            raise Refusal("AvailabilityZoneNotFound", text, 404)


def _zones_of(net: Any, network: Network) -> list[str]:
    """The zones of the hosts that the network has bound ports on."""
    vlans = net.find(LocalVlan, "network_id", network.id)
    here = [vlan.host for vlan in vlans if net.has(Binding, "host+network_id", (vlan.host, network.id))]
    hosts = (net.get(Host, name) for name in here)
    return sorted({host.zone or ZONE for host in hosts if host is not None})


app.extend(
    Network,
    [Computed("", read_only("availability_zones", filter=False), _zones_of)],
    [
        Source(Binding, lambda net, binding: (binding.network_id,)),
        Source(Host, lambda net, host: (vlan.network_id for vlan in net.find(LocalVlan, "host", host.name))),
    ],
)
