"""What a guest is told beside its addresses, by DHCPv6 options: DNS servers and search list (RFC 3646), its name if it
asks (RFC 4704), and its port's extra options, which stand before the others."""

from __future__ import annotations

from collections.abc import Iterable

from apps.dhcp import extra
from apps.dhcp import v6_message as m
from apps.dhcp.subnets import Guest, domain, resolvers
from controller.core.address import ip, version

ESSENTIAL = (m.DNS, m.DOMAINS)
"""What every guest is told; the rest, when it asks for it."""
OURS = frozenset((*range(1, 15), *range(18, 21), m.IA_PD, 26))
"""What makes up the exchange itself, and is no extra option's business."""
SMALLEST = 1280
"""Bytes of an IPv6 packet that every link carries (RFC 8200, 5)."""
HEADERS = 48
"""Of them, those of IPv6 and UDP."""
IDENTIFIED = 4 + 2 * (4 + 128)
"""Bytes of a message's head and of the two identifiers, at most."""
NO_UPDATES = b"\x04"
"""The flags of a name: the server puts it in no DNS, and the guest need not, either (RFC 4704, 4.1)."""


def chosen(guest: Guest, message: m.Message, said: Iterable[m.Option]) -> list[m.Option]:
    """The options beside those that are `said` anyway, in the order in which the guest asked for them; one that does
    not fit the packet is left out."""
    told, said = _told(guest), list(said)
    numbers = dict.fromkeys([*message.asked, *ESSENTIAL]) if message.asked else dict.fromkeys(told)
    room = max(SMALLEST, guest.network.mtu) - HEADERS - IDENTIFIED - sum(4 + len(data) for _, data in said)
    found = []
    for number in numbers:
        if number in told and number not in dict(said) and len(told[number]) + 4 <= room:
            found.append((number, told[number]))
            room -= len(told[number]) + 4
    return found


def _told(guest: Guest) -> dict[int, bytes]:
    """Everything that there is to say, by number."""
    subnets = dict.fromkeys(subnet for _, subnet in guest.addresses)
    servers = dict.fromkeys(server for subnet in subnets for server in resolvers(subnet) if version(server) == 6)
    name = ".".join(filter(None, (guest.hostname, domain(guest.settings))))
    found = {
        m.DNS: b"".join(ip(server).to_bytes(16, "big") for server in servers),
        m.DOMAINS: _domain(domain(guest.settings)),
        m.NAME: NO_UPDATES + _domain(name),
    }
    own = {number: data for number, data in extra.encoded(guest.extra, 6) if number not in OURS and data is not None}
    return {number: data for number, data in (found | own).items() if data}


def _domain(name: str) -> bytes:
    """A domain name; nothing where there is none, or one that is too long to be said (RFC 1035, 2.3.4)."""
    try:
        return extra.domains([name]) if name else b""
    except ValueError:
        return b""
