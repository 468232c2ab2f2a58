"""The model switch agrees with the real one: the same flows, the same packets, the same copies at the same ports."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

import pytest

from controller.core import flow as f
from controller.core import packet as p
from controller.core.flow import Flow, match
from controller.core.packet import Packet
from controller.core.prerequisites import NEEDS, OF_CONNECTION, READ_ONLY, refusal
from controller.core.simulate import Loop, ModelSwitch
from controller.core.text import format_flow, parse_flow
from tests.ovs.sandbox import Sandbox, SandboxError
from tests.ovs.trace import CONTROLLER, trace
from tests.random_flows import (
    A1,
    A2,
    B1,
    B2,
    GROUP,
    M1,
    M2,
    MAC1,
    MAC2,
    PORTS,
    TABLES,
    TO_CONTROLLER,
    address,
    some_flow,
    some_packet,
    some_table_space,
)

NAMES = {port: f"p{port}" for port in PORTS}


def install(host: Sandbox, flows: Iterable[Flow]) -> None:
    """Put these flows, and no others, into the switch, in our own text."""
    file = host.directory / "flows.txt"
    file.write_text("".join(format_flow(flow) + "\n" for flow in flows))
    host.ofctl("del-flows", "br0")
    host.ofctl("--bundle", "add-flows", "br0", str(file))


def agree(host: Sandbox, flows: list[Flow], packets: Iterable[Packet]) -> set[tuple[int, int | None]]:
    """Compare lookups and copies for every packet.  The result is the lookups that took place."""
    install(host, flows)
    switch = ModelSwitch(flows, NAMES)
    seen = set()
    for packet in packets:
        model = switch.run(packet)
        real = trace(host, "br0", packet, model.tracked)
        path = tuple((step.table, step.flow.priority if step.flow else None) for step in model.path)
        outputs = [(port, copy.frame()) for port, copy in model.outputs]
        assert path == real.path, real.text
        assert outputs == [out for out in real.outputs if out[0] != CONTROLLER], real.text
        punted = [frame for port, frame in real.outputs if port == CONTROLLER]
        assert [copy.frame() for _, copy in model.controller] == punted, real.text
        seen |= set(path)
    return seen


# ---------------------------------------------------------------------------------------------------------------------
# By hand: what our pipeline leans on


def untagged(in_port: int = 1) -> Packet:
    return p.ipv4(M1, M2, A1, A2).but(in_port=in_port)


ZONE_OF_REG5 = f.Ct(zone=f.Bits("reg5", 0, 16), table=1)
COMMIT_TO_4 = f.Ct(commit=True, zone=7, table=4, sets=(f.SetField("ct_mark", 5), f.Load("ct_label", 3, 5, 9)))
HAND_MADE: dict[str, tuple[list[Flow], list[Packet]]] = {
    "what a resubmitted-to flow changes stays changed": (
        [
            Flow(0, 1, (), [f.Load("reg0", 0, 16, 7), f.Resubmit(1), f.Output(2), f.Goto(2)]),
            Flow(1, 1, (), [f.Load("reg0", 0, 16, 8), f.SetField("eth_src", MAC2), f.Output(3)]),
            Flow(2, 1, match({"reg0": 8}), [f.Output(4)]),
            Flow(2, 2, match({"reg0": 7}), [f.Output(5)]),
        ],
        [untagged()],
    ),
    "goto inside a resubmitted table returns behind the resubmit": (
        [
            Flow(0, 1, (), [f.Resubmit(1), f.Output(5), f.Resubmit(3), f.Goto(4)]),
            Flow(1, 1, (), [f.Output(2), f.Goto(2)]),
            Flow(2, 1, (), [f.Load("reg1", 4, 4, 3), f.Output(3)]),
            Flow(4, 1, match({"reg1": (0x30, 0xF0)}), [f.Output(6)]),
        ],
        [untagged()],
    ),
    "a flood list leaves out the in_port, IN_PORT sends back": (
        [
            Flow(0, 2, match({"in_port": 6}), [f.Output(1), f.Output(f.IN_PORT), f.Output(9)]),
            Flow(0, 1, (), [f.Output(port) for port in PORTS]),
        ],
        [untagged(port) for port in PORTS],
    ),
    "output to a register's number": (
        [
            Flow(
                0, 1, (), [f.Load("reg2", 0, 16, 4), f.Load("reg2", 16, 16, 9), f.OutputReg("reg2", 0, 16), f.Goto(1)]
            ),
            Flow(1, 1, (), [f.OutputReg("reg2", 0, 32), f.OutputReg("reg3", 0, 16), f.Goto(2)]),
            Flow(2, 1, (), [f.Load("reg2", 0, 16, 0xFFF8), f.OutputReg("reg2", 0, 16)]),
        ],
        [untagged(1), untagged(4)],
    ),
    "VLAN: push, rewrite, pop, and what matches": (
        [
            Flow(
                0,
                9,
                match({"vlan_vid": 0x1005}),
                [f.SetField("vlan_vid", 0x1006), f.Output(2), f.PopVlan(), f.Output(3)],
            ),
            Flow(0, 8, match({"vlan_vid": 0x1000}), [f.PopVlan(), f.Output(2), f.Goto(1)]),
            Flow(
                0,
                7,
                match({"vlan_vid": (0x1000, 0x1000)}),
                [f.Output(4), f.PushVlan(), f.Output(5), f.PopVlan(), f.Output(6)],
            ),
            Flow(
                0,
                6,
                match({"vlan_vid": 0}),
                [f.PushVlan(), f.SetField("vlan_vid", 0x1007), f.Output(2), f.Goto(1)],
            ),
            Flow(1, 5, match({"vlan_vid": 0}), [f.Output(5)]),
            Flow(1, 4, match({"vlan_vid": (0x1001, 0x1001)}), [f.Output(6), f.Load("vlan_vid", 0, 4, 9), f.Output(3)]),
        ],
        [untagged(), *(untagged().tagged(vid) for vid in (0, 5, 6, 4095))],
    ),
    "masks and priorities": (
        [
            Flow(0, 9, match({"eth_dst": (1 << 40, 1 << 40)}), [f.Output(2)]),
            Flow(0, 8, match({"eth_type": 0x800, "ipv4_dst": (address("10.0.0.0"), 0xFFFFFFFE)}), [f.Output(3)]),
            Flow(0, 7, match({"eth_type": 0x800}), [f.Output(4)]),
            Flow(0, 6, match({"eth_type": 0x86DD, "ipv6_src": (1 << 127, 1 << 127)}), [f.Output(5)]),
            Flow(0, 0, (), []),
        ],
        [
            untagged(),
            p.ipv4(M1, GROUP, A1, A1).but(in_port=1),
            p.ipv4(M1, M2, A1, A1).but(in_port=1),
            p.ipv6(M1, M2, B1, B2).but(in_port=1),
            p.ethernet(M1, M2).but(in_port=1),
        ],
    ),
    "UDP ports, of both IP versions": (
        [
            Flow(0, 9, match({"eth_type": 0x800, "ip_proto": 17, "udp_src": 68, "udp_dst": 67}), [f.Output(2)]),
            Flow(0, 8, match({"eth_type": 0x86DD, "ip_proto": 17, "udp_dst": 547}), [f.Output(3)]),
            Flow(0, 7, match({"eth_type": 0x800, "ip_proto": 17}), [f.SetField("udp_dst", 9), f.Output(4), f.Goto(1)]),
            Flow(1, 1, match({"eth_type": 0x800, "ip_proto": 17, "udp_dst": (8, 8)}), [f.Output(5)]),
        ],
        [
            packet.but(in_port=1, **ports)
            for packet in (p.ipv4(M1, GROUP, A1, A1), p.ipv6(M1, M2, B1, B2), p.ipv4(M1, M2, A1, A1, 6))
            for ports in ({"udp_src": 68, "udp_dst": 67}, {"udp_dst": 547}, {"udp_src": 67, "udp_dst": 68}, {})
            if packet["ip_proto"] == 17 or not ports
        ],
    ),
    "an ARP responder": (
        [
            Flow(
                0,
                1,
                match({"eth_type": 0x806, "arp_op": 1, "arp_tpa": address(A2)}),
                [
                    f.Move("eth_src", "eth_dst"),
                    f.SetField("eth_src", MAC2),
                    f.SetField("arp_op", 2),
                    f.Move("arp_sha", "arp_tha"),
                    f.SetField("arp_sha", MAC2),
                    f.Move("arp_spa", "arp_tpa"),
                    f.SetField("arp_spa", address(A2)),
                    f.Output(f.IN_PORT),
                ],
            )
        ],
        [p.arp_request(M1, A1, A2).but(in_port=3), p.arp_request(M1, A1, A1).but(in_port=3)],
    ),
    "an ND responder, in two tables": (
        [
            Flow(
                0,
                1,
                match(
                    {"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0}
                    | {"nd_target": address(B2), "nd_options_type": 1}
                ),
                [f.Move("eth_src", "eth_dst"), f.SetField("eth_src", MAC2), f.Goto(1)],
            ),
            Flow(
                1,
                1,
                match({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 135, "icmpv6_code": 0}),
                [
                    f.Move("ipv6_src", "ipv6_dst"),
                    f.Move("nd_target", "ipv6_src"),
                    f.SetField("icmpv6_type", 136),
                    f.SetField("nd_options_type", 2),
                    f.SetField("nd_reserved", p.SOLICITED_OVERRIDE),
                    f.Resubmit(1),
                ],
            ),
            Flow(
                1,
                2,
                match({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 136, "icmpv6_code": 0}),
                [f.Move("eth_src", "nd_tll"), f.Output(f.IN_PORT)],
            ),
        ],
        [
            p.neighbor_solicitation(M1, B1, B2).but(in_port=3),
            p.neighbor_solicitation(M1, B1, B1).but(in_port=3),
            p.neighbor_solicitation(M1, "::", B2).but(in_port=3, nd_options_type=14, nd_sll=0),
        ],
    ),
    "copies for the controller, each as the packet was then": (
        [
            Flow(0, 1, (), [f.Output(2), TO_CONTROLLER, f.Resubmit(1), f.SetField("eth_dst", MAC1), f.Controller(0)]),
            Flow(1, 1, (), [f.SetField("eth_dst", MAC2), f.Output(3), TO_CONTROLLER]),
        ],
        [untagged()],
    ),
    "conjunctions": (
        [
            *(
                Flow(0, 9, match({"in_port": port}), [f.Conjunction(5, 1, 2), f.Conjunction(6, 1, 3)])
                for port in (1, 2)
            ),
            Flow(0, 9, match({"eth_type": 0x800, "ipv4_src": address(A1)}), [f.Conjunction(5, 2, 2)]),
            Flow(0, 9, match({"eth_type": 0x800, "ipv4_dst": address(A1)}), [f.Conjunction(6, 2, 3)]),
            Flow(0, 9, match({"eth_dst": MAC2}), [f.Conjunction(6, 3, 3)]),
            Flow(0, 8, match({"eth_src": MAC2}), [f.Output(6)]),
            Flow(0, 7, match({"conj_id": 5}), [f.Output(4), f.Goto(1)]),
            Flow(0, 6, match({"conj_id": 6, "in_port": 1}), [f.Output(5)]),
            Flow(0, 1, (), [f.Output(3)]),
            Flow(1, 1, match({"conj_id": 0}), [f.Output(5)]),
            Flow(1, 2, match({"conj_id": 5}), [f.Output(6)]),
        ],
        [
            p.ipv4(one, other, src, dst).but(in_port=port)
            for one, other in ((M1, M2), (M2, M1))
            for src, dst in ((A1, A2), (A2, A1), (A2, A2))
            for port in (1, 2, 3)
        ],
    ),
    "transport ports and ICMP types": (
        [
            Flow(0, 9, match({"eth_type": 0x800, "ip_proto": 6, "tcp_dst": (80, 0xFFF0)}), [f.Output(2)]),
            Flow(0, 8, match({"eth_type": 0x86DD, "ip_proto": 17, "udp_src": 53}), [f.Output(3)]),
            Flow(0, 7, match({"eth_type": 0x800, "ip_proto": 132, "sctp_src": (1, 1)}), [f.Output(4)]),
            Flow(0, 6, match({"eth_type": 0x800, "ip_proto": 1, "icmpv4_type": 8, "icmpv4_code": 0}), [f.Output(5)]),
            Flow(0, 5, match({"eth_type": 0x86DD, "ip_proto": 58, "icmpv6_type": 128}), [f.Output(6)]),
        ],
        [
            *(p.ipv4(M1, M2, A1, A2, proto=6).but(in_port=1, tcp_dst=port) for port in (79, 80, 95, 96)),
            *(p.ipv6(M1, M2, B1, B2).but(in_port=1, udp_src=port) for port in (53, 54)),
            *(p.ipv4(M1, M2, A1, A2, proto=132).but(in_port=1, sctp_src=port) for port in (1, 2)),
            *(p.ipv4(M1, M2, A1, A2, proto=1).but(in_port=1, icmpv4_type=kind) for kind in (8, 0)),
            *(p.ipv6(M1, M2, B1, B2, proto=58).but(in_port=1, icmpv6_type=kind) for kind in (128, 129)),
        ],
    ),
    "through the connection tracker, and around it": (
        [
            Flow(
                0, 1, match({"eth_type": 0x800}), [f.Load("reg5", 0, 16, 7), ZONE_OF_REG5, f.Output(2), f.Resubmit(2)]
            ),
            Flow(1, 9, match({"ct_state": (f.NEW | f.TRK, f.NEW | f.TRK)}), [f.Output(3), f.Resubmit(3)]),
            Flow(1, 8, match({"ct_state": (f.EST | f.TRK, f.EST | f.TRK | f.RPL), "ct_zone": 7}), [f.Output(4)]),
            Flow(1, 7, match({"ct_state": (f.INV, f.INV)}), [f.Output(5)]),
            Flow(1, 6, match({"ct_state": (f.RPL, f.RPL)}), [f.CtClear(), f.Goto(2)]),
            Flow(2, 2, match({"ct_state": 0, "ct_mark": 0}), [f.Output(6)]),
            Flow(2, 1, (), [f.Output(1)]),
            Flow(3, 1, match({"eth_type": 0x800, "ct_zone": 7}), [COMMIT_TO_4]),
            Flow(4, 1, match({"ct_state": (f.TRK, f.TRK), "reg5": 7}), [f.Output(5)]),
        ],
        [
            p.ipv4(M1, M2, A1, A2).but(in_port=1, udp_src=1, udp_dst=2),
            p.ipv4(M1, M2, A2, A1).but(in_port=3, udp_src=2, udp_dst=1),
            p.ipv4(M1, M2, A1, A2).but(in_port=1, udp_src=1, udp_dst=2),
            p.ipv4(M1, M2, A1, A2, proto=1).but(in_port=1, icmpv4_type=3),
            p.ipv6(M1, M2, B1, B2).but(in_port=1),
        ],
    ),
    "the in_port may be rewritten, and tunnel metadata": (
        [
            Flow(0, 1, (), [f.SetField("in_port", 5), f.SetField("tun_id", 5), f.Output(1), f.Output(5), f.Goto(1)]),
            Flow(1, 1, match({"tun_id": 5}), [f.Output(f.IN_PORT), f.SetField("tun_dst", 9), f.Goto(2)]),
            Flow(2, 1, match({"tun_dst": 9}), [f.Move("tun_dst", "reg5"), f.Goto(3)]),
            Flow(3, 1, match({"reg5": 9}), [f.Output(2)]),
        ],
        [untagged(1), untagged(2)],
    ),
}


@pytest.mark.parametrize("name", HAND_MADE)
def test_hand_made(host: Sandbox, name: str) -> None:
    flows, packets = HAND_MADE[name]
    agree(host, flows, packets)


def test_a_resubmit_without_end_is_given_up(host: Sandbox) -> None:
    """The switch drops all of it, what was sent before included; the model says that it is a loop."""
    flows = [Flow(0, 1, (), [f.Output(2), f.Resubmit(0)])]
    install(host, flows)
    assert trace(host, "br0", untagged()).outputs == ()
    with pytest.raises(Loop):
        ModelSwitch(flows, NAMES).run(untagged())


def test_as_many_resubmits_as_the_switch_follows(host: Sandbox) -> None:
    """64 deep is followed, 65 is not, here and there."""
    chain = [Flow(0, 1, match({"reg0": n}), [f.Load("reg0", 0, 32, n + 1), f.Resubmit(0)]) for n in range(64)]
    agree(host, [*chain, Flow(0, 1, match({"reg0": 64}), [f.Output(2)])], [untagged()])
    deeper = [*chain, Flow(0, 1, match({"reg0": 64}), [f.Load("reg0", 0, 32, 65), f.Resubmit(0)])]
    install(host, deeper)
    assert "max translation depth" in trace(host, "br0", untagged()).text
    with pytest.raises(Loop):
        ModelSwitch(deeper, NAMES).run(untagged())


@pytest.mark.parametrize("kind", ["vxlan", "gre", "geneve"])
@pytest.mark.parametrize(("local", "remote"), [("192.0.2.1", "192.0.2.9"), ("2001:db8::1", "2001:db8::9")])
def test_a_tunnel_port_takes_its_destination_and_id_from_the_flow(
    host: Sandbox, kind: str, local: str, remote: str
) -> None:
    family, name = ("ip6", "tun_ipv6_dst") if ":" in local else ("ip4", "tun_dst")
    underlay = "--may-exist add-br under -- set bridge under datapath_type=dummy fail_mode=standalone "
    host.vsctl(*(underlay + "-- --may-exist add-port under nic -- set Interface nic type=dummy").split())
    tunnel = f"--if-exists del-port t0 -- add-port br0 t0 -- set Interface t0 type={kind} ofport_request=20".split()
    host.vsctl(*tunnel, "options:remote_ip=flow", "options:key=flow")
    prefix = "/64" if ":" in local else "/24"
    host.appctl(f"netdev-dummy/{family}addr", "under", local + prefix)
    host.appctl("ovs/route/add", local + prefix, "under")
    host.appctl("tnl/neigh/set", "under", remote, M2)
    flows = [Flow(0, 1, (), [f.SetField("tun_id", 77), f.SetField(name, Packet(**{name: remote})[name]), f.Output(20)])]
    install(host, flows)
    ((port, copy),) = ModelSwitch(flows, NAMES | {20: "t0"}).run(untagged()).outputs
    assert (port, copy["tun_id"], copy[name]) == (20, 77, Packet(**{name: remote})[name])
    pushed = re.search(r"tnl_push\(.*", host.appctl("ofproto/trace", "br0", "in_port=1"))
    assert pushed, host.appctl("ofproto/trace", "br0", "in_port=1")
    assert f"dst={remote}," in pushed[0]
    assert re.search(r"vni=0x4d\b|key=0x4d\b", pushed[0])
    host.vsctl("del-port", "t0")


# ---------------------------------------------------------------------------------------------------------------------
# At random


@pytest.mark.parametrize("seed", range(8))
def test_random_flows_and_packets(host: Sandbox, seed: int) -> None:
    dice = random.Random(seed)
    flows = some_table_space(dice)
    seen = agree(host, flows, [some_packet(dice) for _ in range(30)])
    assert len(seen) > 25, "these packets met too few flows to say anything"


@pytest.mark.parametrize("seed", range(2))
def test_the_switch_refuses_what_the_model_refuses(host: Sandbox, seed: int) -> None:
    """Actions only: ovs-ofctl mends a match without prerequisites before it gets to the switch."""
    dice = random.Random(seed)
    host.ofctl("del-flows", "br0")
    drawn = (some_flow(dice, dice.randrange(TABLES), priority + 1, fit=False) for priority in range(150))
    fit = [flow for flow in drawn if refusal(Flow(flow.table, flow.priority, flow.match, ())) is None][:70]
    verdicts = {flow: _taken(host, flow) for flow in fit}
    assert {flow: reason is None for flow, reason in verdicts.items()} == {flow: refusal(flow) is None for flow in fit}
    assert len({refusal(flow) for flow in fit}) > 10


def _taken(host: Sandbox, flow: Flow) -> str | None:
    """What the switch has against a flow."""
    try:
        host.ofctl("add-flow", "br0", _literally(flow))
    except SandboxError as error:
        return str(error)
    return None


def _literally(flow: Flow) -> str:
    """The flow's text with set_field for vlan_vid: ovs-ofctl helps mod_vlan_vid with a push that is not in the flow."""
    return re.sub(
        r"mod_vlan_vid:(\d+)", lambda m: f"set_field:{f.VLAN_PRESENT | int(m[1])}->vlan_vid", format_flow(flow)
    )


def test_what_the_switch_prints_is_read_back(host: Sandbox) -> None:
    """Format, install, dump, parse: the very same flows, cookies included."""
    for seed in (1, 2):
        flows = {flow.slot: flow for flow in some_table_space(random.Random(seed))}
        install(host, flows.values())
        dumped = [line for line in host.ofctl("dump-flows", "br0").splitlines() if "actions=" in line]
        assert {flow.slot: flow for flow in map(parse_flow, dumped)} == flows


@pytest.mark.parametrize("name", f.FIELDS)
def test_every_field_has_the_name_and_the_width_that_the_switch_knows(host: Sandbox, name: str) -> None:
    """Match it and move it, with its prerequisites; set it, where it can be."""
    needed = dict(NEEDS[name][0]) if name in NEEDS else {"vlan_vid": 0x1001} if name == "vlan_vid" else {}
    if name in f.CT_TUPLE:
        needed |= {"ct_state": f.TRK | f.EST, "ct_nw_proto": 6}
    wanted = {**needed, name: needed.get(name, 1)} if name != "vlan_vid" else needed
    same = next((n for n in ("reg0", "eth_src") if f.FIELDS[n].bits == f.FIELDS[name].bits), name)
    written = [f.SetField(name, wanted[name]), f.Move(same, name)]
    flow = Flow(3, 7, match(wanted), [f.Move(name, same), *written])
    if name in OF_CONNECTION:
        flow = Flow(3, 7, match({**wanted, "eth_type": 0x800}), [f.Ct(commit=True, sets=tuple(written))])
    elif name in READ_ONLY:
        flow = Flow(3, 7, match(wanted), [f.Move(name, same)] if same != name else [])
    assert refusal(flow) is None
    install(host, [flow])
    (line,) = (line for line in host.ofctl("dump-flows", "br0").splitlines() if "actions=" in line)
    assert parse_flow(line) == flow
