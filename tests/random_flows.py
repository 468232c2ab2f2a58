"""Random flows that a switch takes, and packets that meet them: few values a field, so that they match."""

from __future__ import annotations

import random

from controller.core import flow as f
from controller.core import packet as p
from controller.core.flow import Flow, match
from controller.core.packet import Packet
from controller.core.prerequisites import NEEDS, refusal

PORTS = range(1, 7)
M1, M2, GROUP = "fa:16:3e:00:00:01", "fa:16:3e:00:00:02", "01:00:5e:00:00:01"
MAC1, MAC2 = 0xFA163E000001, 0xFA163E000002
A1, A2 = "10.0.0.1", "10.0.0.2"
B1, B2 = "fd00::1", "fd00::2"
TO_CONTROLLER = f.Controller()


def address(text: str) -> int:
    """The number of an IPv4 or IPv6 address."""
    return Packet(ipv6_src=text)["ipv6_src"] if ":" in text else Packet(ipv4_src=text)["ipv4_src"]


VALUES: dict[str, list[int]] = {
    "in_port": [1, 2, 3],
    "tun_id": [0, 5],
    "tun_dst": [0, 9],
    **{f"reg{n}": [0, 1, 2, 3] for n in range(4)},
    "eth_dst": [MAC1, MAC2, 0x01005E000001],
    "eth_src": [MAC1, MAC2],
    "eth_type": [0x800, 0x806, 0x86DD],
    "vlan_vid": [0, 0x1000, 0x1005, 0x1006],
    "ip_proto": [17, 58],
    "ipv4_src": [address(A1), address(A2)],
    "ipv4_dst": [address(A1), address(A2)],
    "arp_op": [1, 2],
    "arp_spa": [address(A1), address(A2)],
    "arp_tpa": [address(A1), address(A2)],
    "arp_sha": [MAC1, MAC2],
    "arp_tha": [0, MAC1],
    "ipv6_src": [address(B1), address(B2)],
    "ipv6_dst": [address(B1), address(B2)],
    "icmpv6_type": [135, 136],
    "icmpv6_code": [0, 1],
    "nd_target": [address(B1), address(B2)],
    "nd_sll": [MAC1, MAC2],
    "nd_tll": [MAC1, MAC2],
    "nd_reserved": [0, p.SOLICITED_OVERRIDE],
    "nd_options_type": [1, 2],
}
"""Few values each, so that random packets meet random matches."""
TABLES = 5
UNREADABLE = "nd_options_type"
"""Open vSwitch (3.1) copies 0 out of it, whatever it is; no flow of ours does."""


def some_match(dice: random.Random) -> f.Match:
    """Up to three fields, some under a mask, mostly together with what they need."""
    wanted: dict[str, int | tuple[int, int]] = {}
    for name in dice.sample(list(VALUES), dice.choice([0, 1, 1, 2, 3])):
        value = dice.choice(VALUES[name])
        mask = dice.choice([0x1000, 1, 0xFF]) & (1 << f.FIELDS[name].bits) - 1
        wanted[name] = (value & mask, mask) if dice.random() < 0.2 and mask else value
        if dice.random() < 0.95 and name in NEEDS:
            wanted = {**dict(dice.choice(NEEDS[name])), **wanted}
    return match(wanted)


def some_action(dice: random.Random, table: int) -> f.Action:
    name, other = dice.choice(list(VALUES)), dice.choice(list(VALUES))
    bits = dice.choice([1, 4, 16])
    return dice.choice(
        [
            f.Output(dice.choice([*PORTS, f.IN_PORT, 99])),
            f.OutputReg(f"reg{dice.randrange(4)}", 0, dice.choice([16, 32])),
            TO_CONTROLLER,
            f.SetField(name, dice.choice(VALUES[name])),
            f.SetField(f"reg{dice.randrange(4)}", dice.randrange(4)),
            f.Load(name, dice.choice([0, 0, 3]), bits, dice.randrange(1 << bits)),
            f.Load(f"reg{dice.randrange(4)}", 0, 2, dice.randrange(4)),
            f.Move(name if name != UNREADABLE else other, other),
            f.Move(f"reg{dice.randrange(4)}", f"reg{dice.randrange(4)}"),
            f.PushVlan(),
            f.PopVlan(),
            f.Resubmit(table + 1),
            f.Resubmit(dice.randrange(table, TABLES) + 1),
        ]
    )


def some_flow(dice: random.Random, table: int, priority: int, *, fit: bool = True) -> Flow:
    """A flow; a `fit` one has only actions that its match allows."""
    matched, actions = some_match(dice), []
    for _ in range(dice.randrange(12)):
        action = some_action(dice, table)
        if not fit or refusal(Flow(table, 1, matched, [*actions, action])) is None:
            actions.append(action)
    if dice.random() < 0.7:
        actions.append(f.Goto(dice.randrange(table, TABLES) + 1))
    return Flow(table, priority, matched, actions, dice.choice([0, 60]))


def some_table_space(dice: random.Random) -> list[Flow]:
    """Flows that the switch takes; in a table, each has its own priority, the higher the more it matches on."""
    made = []
    for table in range(TABLES):
        drawn = [flow for flow in (some_flow(dice, table, 1) for _ in range(80)) if refusal(flow) is None]
        drawn.sort(key=lambda flow: len(flow.match))
        made += [Flow(table, n + 1, flow.match, flow.actions, flow.idle_timeout) for n, flow in enumerate(drawn)]
    return made


def some_packet(dice: random.Random) -> Packet:
    one, other = dice.sample([M1, M2], 2)
    packet = dice.choice(
        [
            p.arp_request(one, A1, A2),
            p.arp_reply(one, A2, other, A1),
            p.neighbor_solicitation(one, B1, B2),
            p.neighbor_advertisement(one, B2, other, B1),
            p.ipv4(one, dice.choice([other, GROUP]), A1, A2),
            p.ipv6(one, other, B1, B2),
            p.ethernet(one, other),
        ]
    ).but(in_port=dice.choice([1, 2, 3]))
    return packet.tagged(dice.choice([0, 5, 6])) if dice.random() < 0.4 else packet
