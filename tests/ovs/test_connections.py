"""Connections in the model switch and in the real one: the same packets, the same states; and what ends connections."""

from __future__ import annotations

import random
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from types import NoneType

import pytest
from os_ken.ofproto import ofproto_v1_4 as ofp

from controller.core import flow as f
from controller.core import packet as p
from controller.core.effects import FlushConnections
from controller.core.flow import Flow, match
from controller.core.packet import Packet
from controller.core.prerequisites import refusal
from controller.core.simulate import Ambiguous, ModelSwitch, Result
from controller.core.spelling import value_text
from controller.core.text import format_flow
from controller.io.openflow import messages
from tests.ovs.link import Link
from tests.ovs.sandbox import PATIENCE, Sandbox, SandboxError
from tests.ovs.trace import trace
from tests.random_flows import A1, A2, B1, B2, M1, M2, PORTS

NAMES = {port: f"p{port}" for port in PORTS}
ZONE = 5
UDP = {"eth_type": 0x800, "ip_proto": 17}
IPV4, IPV6 = {"eth_type": 0x800}, {"eth_type": 0x86DD}


# ---------------------------------------------------------------------------------------------------------------------
# States: what the real connection tracker says


STATES = {
    2: (f.NEW | f.TRK, f.NEW | f.TRK),
    3: (f.EST | f.TRK, f.EST | f.TRK | f.RPL),
    4: (f.EST | f.TRK | f.RPL, f.EST | f.TRK | f.RPL),
    5: (f.INV | f.TRK, f.INV | f.TRK),
}
"""The port by which packets of a state leave."""


def by_state(mark: int = 0) -> list[Flow]:
    """All IP through ZONE; what is new is committed, with a mark."""
    keep = f.Ct(commit=True, zone=ZONE, sets=(f.SetField("ct_mark", mark),) if mark else ())
    flows = []
    for ip in (IPV4, IPV6):
        flows.append(Flow(0, 1, match(ip), [f.Ct(zone=ZONE, table=1)]))
        for port, state in STATES.items():
            actions = [keep, f.Output(port)] if port == 2 else [f.Output(port)]
            flows.append(Flow(1, 1, match({**ip, "ct_state": state}), actions))
    return flows


def conversation() -> list[Packet]:
    """UDP, TCP's handshake, pings, and what is of no connection, over IPv4 and IPv6."""
    asks = p.ipv4(M1, M2, A1, A2).but(udp_src=1000, udp_dst=53)
    answers = p.ipv4(M2, M1, A2, A1).but(udp_src=53, udp_dst=1000)
    asks6 = p.ipv6(M1, M2, B1, B2).but(udp_src=1000, udp_dst=53)
    answers6 = p.ipv6(M2, M1, B2, B1).but(udp_src=53, udp_dst=1000)
    ping = p.ipv4(M1, M2, A1, A2, proto=1).but(icmpv4_type=8)
    pong = p.ipv4(M2, M1, A2, A1, proto=1)
    ping6 = p.ipv6(M1, M2, B1, B2, proto=58).but(icmpv6_type=128)
    pong6 = p.ipv6(M2, M1, B2, B1, proto=58).but(icmpv6_type=129)
    udp = [asks, asks, answers, asks, asks.but(udp_src=1001), answers6, asks6, answers6]
    return [*udp, pong, ping, ping, pong, ping, pong6, ping6, pong6, ping6]


def sent(host: Sandbox) -> dict[int, int]:
    """Packets that each port has sent."""
    text = host.ofctl("dump-ports", "br0")
    return {int(port): int(packets) for port, packets in re.findall(r"port +(\d):.*\n +tx pkts=(\d+),", text)}


def left_by(host: Sandbox, packet: Packet, more: str = "") -> int:
    """Let a packet in at port 1; the result is the port by which it left."""
    before = sent(host)
    host.appctl("netdev-dummy/receive", "p1", datapath_key(packet) + more)
    host.wait(lambda: sent(host) != before, f"{packet} to leave")
    (port,) = {port for port, count in sent(host).items() if count != before[port]}
    return port


def datapath_key(packet: Packet) -> str:
    """A packet in the datapath's words, as netdev-dummy/receive wants it."""
    said = {name: value_text(name, value) for name, value in packet.items()}
    ip, rest = ("ipv4", "tos=0,ttl=64") if packet["eth_type"] == 0x800 else ("ipv6", "label=0,tclass=0,hlimit=64")
    transport = {
        1: f"icmp(type={packet['icmpv4_type']},code=0)",
        6: f"tcp(src={packet['tcp_src']},dst={packet['tcp_dst']})",
        17: f"udp(src={packet['udp_src']},dst={packet['udp_dst']})",
        58: f"icmpv6(type={packet['icmpv6_type']},code=0)",
    }
    return (
        f"in_port(1),eth(src={said['eth_src']},dst={said['eth_dst']}),eth_type({said['eth_type']}),"
        f"{ip}(src={said[f'{ip}_src']},dst={said[f'{ip}_dst']},proto={said['ip_proto']},{rest},frag=no),"
        f"{transport[packet['ip_proto']]}"
    )


def test_a_conversation_has_the_same_states_here_and_there(host: Sandbox, link: Link) -> None:
    link.carry_out(*by_state())
    switch = ModelSwitch(by_state(), NAMES)
    packets = [packet.but(in_port=1) for packet in conversation()]
    model = [switch.run(packet).ports for packet in packets]
    assert {port for ports in model for port in ports} == set(STATES)
    assert [(left_by(host, packet),) for packet in packets] == model


def test_tcp_is_new_until_it_is_answered(host: Sandbox, link: Link) -> None:
    link.carry_out(*by_state())
    switch = ModelSwitch(by_state(), NAMES)
    out = p.ipv4(M1, M2, A1, A2, proto=6).but(in_port=1, tcp_src=1000, tcp_dst=80)
    back = p.ipv4(M2, M1, A2, A1, proto=6).but(in_port=1, tcp_src=80, tcp_dst=1000)
    for packet, flags in ((out, "syn"), (out, "syn"), (back, "syn|ack")):
        assert (left_by(host, packet, f",tcp_flags({flags})"),) == switch.run(packet).ports


def test_the_mark_and_the_label_are_the_connections(host: Sandbox, link: Link) -> None:
    sets = (f.SetField("ct_mark", 7), f.Load("ct_label", 64, 8, 3), f.Move("reg6", "ct_mark"))
    of = {"ct_state": (f.TRK, f.TRK), "ct_mark": 9, "ct_label": (3 << 64, 0xFF << 64)}
    flows = [
        Flow(0, 1, match(IPV4), [f.Load("reg6", 0, 32, 9), f.Ct(zone=ZONE, table=1)]),
        Flow(1, 2, match({**IPV4, **of}), [f.Output(4)]),
        Flow(1, 1, match(IPV4), [f.Ct(True, ZONE, 2, sets), f.Output(3)]),
        Flow(2, 1, match({**IPV4, **of, "ct_zone": ZONE}), [f.Output(5)]),
    ]
    link.carry_out(*flows)
    switch = ModelSwitch(flows, NAMES)
    packet = conversation()[0].but(in_port=1)
    for wanted in ({3: 1, 5: 1}, {4: 1}):
        before = sent(host)
        host.appctl("netdev-dummy/receive", "p1", datapath_key(packet))
        host.wait(lambda: sum(sent(host).values()) == sum(before.values()) + sum(wanted.values()), "its copies")  # noqa: B023
        assert {port: n - before[port] for port, n in sent(host).items() if n != before[port]} == wanted
        assert sorted(switch.run(packet).ports) == sorted(wanted)


# ---------------------------------------------------------------------------------------------------------------------
# Recirculation, at random: the model says what the tracker says, ofproto/trace what follows from it


VALUES: dict[str, list[int | tuple[int, int]]] = {
    "in_port": [1, 2, 3],
    "reg0": [0, 1, 2],
    "ct_state": [0, f.NEW | f.TRK, (f.TRK, f.TRK), (0, f.RPL), (f.EST, f.EST | f.NEW), (f.INV, f.INV)],
    "ct_zone": [0, 5, 6],
    "udp_src": [1, 2, (2, 2)],
    "udp_dst": [1, 2],
    "ipv4_src": [0x0A000001, 0x0A000002],
}
CLAUSES = tuple(f.Conjunction(id, clause, 2) for id in (1, 2) for clause in (1, 2))
BOTH = tuple((f.Conjunction(1, one, 2), f.Conjunction(2, other, 2)) for one in (1, 2) for other in (1, 2))


def some_flow(dice: random.Random, table: int, priority: int) -> Flow:
    names = dice.sample(list(VALUES), dice.choice([0, 1, 1, 2]))
    wanted = {**UDP, **{name: dice.choice(VALUES[name]) for name in names}}
    if dice.random() < 0.2:
        return Flow(table, priority, match(wanted), dice.choice([*((clause,) for clause in CLAUSES), *BOTH]))
    if dice.random() < 0.4:
        wanted["conj_id"] = dice.choice([1, 2])
    later = range(table + 1, 5)
    choices = [
        f.Output(dice.choice(PORTS)),
        f.Load("reg0", 0, 2, dice.randrange(3)),
        f.Load("reg1", 0, 16, dice.choice([5, 6])),
        f.Ct(dice.random() < 0.6, dice.choice([5, 6, f.Bits("reg1", 0, 16)]), dice.choice([None, *later])),
        f.CtClear(),
        f.Move("ct_state", "reg0"),
        f.Resubmit(dice.choice(later)),
    ]
    actions = [dice.choice(choices) for _ in range(dice.randrange(1, 5))]
    if later and dice.random() < 0.5:
        actions.append(f.Ct(dice.random() < 0.6, 5, table + 1))
    return Flow(table, priority, match(wanted), [*actions, f.Goto(dice.choice(later))] if later else [f.Output(6)])


def some_table_space(dice: random.Random) -> list[Flow]:
    """Flows that the switch takes; the more a plain flow matches on, the higher is its priority, which is its own."""
    made: list[Flow] = []
    for table in range(4):
        drawn = [flow for flow in (some_flow(dice, table, 1) for _ in range(60)) if refusal(flow) is None]
        drawn.sort(key=lambda flow: len(flow.match))
        for n, flow in enumerate(drawn):
            joint = isinstance(flow.actions[0], f.Conjunction)
            made.append(Flow(table, dice.choice([60, 200]) if joint else 3 * n + 1, flow.match, flow.actions))
    return list({flow.slot: flow for flow in made}.values())


def test_random_flows_and_connections(host: Sandbox) -> None:
    """Six table spaces: together they meet every answer of the tracker, and conjunctions."""
    told: set[int] = set()
    joint = 0
    for dice in map(random.Random, range(6)):
        flows = some_table_space(dice)
        host.ofctl("del-flows", "br0")
        (host.directory / "flows.txt").write_text("".join(format_flow(flow) + "\n" for flow in flows))
        host.ofctl("--bundle", "add-flows", "br0", str(host.directory / "flows.txt"))
        switch = ModelSwitch(flows, NAMES)
        for _ in range(40):
            model = agree(host, switch, some_packet(dice))
            told |= set(model.tracked)
            joint += sum(any(name == "conj_id" for name, *_ in step.flow.match) for step in model.path if step.flow)
    assert told >= {f.NEW | f.TRK, f.EST | f.TRK, f.EST | f.RPL | f.TRK}
    assert joint > 10


def some_packet(dice: random.Random) -> Packet:
    ends = dice.choice([(A1, A2), (A2, A1)])
    ports = {"udp_src": dice.choice([1, 2]), "udp_dst": dice.choice([1, 2])}
    return p.ipv4(M1, M2, *ends).but(in_port=dice.choice([1, 2, 3]), **ports)


def agree(host: Sandbox, switch: ModelSwitch, packet: Packet) -> Result:
    """The result in the model, which is that of the switch; nothing where the switch may do one thing or another."""
    try:
        model = switch.run(packet)
    except Ambiguous:
        return Result((), (), ())
    real = trace(host, "br0", packet, model.tracked)
    assert tuple((step.table, step.flow.priority if step.flow else None) for step in model.path) == real.path, real.text
    assert [(port, copy.frame()) for port, copy in model.outputs] == list(real.outputs), real.text
    return model


# ---------------------------------------------------------------------------------------------------------------------
# What ends connections


def begun(host: Sandbox) -> set[tuple[str, int, int]]:
    """The connections that are there, as (source, source port, zone)."""
    text = host.appctl("dpctl/dump-conntrack")
    return {
        (source, int(port), int(zone))
        for source, port, zone in re.findall(r"orig=\(src=([^,]+),.*?sport=(\d+),.*?zone=(\d+)", text)
    }


def begin(host: Sandbox, link: Link) -> set[tuple[str, int, int]]:
    """Three connections, with IPv4 and IPv6, in two zones each."""
    ways = [f.Ct(commit=True, zone=zone) for zone in (ZONE, 6)]
    link.carry_out(*(Flow(0, 1, match(ip), [*ways, f.Output(2)]) for ip in (IPV4, IPV6)))
    four, six = p.ipv4(M1, M2, A1, A2).but(udp_dst=53), p.ipv6(M1, M2, B1, B2).but(udp_dst=53, udp_src=1000)
    for packet in (four.but(udp_src=1000), four.but(udp_src=1001), six):
        left_by(host, packet.but(in_port=1))
    made = {(source, port, zone) for zone in (ZONE, 6) for source, port in ((A1, 1000), (A1, 1001), (B1, 1000))}
    assert begun(host) == made
    return made


@pytest.mark.parametrize(
    ("wanted", "ends"),
    [
        ({}, {(A1, 1000), (A1, 1001), (B1, 1000)}),
        ({"ip_proto": 17, "src": A1, "dst": A2, "src_port": 1000, "dst_port": 53}, {(A1, 1000)}),
        ({"src": A1}, {(A1, 1000), (A1, 1001)}),
        ({"ip_proto": 17, "dst": B2}, {(B1, 1000)}),
        ({"ip_proto": 6, "src": A1}, set()),
        ({"ip_proto": 17, "src": A2}, set()),
        ({"ip_proto": 17, "src_port": 1001}, {(A1, 1001)}),
    ],
)
def test_connections_are_ended_in_their_zone_and_no_other(
    host: Sandbox, link: Link, wanted: dict[str, str | int], ends: set[tuple[str, int]]
) -> None:
    made = begin(host, link)
    link.session.flush_connections(FlushConnections(link.session.dpid, ZONE, **wanted))
    left = made - {(*end, ZONE) for end in ends}
    link.carry_out(serial=2)
    host.wait(lambda: begun(host) == left, f"{left}, there are {begun(host)}")


@pytest.mark.parametrize(
    ("flush", "said"),
    [
        (FlushConnections(0, 5), ("ct-flush-zone", "5")),
        (
            FlushConnections(0, 7, 17, A1, A2, 1000, 53),
            ("ct-flush", "zone=7", f"ct_nw_src={A1},ct_nw_dst={A2},ct_nw_proto=17,ct_tp_src=1000,ct_tp_dst=53"),
        ),
        (
            FlushConnections(0, 7, 6, "", B1, 0, 0),
            ("ct-flush", "zone=7", f"ct_ipv6_dst={B1},ct_nw_proto=6"),
        ),
    ],
)
def test_our_bytes_are_ovs_ofctls(
    host: Sandbox, tmp_path: object, flush: FlushConnections, said: tuple[str, ...]
) -> None:
    """os-ken has no such message: ovs-ofctl is the oracle.  A socket of ours stands for the bridge."""
    assert sent_by_ofctl(host, said)[8:] == messages.flush_connections(flush, 1)[8:]


def sent_by_ofctl(host: Sandbox, said: tuple[str, ...]) -> bytes:
    """The experimenter message that an ovs-ofctl command sends."""
    place = host.directory / "ear"
    with socket.socket(socket.AF_UNIX) as ear, ThreadPoolExecutor(1) as other:
        ear.bind(str(place))
        ear.listen()
        ear.settimeout(PATIENCE)
        command, *rest = said
        done = other.submit(host.ofctl, command, f"unix:{place}", *rest)
        bridge, _ = ear.accept()
        with bridge, bridge.makefile("rb") as heard:
            bridge.sendall(messages.hello(1))
            while True:
                head = heard.read(8)
                body = heard.read(int.from_bytes(head[2:4], "big") - 8)
                if head[1] == ofp.OFPT_EXPERIMENTER:
                    break
        assert isinstance(done.exception(), SandboxError | NoneType)  # it may have waited for an answer
    place.unlink()
    return head + body
