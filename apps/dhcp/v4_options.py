"""What a guest is told beside its address, by DHCPv4 options (RFC 2132, RFC 3442).

Some it is told anyway; of the rest, what it asks for, or all where it asks for nothing in particular.  Extra options
of its port stand before what follows from the subnet.
"""

from __future__ import annotations

from collections.abc import Iterable

from netaddr import IPNetwork

from apps.dhcp import extra
from apps.dhcp import v4_message as m
from apps.dhcp.datagram import word
from apps.dhcp.names import SIADDR
from apps.dhcp.subnets import Guest, domain, lease_time, renewal_times, resolvers
from controller.core.address import ip, version
from controller.core.model import Subnet

Option = tuple[int, bytes]

ESSENTIAL = (m.MASK, m.ROUTES, m.ROUTER, m.DNS, m.MTU, m.BROADCAST, m.DOMAIN, m.HOSTNAME)
"""What every guest is told, the most important first: should a message be too short for all, the last ones go."""
OURS = frozenset(
    (m.PAD, m.ADDRESS, m.LEASE, m.OVERLOAD, m.TYPE, m.SERVER, m.PARAMETERS, m.MOST, m.CLIENT, m.RELAY, m.END)
)
"""What makes up the exchange itself, and is no extra option's business."""
SMALLEST = 576
"""Bytes of an IP packet that every guest takes (RFC 2131, 2)."""
HEADERS = 28
"""Of them, those of IP and UDP."""


def times(guest: Guest) -> list[Option]:
    """How long the address is given for, and when to ask for more time (unless an extra option says so)."""
    lease = lease_time(guest.settings)
    t1, t2 = renewal_times(lease)
    said = {m.LEASE: _number(lease, 4), m.T1: _number(t1, 4), m.T2: _number(t2, 4)}
    return [(number, data) for number, data in (said | _extra(guest)).items() if number in said and data is not None]


def echoed(message: m.Message) -> list[Option]:
    """The client's identifier comes back to it (RFC 6842)."""
    return [(m.CLIENT, message.options[m.CLIENT])] if m.CLIENT in message.options else []


def boot(guest: Guest) -> m.Boot:
    """The fixed fields for network boot: firmware may look there and not at options."""
    said = dict(extra.encoded(guest.extra, 4))
    name, file = said.get(m.BOOT_SERVER) or b"", said.get(m.BOOT_FILE) or b""
    server = word(said.get(SIADDR) or b"", 0, 4)
    return m.Boot(server, name if len(name) < m.NAME else b"", file if len(file) < m.FILE else b"")


def chosen(guest: Guest, subnet: Subnet, message: m.Message, head: list[Option]) -> list[Option]:
    """All options of an answer, `head` first, in the order in which the guest asked for them, as many as fit."""
    told = _told(guest, subnet)
    asked = [number for number in dict.fromkeys(message.options.get(m.PARAMETERS, bytes(told))) if number in told]
    essential = [number for number in ESSENTIAL if number in told]
    room = _room(guest, message) - sum(len(m.option(*option)) for option in head)
    fit = _fitting(dict.fromkeys([*essential, *asked]), told, room)
    # The mask comes before the router (RFC 2132, 3.3), so it comes first.
    order = dict.fromkeys([m.MASK, *asked, *essential])
    return [*head, *((number, told[number]) for number in order if number in fit)]


def _room(guest: Guest, message: m.Message) -> int:
    """Bytes that the options may have: what the guest takes (option 57) and the network carries, but the least that
    all do."""
    taken = min(word(message.options.get(m.MOST, b""), 0), guest.network.mtu)
    return max(SMALLEST, taken) - HEADERS - m.HEAD - len(m.COOKIE) - 1


def _fitting(numbers: Iterable[int], told: dict[int, bytes], room: int) -> set[int]:
    fit = set()
    for number in numbers:
        size = len(m.option(number, told[number]))
        if size <= room:
            fit.add(number)
            room -= size
    return fit


def _told(guest: Guest, subnet: Subnet) -> dict[int, bytes]:
    """Everything that there is to say, by number."""
    found = {number: data for number, data in _of_the_subnet(guest, subnet).items() if data}
    for number, data in _extra(guest).items():
        found.pop(number, None)
        if data is not None and number not in (m.T1, m.T2):
            found[number] = data
    if m.ROUTES in found:
        found.setdefault(m.ROUTES_OF_MICROSOFT, found[m.ROUTES])
    return found


def _extra(guest: Guest) -> dict[int, bytes | None]:
    """The port's own options; None: it shall not be told what follows from the subnet."""
    return {number: data for number, data in extra.encoded(guest.extra, 4) if number not in OURS}


def _of_the_subnet(guest: Guest, subnet: Subnet) -> dict[int, bytes]:
    block = IPNetwork(subnet.cidr)
    last = block.broadcast
    return {
        m.MASK: _number(int(block.netmask), 4),
        m.ROUTES: _routes(subnet),
        m.ROUTER: _addresses([subnet.gateway_ip] if subnet.gateway_ip else []),
        m.DNS: _addresses(server for server in resolvers(subnet) if version(server) == 4),
        m.HOSTNAME: guest.hostname.encode(),
        m.DOMAIN: domain(guest.settings).encode(),
        m.MTU: _number(guest.network.mtu, 2),
        m.BROADCAST: _number(int(last), 4) if last is not None else b"",
    }


def _routes(subnet: Subnet) -> bytes:
    """The subnet's routes, with the default route: who gets this option ignores the router option (RFC 3442)."""
    of_both = ((route.destination, route.nexthop) for route in subnet.host_routes)
    routes = {destination: hop for destination, hop in of_both if version(destination) == version(hop) == 4}
    if routes and subnet.gateway_ip:
        routes.setdefault("0.0.0.0/0", subnet.gateway_ip)
    return extra.routes(routes.items())


def _addresses(texts: Iterable[str]) -> bytes:
    return b"".join(_number(ip(text), 4) for text in texts)


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")
