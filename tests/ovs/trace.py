"""What Open vSwitch itself says about a packet: `ofproto/trace`, read into the model switch's terms."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from controller.core import flow as f
from controller.core.packet import INNER_VLAN, Packet
from controller.core.spelling import SHORT_OF, SPELLING, value_of
from controller.core.text import format_match
from tests.ovs.sandbox import Sandbox

CONTROLLER = "controller"
_SET = {
    "eth": {"src": "eth_src", "dst": "eth_dst"},
    "ipv4": {"src": "ipv4_src", "dst": "ipv4_dst"},
    "ipv6": {"src": "ipv6_src", "dst": "ipv6_dst"},
    "udp": {"src": "udp_src", "dst": "udp_dst"},
    "tcp": {"src": "tcp_src", "dst": "tcp_dst"},
    "arp": {"op": "arp_op", "sip": "arp_spa", "tip": "arp_tpa", "sha": "arp_sha", "tha": "arp_tha"},
    "icmpv6": {"type": "icmpv6_type", "code": "icmpv6_code"},
    "nd": {"target": "nd_target", "sll": "nd_sll", "tll": "nd_tll"},
    "nd_ext": {"nd_reserved": "nd_reserved", "nd_options_type": "nd_options_type"},
}
"""The datapath's set actions: their keys, as fields.  Keys of other headers' fields (ttl, tos) are not ours."""


class Trace(NamedTuple):
    """The lookups as (table, priority; None: a miss), and the copies that leave as (port or CONTROLLER, frame)."""

    path: tuple[tuple[int, int | None], ...]
    outputs: tuple[tuple[int | str, Packet], ...]
    text: str


def trace(host: Sandbox, bridge: str, packet: Packet, ct_states: Iterable[int] = ()) -> Trace:
    """Ask a switch what it would do with a packet.  Datapath port numbers must be the OpenFlow ones.

    `ct_states` are what its connection tracker is to say, in the order of the copies that come back from there.
    """
    told = [
        word for state in ct_states for word in ("--ct-next", ",".join(n for n, b in f.CT_FLAGS.items() if state & b))
    ]
    text = host.appctl("ofproto/trace", bridge, key(packet), *told)
    actions = re.findall(r"^Datapath actions: (.*)$", text, re.MULTILINE)
    names = ["", *re.findall(r"^recirc\((0x[0-9a-f]+)\)", text, re.MULTILINE)]
    assert len(actions) == len(names) > 0, text
    frames, outputs = {"": packet.frame()}, []
    for name, listed in zip(names, actions, strict=True):
        outputs += _outputs(listed, frames[name], frames)
    return Trace(tuple(_path(text)), tuple(outputs), text)


def key(packet: Packet) -> str:
    """A packet as ofproto/trace wants it: like a match, with every field under its full name."""
    text = format_match(f.match(packet.fields()))
    for (_, proto, name), word in SHORT_OF.items():
        if proto == packet["ip_proto"]:
            text = re.sub(rf"\b{word}=", f"{SPELLING[name].target}=", text)
    return text


def _path(text: str) -> list[tuple[int, int | None]]:
    """The lookups: ` 0. icmp6,icmp_type=135, priority 10` each; a priority that is not said is the default one."""
    found = []
    for table, words in re.findall(r"^ +(\d+)\. (.*)$", text, re.MULTILINE):
        priority = re.search(r"priority (\d+)", words)
        miss = words.startswith("No match")
        found.append((int(table), None if miss else int(priority[1]) if priority else 32768))
    return found


def _outputs(actions: str, frame: Packet, later: dict[str, Packet]) -> list[tuple[int | str, Packet]]:
    """Carry datapath actions out on a frame; what is to come back from the connection tracker is put in `later`."""
    found: list[tuple[int | str, Packet]] = []
    for action in _split(actions):
        name, _, rest = action.partition("(")
        if name.isdigit():
            found.append((int(name), frame))
        elif name == "userspace" and "controller(" in rest:
            found.append((CONTROLLER, frame))
        elif name == "push_vlan":
            vid = int(re.search(r"vid=(\d+)", rest)[1])
            frame = frame.but(inner_vlan=frame["vlan_vid"], vlan_vid=f.VLAN_PRESENT | vid)
        elif name == "pop_vlan":
            frame = frame.but(vlan_vid=frame[INNER_VLAN], inner_vlan=0)
        elif name == "set":
            frame = _written(frame, rest[:-1])
        elif name == "recirc":
            later[rest[:-1]] = frame
        elif name not in ("drop", "ct", "ct_clear") and not name.startswith("meter"):
            raise AssertionError(f"ofproto/trace says {action}, which this test does not read")
    return found


def _written(frame: Packet, header: str) -> Packet:
    """A set action carried out: `eth(src=..,dst=..)`, where a value may have a mask."""
    name, _, rest = header.partition("(")
    for pair in rest.rstrip(")").split(","):
        key, value = pair.split("=", 1)
        if key in _SET[name]:
            field, (bits, _, mask) = _SET[name][key], value.partition("/")
            kept = frame[field] & ~value_of(field, mask) if mask else 0
            frame = frame.but(**{field: kept | value_of(field, bits)})
    return frame


def _split(actions: str) -> list[str]:
    """The actions between the commas that are outside all parentheses."""
    found, depth = [""], 0
    for char in actions:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            found.append("")
        else:
            found[-1] += char
    return found
