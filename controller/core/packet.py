"""A packet as a switch sees it: header and metadata fields by name.  Values for the model switch and for traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.core import flow as f
from controller.core.spelling import value_of, value_text

INNER_VLAN = "inner_vlan"
"""The second 802.1Q tag (as `vlan_vid`, 0 when there is none).  OpenFlow sees the outer one only."""
_KNOWN = frozenset(f.FIELDS) | {INNER_VLAN}
_METADATA = frozenset(name for name in f.FIELDS if name.startswith(("in_port", "reg", "tun_", "ct_", "conj_")))

BROADCAST = "ff:ff:ff:ff:ff:ff"
ETH_IPV4, ETH_ARP, ETH_IPV6 = 0x0800, 0x0806, 0x86DD
ARP_REQUEST, ARP_REPLY = 1, 2
ICMPV6, NEIGHBOR_SOLICITATION, NEIGHBOR_ADVERTISEMENT = 58, 135, 136
SOURCE_LINK_ADDRESS, TARGET_LINK_ADDRESS = 1, 2
SOLICITED_OVERRIDE = 0x60000000
"""The flags of a neighbor advertisement that answers a solicitation (RFC 4861, 4.4), as nd_reserved has them."""


class Packet(Mapping[str, int]):
    """An immutable mapping of field name to value.  A field that is not there is 0, and a field that is 0 is not there.

    Addresses may be given as text: Packet(eth_src="fa:16:3e:00:00:01", ipv4_src="10.0.0.1").  `vlan_vid` is as
    OpenFlow has it, with VLAN_PRESENT; `tagged` sets it.  Raises ValueError for an unknown field or a value that does
    not fit.
    """

    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, int | str] | None = None, **more: int | str) -> None:
        given = {name: _number(name, value) for name, value in {**(fields or {}), **more}.items()}
        self._fields = {name: value for name, value in given.items() if value}

    @classmethod
    def of(cls, fields: dict[str, int]) -> Packet:
        """A packet of fields that are known to be good; the dictionary is its own from now on."""
        made = cls.__new__(cls)
        made._fields = fields
        return made

    def __getitem__(self, name: str) -> int:
        if name not in _KNOWN:
            raise KeyError(name)
        return self._fields.get(name, 0)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __len__(self) -> int:
        return len(self._fields)

    def __hash__(self) -> int:
        return hash(frozenset(self._fields.items()))

    def __repr__(self) -> str:
        ordered = sorted(self._fields.items(), key=lambda item: f.ORDER.get(item[0], len(f.ORDER)))
        return "Packet(" + ", ".join(f"{name}={_shown(name, value)}" for name, value in ordered) + ")"

    def fields(self) -> dict[str, int]:
        """A copy of what is not 0."""
        return dict(self._fields)

    def but(self, **changes: int | str) -> Packet:
        """The same packet with some fields changed."""
        return Packet(self._fields, **changes)

    def frame(self) -> Packet:
        """What of it goes over a wire: no in_port, no registers, no tunnel metadata."""
        return Packet.of({name: value for name, value in self._fields.items() if name not in _METADATA})

    def tagged(self, vid: int) -> Packet:
        """The packet with (outer) VLAN `vid`, 0 to 4095."""
        return self.but(vlan_vid=f.VLAN_PRESENT | vid)


def _number(name: str, value: int | str) -> int:
    if name not in _KNOWN:
        raise ValueError(f"no field is called {name}")
    if isinstance(value, str):
        return value_of(name, value)
    if not 0 <= value < 1 << f.FIELDS["vlan_vid" if name == INNER_VLAN else name].bits:
        raise ValueError(f"{name}={value:#x} does not fit the field")
    return value


def _shown(name: str, value: int) -> str:
    return hex(value) if name == INNER_VLAN else value_text(name, value)


def ethernet(src: str, dst: str, eth_type: int = 0x88B5) -> Packet:
    """A frame of an EtherType that no table knows (0x88b5: IEEE 802's for local experiments)."""
    return Packet(eth_src=src, eth_dst=dst, eth_type=eth_type)


def arp_request(mac: str, ip: str, target: str) -> Packet:
    """Who has `target`? (RFC 826)"""
    return Packet(
        eth_src=mac, eth_dst=BROADCAST, eth_type=ETH_ARP, arp_op=ARP_REQUEST, arp_sha=mac, arp_spa=ip, arp_tpa=target
    )


def arp_reply(mac: str, ip: str, to_mac: str, to_ip: str) -> Packet:
    """`ip` is at `mac` (RFC 826)."""
    ends = {"eth_src": mac, "eth_dst": to_mac, "arp_sha": mac, "arp_spa": ip, "arp_tha": to_mac, "arp_tpa": to_ip}
    return Packet(ends, eth_type=ETH_ARP, arp_op=ARP_REPLY)


def neighbor_solicitation(mac: str, ip: str, target: str) -> Packet:
    """Who has `target`?  With the source link-layer address option (RFC 4861, 4.3), to the solicited-node group."""
    group = value_of("ipv6_dst", "ff02::1:ff00:0") | value_of("nd_target", target) & 0xFFFFFF
    return ipv6(mac, "33:33:00:00:00:00", ip, "::", ICMPV6).but(
        eth_dst=0x333300000000 | group & 0xFFFFFFFF,
        ipv6_dst=group,
        icmpv6_type=NEIGHBOR_SOLICITATION,
        nd_target=target,
        nd_sll=mac,
        nd_options_type=SOURCE_LINK_ADDRESS,
    )


def neighbor_advertisement(mac: str, ip: str, to_mac: str, to_ip: str) -> Packet:
    """`ip` is at `mac`, as an answer: solicited, override, with the target link-layer address (RFC 4861, 4.4)."""
    return ipv6(mac, to_mac, ip, to_ip, ICMPV6).but(
        icmpv6_type=NEIGHBOR_ADVERTISEMENT,
        nd_target=ip,
        nd_tll=mac,
        nd_options_type=TARGET_LINK_ADDRESS,
        nd_reserved=SOLICITED_OVERRIDE,
    )


def ipv4(src_mac: str, dst_mac: str, src: str, dst: str, proto: int = 17) -> Packet:
    """An IPv4 packet, UDP unless told."""
    return Packet(eth_src=src_mac, eth_dst=dst_mac, eth_type=ETH_IPV4, ip_proto=proto, ipv4_src=src, ipv4_dst=dst)


def ipv6(src_mac: str, dst_mac: str, src: str, dst: str, proto: int = 17) -> Packet:
    """An IPv6 packet, UDP unless told."""
    return Packet(eth_src=src_mac, eth_dst=dst_mac, eth_type=ETH_IPV6, ip_proto=proto, ipv6_src=src, ipv6_dst=dst)
