"""DHCPv6: which message is answered by which (RFC 8415, 18.3).

Addresses are static, so nothing is allocated, kept or freed.  A port has one set of addresses: the first IA_NA of a
message has them, a second one, temporary addresses and prefixes are not there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from netaddr import IPNetwork

from apps.dhcp import v6_message as m
from apps.dhcp import v6_options
from apps.dhcp.datagram import SERVER_MAC, Datagram
from apps.dhcp.subnets import Guest, gives, lease_time, renewal_times
from controller.core.address import ip

CLIENT, SERVER = 546, 547
SERVER_ADDRESS = ip("fe80::ff:fe00:43")
"""The link-local address of SERVER_MAC (RFC 4291, appendix A)."""
DUID = b"\x00\x03\x00\x01" + SERVER_MAC.to_bytes(6, "big")
"""Who the server is, everywhere and for good (DUID-LL; RFC 8415, 11.4)."""
MOST_PREFERRED = b"\xff"
"""There is no other server to wait for (RFC 8415, 18.2.1)."""

TO_US, TO_ANY, TO_BOTH = (DUID,), (None,), (DUID, None)
ADDRESSED = {
    m.SOLICIT: TO_ANY,
    m.REQUEST: TO_US,
    m.CONFIRM: TO_ANY,
    m.RENEW: TO_US,
    m.REBIND: TO_ANY,
    m.RELEASE: TO_US,
    m.DECLINE: TO_US,
    m.INFORMATION_REQUEST: TO_BOTH,
}
"""Which server each message may name (RFC 8415, 16): another one is not ours to answer."""


def answer(guest: Guest, asked: Datagram) -> Datagram | None:
    """The answer to a datagram from the guest's port, None for silence."""
    message = m.read(asked.payload)
    if message is None or message.type not in ADDRESSED or asked.dst >> 120 != 0xFF or not asked.src:
        return None
    client = message.first(m.CLIENT)
    if message.first(m.SERVER) not in ADDRESSED[message.type]:
        return None
    if client is None and message.type != m.INFORMATION_REQUEST:
        return None
    said = _ANSWERS[message.type](guest, message)
    if said is None:
        return None
    ends = [(m.CLIENT, client)] if client is not None else []
    kind = m.ADVERTISE if message.type == m.SOLICIT and message.first(m.RAPID) is None else m.REPLY
    payload = m.write(kind, message, [*ends, (m.SERVER, DUID), *said])
    return Datagram(6, SERVER_MAC, asked.eth_src, SERVER_ADDRESS, asked.src, SERVER, CLIENT, payload)


Said = list[m.Option]


def _solicit(guest: Guest, message: m.Message) -> Said:
    rapid = [(m.RAPID, b"")] if message.first(m.RAPID) is not None else [(m.PREFERENCE, MOST_PREFERRED)]
    return _lease(guest, message, rapid)


def _lease(guest: Guest, message: m.Message, head: Said | None = None) -> Said:
    """What the port has for each identity association, and the options that were asked for."""
    said = [*(head or []), *_identities(guest, message)]
    return [*said, *v6_options.chosen(guest, message, said)]


def _identities(guest: Guest, message: m.Message) -> Iterator[m.Option]:
    free = own(guest)
    for asked in message.identities:
        if asked.kind != m.IA_NA:
            yield m.identity(asked, 0, 0, [_nothing(asked)])
        elif message.type == m.REQUEST and not all(_on_link(guest, held) for held in asked.addresses):
            yield m.identity(asked, 0, 0, [m.status(m.NOT_ON_LINK, "not an address of this network")])
        else:
            yield _association(guest, message, asked, free)
            free = []


def _association(guest: Guest, message: m.Message, asked: m.Identity, free: list[int]) -> m.Option:
    """An IA_NA with the port's addresses.  Those that the guest has and the port has not end at once."""
    lease = lease_time(guest.settings)
    renews = message.type in (m.RENEW, m.REBIND)
    ended = [m.address(held, 0, 0) for held in asked.addresses if held not in free] if renews else []
    given = [m.address(value, lease, lease) for value in free]
    if not given and not ended:
        none = m.status(m.NO_BINDING, "no such lease") if message.type == m.RENEW else _nothing(asked)
        return m.identity(asked, 0, 0, [none])
    return m.identity(asked, *renewal_times(lease), [*given, *ended])


def _nothing(asked: m.Identity) -> m.Option:
    if asked.kind == m.IA_PD:
        return m.status(m.NO_PREFIX, "no prefixes here")
    return m.status(m.NO_ADDRESSES, "no addresses for this one")


def _confirm(guest: Guest, message: m.Message) -> Said | None:
    """Whether the guest, which was away, may go on with its addresses: they must still be the port's."""
    held = [value for asked in message.identities for value in asked.addresses]
    if not held:
        return None
    if set(held) <= set(own(guest)):
        return [m.status(m.SUCCESS, "still yours")]
    return [m.status(m.NOT_ON_LINK, "not an address of this port")]


def _taken(guest: Guest, message: m.Message) -> Said:
    """RELEASE and DECLINE: noted politely, and nothing changes."""
    addresses = set(own(guest))
    unknown = [asked for asked in message.identities if asked.kind != m.IA_NA or not set(asked.addresses) <= addresses]
    none = m.status(m.NO_BINDING, "no such lease")
    return [m.status(m.SUCCESS, "noted"), *(m.identity(asked, 0, 0, [none]) for asked in unknown)]


def _inform(guest: Guest, message: m.Message) -> Said | None:
    """A guest that makes its addresses itself asks for the rest (one that wants addresses too is wrong here)."""
    if any(number in m.IDENTITIES for number, _ in message.options):
        return None
    refresh = (m.REFRESH, lease_time(guest.settings).to_bytes(4, "big"))
    return [refresh, *v6_options.chosen(guest, message, [refresh])]


_ANSWERS: dict[int, Callable[[Guest, m.Message], Said | None]] = {
    m.SOLICIT: _solicit,
    m.REQUEST: _lease,
    m.CONFIRM: _confirm,
    m.RENEW: _lease,
    m.REBIND: _lease,
    m.RELEASE: _taken,
    m.DECLINE: _taken,
    m.INFORMATION_REQUEST: _inform,
}


def own(guest: Guest) -> list[int]:
    """The addresses that DHCP gives to the port."""
    return [ip(address) for address, subnet in guest.addresses if gives(subnet)]


def _on_link(guest: Guest, address: int) -> bool:
    blocks = (IPNetwork(subnet.cidr) for _, subnet in guest.addresses)
    return any(block.first <= address <= block.last for block in blocks)
