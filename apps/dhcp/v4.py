"""DHCPv4: which message is answered by which (RFC 2131, 4.3).

Addresses are static, so nothing is allocated, kept or freed: DECLINE and RELEASE are taken in silence.
"""

from __future__ import annotations

from apps.dhcp import v4_message as m
from apps.dhcp import v4_options
from apps.dhcp.datagram import SERVER_MAC, Datagram
from apps.dhcp.subnets import Guest
from controller.core.address import ip, mac
from controller.core.model import Subnet

CLIENT, SERVER = 68, 67
WITHOUT_GATEWAY = "169.254.0.67"
"""The server's address in a subnet that has no gateway."""
EVERYBODY, EVERY_MAC = 0xFFFFFFFF, 0xFFFFFFFFFFFF

Given = tuple[str, Subnet]


def server(subnet: Subnet) -> int:
    """The server identifier in a subnet: the gateway's address, for it is there or nothing is."""
    return ip(subnet.gateway_ip or WITHOUT_GATEWAY)


def answer(guest: Guest, asked: Datagram) -> Datagram | None:
    """The answer to a datagram from the guest's port, None for silence."""
    message = m.read(asked.payload)
    if message is None or message.chaddr[:6] != bytes.fromhex(guest.port.mac_address.replace(":", "")):
        return None
    if message.type == m.DISCOVER:
        return _reply(guest, message, m.OFFER, _named(guest, message.address(m.ADDRESS)) or guest.addresses[0])
    if message.type == m.INFORM:
        return _reply(guest, message, m.ACK, _named(guest, message.ciaddr) or guest.addresses[0])
    return _request(guest, message) if message.type == m.ASK else None


def _named(guest: Guest, address: int) -> Given | None:
    """The guest's address that a message names, if it is one."""
    return next((given for given in guest.addresses if ip(given[0]) == address), None)


def _request(guest: Guest, message: m.Message) -> Datagram | None:
    """Selecting, init-reboot, renewing and rebinding (RFC 2131, 4.3.2): they differ in where the address is named.

    A guest that has chosen another server is none of our business."""
    chosen = message.address(m.SERVER)
    if m.SERVER in message.options and chosen not in {server(subnet) for _, subnet in guest.addresses}:
        return None
    given = _named(guest, message.address(m.ADDRESS) or message.ciaddr)
    if given is not None:
        return _reply(guest, message, m.ACK, given)
    return _refusal(guest, message, chosen or server(guest.addresses[0][1]))


def _refusal(guest: Guest, message: m.Message, by: int) -> Datagram:
    reason = b"not an address of this port"
    options = [(m.TYPE, bytes((m.NAK,))), (m.SERVER, by.to_bytes(4, "big")), (m.MESSAGE, reason)]
    payload = m.write(message, 0, 0, [*options, *v4_options.echoed(message)])
    return Datagram(4, SERVER_MAC, EVERY_MAC, by, EVERYBODY, SERVER, CLIENT, payload)


def _reply(guest: Guest, message: m.Message, kind: int, given: Given) -> Datagram:
    """An offer, or what was asked for.  A guest that only wants to be informed keeps the address that it has."""
    address, subnet = given
    by = server(subnet)
    informs = message.type == m.INFORM
    yiaddr = 0 if informs else ip(address)
    head = [(m.TYPE, bytes((kind,))), (m.SERVER, by.to_bytes(4, "big"))]
    head += [] if informs else v4_options.times(guest)
    options = v4_options.chosen(guest, subnet, message, [*head, *v4_options.echoed(message)])
    payload = m.write(message, yiaddr, message.ciaddr, options, v4_options.boot(guest))
    to, eth_dst = _receiver(message, yiaddr, mac(guest.port.mac_address))
    return Datagram(4, SERVER_MAC, eth_dst, by, to, SERVER, CLIENT, payload)


def _receiver(message: m.Message, yiaddr: int, own: int) -> tuple[int, int]:
    """Where an answer goes (RFC 2131, 4.1): to the address that is in use, else as the guest can take it."""
    if message.ciaddr:
        return message.ciaddr, own
    return (EVERYBODY, EVERY_MAC) if message.broadcast or not yiaddr else (yiaddr, own)
