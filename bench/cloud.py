"""A cloud as rows: networks, ports and where they are, made in bulk and by number, so that every run has the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apps.port_security import PortSecurity
from bench import groups
from controller.core.address import ip_text, mac_text
from controller.core.model import Binding, FixedIp, Host, LocalVlan, Network, Pool, Port, Segment, Sequence, Subnet
from controller.core.plan import Draft
from controller.core.settings import HostSettings, Settings
from controller.io.store import Store

CHUNK = 5000
"""Rows written by one plan."""
TUNNEL_PORT = 1
FIRST_TAP = 2
STAMP = "2026-11-20T12:00:00Z"
LOCAL = 0xFFFFFFFE
SHIFT = 7
"""So many hosts further begins the next round of networks, so that not the same ones are always together."""


@dataclass(frozen=True)
class Place:
    """A port: its number, its network's, its host's, and its OpenFlow port there."""

    number: int
    network: int
    host: int
    ofport: int


class Cloud:
    """`ports` ports spread over `networks` VXLAN networks; each network is on `span` of the `hosts` hosts.

    Ports are `protected` by a group with ten rules for each network (bench.groups), or not at all.  Hosts have no OVSDB
    with us (a `[host:NAME]` section each); host h has the bridge with dpid h + 1.  The first `real` hosts say
    themselves what they are.  Ports that come later are bound to their host before, as Nova does, or not.
    """

    def __init__(
        self,
        hosts: int,
        networks: int,
        ports: int,
        span: int = 0,
        real: int = 0,
        protected: bool = False,
        bound_before: bool = True,
    ) -> None:
        self.hosts, self.networks, self.ports, self.real = hosts, networks, ports, real
        self.protected = protected
        self.bound_before = bound_before
        self.span = min(span or hosts, hosts)
        self.places: list[Place] = []
        self.taps = [FIRST_TAP] * hosts
        for number in range(ports):
            self.place(number % networks, (number // networks) % self.span)

    def place(self, network: int, step: int) -> Place:
        """One more port of a network, on the step-th of its hosts."""
        host = self.host(network, step)
        place = Place(len(self.places), network, host, self.taps[host])
        self.taps[host] += 1
        self.places.append(place)
        return place

    def host(self, network: int, step: int) -> int:
        """The step-th host of a network: hosts in a row, after those of the network before, each round elsewhere."""
        first = network * self.span
        return (first + first // self.hosts * SHIFT + step) % self.hosts

    # -- names --------------------------------------------------------------------------------------------------------

    @staticmethod
    def port_id(number: int) -> str:
        return f"{number:08x}-0000-4000-8000-00000000000a"

    @staticmethod
    def network_id(number: int) -> str:
        return f"{number:08x}-0000-4000-8000-00000000000b"

    @staticmethod
    def subnet_id(number: int) -> str:
        return f"{number:08x}-0000-4000-8000-00000000000c"

    @classmethod
    def tap(cls, number: int) -> str:
        return "tap" + cls.port_id(number)[:11]

    @staticmethod
    def mac(number: int) -> str:
        return mac_text(0xFA1600000000 + number)

    @staticmethod
    def host_name(number: int) -> str:
        return f"hv{number}"

    @staticmethod
    def local_ip(number: int) -> str:
        return ip_text((172 << 24) + (16 << 16) + 256 + number, 4)

    @staticmethod
    def dpid(host: int) -> int:
        return host + 1

    # -- as rows ------------------------------------------------------------------------------------------------------

    def network_rows(self) -> Iterator[Any]:
        for n in range(self.networks):
            yield Network(id=self.network_id(n), name=f"net{n}", mtu=1450, key=n + 1, created_at=STAMP)
            yield Segment(f"{n:08x}-0000-4000-8000-00000000000d", self.network_id(n), "vxlan", None, n + 1)
            pools = (Pool("10.0.0.1", "10.255.255.254"),)
            yield Subnet(
                id=self.subnet_id(n),
                network_id=self.network_id(n),
                cidr="10.0.0.0/8",
                allocation_pools=pools,
                created_at=STAMP,
            )
        yield Sequence("network key", self.networks + 1)
        yield Sequence("vxlan", self.networks + 1)
        yield Sequence("port key", 1_000_000)

    def port_row(self, place: Place) -> Port:
        fixed = FixedIp(self.subnet_id(place.network), ip_text((10 << 24) + 256 + place.number, 4))
        return Port(
            id=self.port_id(place.number),
            network_id=self.network_id(place.network),
            mac_address=self.mac(place.number),
            fixed_ips=(fixed,),
            host_id=self.host_name(place.host) if self.bound_before or place.number < self.ports else "",
            key=place.number + 1,
            created_at=STAMP,
        )

    def security_row(self, place: Place) -> Any:
        """What protects a port, or says that nothing does."""
        port_id = self.port_id(place.number)
        if self.protected:
            return groups.member(port_id, place.network)
        return PortSecurity(port_id, port_security_enabled=False)

    def bound_rows(self) -> Iterator[Any]:
        """Hosts, bindings and local VLANs, as they are stored once the cloud has run with its first `ports` ports."""
        for host in range(self.real, self.hosts):
            bridges = (("br-int", self.dpid(host)),)
            yield Host(self.host_name(host), self.local_ip(host), bridges=bridges)
        vlans: dict[tuple[int, int], int] = {}
        count = [0] * self.hosts
        for place in self.places[: self.ports]:
            if (place.host, place.network) not in vlans:
                count[place.host] += 1
                vlans[place.host, place.network] = count[place.host]
                yield LocalVlan(self.host_name(place.host), self.network_id(place.network), count[place.host])
            network_id, host = self.network_id(place.network), self.host_name(place.host)
            yield Binding(self.port_id(place.number), network_id, host, active=True)

    def rows(self, bound: bool = True) -> Iterator[Any]:
        """All stored rows; `bound`: as if every port had been plugged and ACTIVE before."""
        yield from self.network_rows()
        yield from map(self.port_row, self.places)
        if self.protected:
            yield from (row for n in range(self.networks) for row in groups.group_rows(n))
        yield from map(self.security_row, self.places)
        if bound:
            yield from self.bound_rows()

    def load(self, database: Path, bound: bool = True) -> None:
        """Write the rows into a SQLite file, through the store, in bulk."""
        store = Store(f"sqlite:///{database}", Settings())
        chunk: list[Any] = []
        for row in self.rows(bound):
            chunk.append(row)
            if len(chunk) == CHUNK:
                _put(store, chunk)
                chunk = []
        _put(store, chunk)
        store.close()

    # -- as switches and settings -------------------------------------------------------------------------------------

    @classmethod
    def ofports(cls, places: list[Place]) -> list[tuple[int, str]]:
        """The ports of a bridge: the tunnel port, and the taps of `places`."""
        return [(TUNNEL_PORT, "vxlan0"), *((place.ofport, cls.tap(place.number)) for place in places)]

    def fakes(self) -> list[Any]:
        """What `Switches.add` wants: every fake host's bridge with the first `ports` ports plugged in."""
        by_host: dict[int, list[Place]] = {}
        for place in self.places[: self.ports]:
            by_host.setdefault(place.host, []).append(place)
        every = range(self.real, self.hosts)
        return [[self.dpid(host), self.ofports(by_host.get(host, []))] for host in every]

    def later(self, count: int) -> list[Place]:
        """Ports that are made but not plugged in yet: not on fake hosts' bridges, and bound nowhere."""
        return [self.place(n % self.networks, n % self.span) for n in range(count)]

    def settings(self, **more: Any) -> Settings:
        return Settings(
            hosts=tuple(
                HostSettings(self.host_name(host), (self.dpid(host),), self.local_ip(host))
                for host in range(self.real, self.hosts)
            ),
            **more,
        )

    def ini(self) -> dict[str, dict[str, str]]:
        """The same as sections of an INI file."""
        return {
            f"host:{self.host_name(host)}": {"dpids": str(self.dpid(host)), "local_ip": self.local_ip(host)}
            for host in range(self.real, self.hosts)
        }


def _put(store: Store, rows: list[Any]) -> None:
    def plan(draft: Draft) -> None:
        for row in rows:
            draft.put(row)

    store.execute(plan, who="bench")
