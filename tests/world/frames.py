"""Packets as bytes, as far as a controller reads them: Ethernet, ARP, and ICMPv6 Neighbor Solicitations."""

from __future__ import annotations

from controller.core.packet import ETH_ARP, ETH_IPV6, ICMPV6, Packet


def encode(packet: Packet) -> bytes:
    """An Ethernet frame with the packet's addresses (RFC 826, RFC 4861 4.3); what is not a question has no body."""
    head = packet["eth_dst"].to_bytes(6, "big") + packet["eth_src"].to_bytes(6, "big")
    return head + packet["eth_type"].to_bytes(2, "big") + _body(packet)


def _body(packet: Packet) -> bytes:
    if packet["eth_type"] == ETH_ARP:
        parts = ((packet["arp_sha"], 6), (packet["arp_spa"], 4), (packet["arp_tha"], 6), (packet["arp_tpa"], 4))
        fixed = b"\x00\x01\x08\x00\x06\x04" + packet["arp_op"].to_bytes(2, "big")
        return fixed + b"".join(value.to_bytes(size, "big") for value, size in parts)
    if packet["eth_type"] == ETH_IPV6 and packet["ip_proto"] == ICMPV6:
        ends = packet["ipv6_src"].to_bytes(16, "big") + packet["ipv6_dst"].to_bytes(16, "big")
        icmp = (
            bytes([packet["icmpv6_type"], packet["icmpv6_code"]]) + bytes(6) + packet["nd_target"].to_bytes(16, "big")
        )
        icmp += _option(packet)
        return bytes([0x60, 0, 0, 0, 0, len(icmp), ICMPV6, 255]) + ends + icmp
    return b""


def _option(packet: Packet) -> bytes:
    """The link-layer address that a packet of Neighbor Discovery tells (RFC 4861, 4.6.1)."""
    kind = packet["nd_options_type"]
    named = {1: "nd_sll", 2: "nd_tll"}.get(kind)
    return bytes((kind, 1)) + packet[named].to_bytes(6, "big") if named else b""
