"""Our sessions and bytes against the real switch: the second oracle of law 8, beside os-ken."""

from __future__ import annotations

import random
import re
import socket
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from controller.core import flow as f
from controller.core.counters import Counters
from controller.core.effects import FlowMods, PacketOut
from controller.core.events import (
    Acknowledged,
    FlowRemoved,
    Installed,
    PacketIn,
    PortDesc,
    PortStatus,
    Reread,
    SwitchError,
)
from controller.core.flow import Flow, Meter, match
from controller.core.packet import arp_request
from controller.core.prerequisites import NEEDS, refusal
from controller.core.text import format_flow
from controller.io.openflow import encode
from controller.io.openflow.session import Closed, Session
from tests.ovs.link import Link
from tests.ovs.sandbox import Sandbox
from tests.random_flows import A1, A2, M1, some_table_space

EVERY_TABLE = frozenset(range(254))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with Sandbox(tmp_path_factory.mktemp("ovs")) as sandbox:
        sandbox.vsctl("add-br", "text", "--", "set", "bridge", "text", "datapath_type=dummy", "fail_mode=secure")
        yield sandbox


@pytest.fixture
def link(host: Sandbox) -> Iterator[Link]:
    """A session on a new bridge br0 with port 1, p1."""
    bridge = "add-br br0 -- set bridge br0 datapath_type=dummy fail_mode=secure protocols=OpenFlow10,OpenFlow14"
    port = "-- add-port br0 p1 -- set Interface p1 type=dummy ofport_request=1"
    host.vsctl(*bridge.split(), *port.split())
    link = Link(host)
    yield link
    link.close()
    host.vsctl("del-br", "br0")


def dumped(host: Sandbox, bridge: str) -> list[str]:
    """A bridge's flows as ovs-ofctl prints them, without what differs from time to time."""
    lines = host.ofctl("--no-stats", "dump-flows", bridge).splitlines()
    return sorted(line.strip() for line in lines if "actions=" in line)


def as_text(host: Sandbox, flows: Iterable[Flow]) -> list[str]:
    """What the bridge holds when ovs-ofctl reads our text of these flows (and their cookies)."""
    file = host.directory / "flows.txt"
    flag = {True: "send_flow_rem,", False: ""}
    lines = [f"cookie={flow.cookie:#x},{flag[bool(flow.idle_timeout)]}{format_flow(flow)}\n" for flow in flows]
    file.write_text("".join(lines))
    host.ofctl("del-flows", "text")
    host.ofctl("--bundle", "add-flows", "text", str(file))
    return dumped(host, "text")


def entries(flows: Iterable[Flow]) -> set[Installed]:
    """How flows of ours are read back: what they do is told by the digest of their bytes."""
    return {Installed(flow.table, flow.priority, flow.cookie, "", (), encode.digest(flow)) for flow in flows}


# ---------------------------------------------------------------------------------------------------------------------
# Our bytes mean what our text means


@pytest.mark.parametrize("seed", range(6))
def test_drawn_flows_are_what_their_text_says(host: Sandbox, link: Link, seed: int) -> None:
    flows = some_table_space(random.Random(seed))
    link.carry_out(*flows)
    assert dumped(host, "br0") == as_text(host, flows)


@pytest.mark.parametrize("name", f.FIELDS)
def test_every_field_is_matched_set_and_moved(host: Sandbox, link: Link, name: str) -> None:
    needed = dict(NEEDS[name][0]) if name in NEEDS else {"vlan_vid": 0x1001} if name == "vlan_vid" else {}
    if name in f.CT_TUPLE:
        needed |= {"ct_state": f.TRK | f.EST, "ct_nw_proto": 6}
    value = needed.get(name, 2)
    same = next((n for n in ("reg0", "eth_src", "tun_id") if f.FIELDS[n].bits == f.FIELDS[name].bits), name)
    actions = [f.Move(same, name), f.SetField(name, value)]
    offered = [
        Flow(1, 1, match({**needed, name: value}), ()),
        Flow(1, 2, match({**needed, name: (value, value)}), ()),
        Flow(1, 3, match({**needed, name: value}), actions),
        Flow(1, 4, match({**needed, name: value}), [f.Load(name, 0, 1, 1), f.OutputReg(name, 0, 1)]),
    ]
    flows = [flow for flow in offered if refusal(flow) is None]
    link.carry_out(*flows)
    assert dumped(host, "br0") == as_text(host, flows)


def test_what_is_installed_is_read_back(host: Sandbox, link: Link) -> None:
    """A new session finds the same flows; those of reactive tables that end when idle with their exact fields."""
    flows = [flow for seed in (1, 2) for flow in some_table_space(random.Random(seed))]
    flows = list({flow.slot: flow for flow in flows}.values())
    link.carry_out(*flows)
    again = Link(host)
    assert set(again.up.installed) == entries(flows)
    again.close()
    whole = Link(host, reactive=EVERY_TABLE)
    exact = {flow.cookie: {n: v for n, v, mask in flow.match if mask is None and flow.idle_timeout} for flow in flows}
    assert any(exact.values())
    assert {entry.cookie: dict(entry.fields) for entry in whole.up.installed} == exact
    whole.close()


def test_flows_are_removed_by_cookie_and_those_of_others_by_slot(host: Sandbox, link: Link) -> None:
    flows = some_table_space(random.Random(9))
    link.carry_out(*flows)
    foreign = [
        "cookie=7,table=1,priority=9,tcp,nw_dst=10.0.0.0/8,tp_dst=80",
        "cookie=8,table=2,priority=9,ct_state=+trk",
    ]
    for text in foreign:
        host.ofctl("add-flow", "br0", text + " actions=drop")
    reread = link.next(Reread)
    unknown = [entry[:4] for entry in reread.installed if entry.match]
    assert len(unknown) == 2
    gone = {flow.slot for flow in flows[::2]}
    remove = tuple((flow.table, flow.cookie) for flow in flows[::2])
    link.carry_out(serial=2, remove=remove, foreign=(unknown[0],))
    left = as_text(host, [flow for flow in flows if flow.slot not in gone])
    kept = [line for line in dumped(host, "br0") if line not in left]
    assert len(kept) == 1
    assert kept[0].startswith("cookie=0x7" if unknown[0][2] == 8 else "cookie=0x8")


# ---------------------------------------------------------------------------------------------------------------------
# What the switch tells


def test_ports_are_told(host: Sandbox, link: Link) -> None:
    assert {port.name for port in link.up.ports} == {"br0", "p1"}
    host.vsctl("add-port", "br0", "p2", "--", "set", "Interface", "p2", "type=dummy", "ofport_request=7")
    added = link.next(PortStatus)
    assert (added.port.number, added.port.name, added.removed) == (7, "p2", False)
    assert re.fullmatch("(..:){5}..", added.port.mac)
    host.vsctl("del-port", "p2")
    while not (status := link.next(PortStatus)).removed:
        pass
    assert status.port == PortDesc(7, "p2", status.port.mac)


def test_changes_by_others_are_told_and_own_ones_are_not(host: Sandbox, link: Link) -> None:
    flows = [Flow(1, n, (), [f.Output(1)]) for n in range(1, 5)]
    link.carry_out(*flows)
    link.carry_out(serial=2, remove=((1, flows[3].cookie),))
    started = time.monotonic()
    link.wait(lambda: time.monotonic() - started > 0.4)
    assert link.session.events == []
    host.ofctl("mod-flows", "br0", f"cookie={flows[0].cookie:#x}/-1,actions=output:9")
    host.ofctl("del-flows", "br0", f"cookie={flows[1].cookie:#x}/-1")
    reread = link.next(Reread)
    if len(reread.installed) != 2:  # it was read between the two changes
        reread = link.next(Reread)
    assert set(reread.installed) == entries([flows[0], flows[2]])
    assert (reread.suspect, reread.serial) in [((flows[0].cookie,), 2), ((), 2)]


def test_an_idle_flow_is_told(link: Link) -> None:
    flow = Flow(1, 1, match({"reg0": 1}), [f.Output(1)], 1)
    link.carry_out(flow)
    assert link.next(FlowRemoved) == FlowRemoved(link.session.dpid, 1, 1, flow.cookie)


def test_a_packet_comes_in_and_goes_out(host: Sandbox, link: Link) -> None:
    """Through a meter, with the registers of its way; out again at the port, as it came."""
    frame = arp_request(M1, A1, A2)
    punt = Flow(3, 1, match({"in_port": 1}), [f.Metered(1), f.Controller(128)])
    start = Flow(0, 1, (), [f.Load("reg0", 0, 32, 7), f.Load("reg4", 4, 4, 2), f.Resubmit(3)])
    link.carry_out(punt, start, meters=(Meter(1, 100),))
    hexadecimal = _bytes_of(frame)
    host.appctl("netdev-dummy/receive", "p1", hexadecimal.hex())
    packet = link.next(PacketIn)
    assert (packet.table, dict(packet.fields)) == (3, {"in_port": 1, "reg0": 7, "reg4": 0x20})
    assert packet.data[: len(hexadecimal)] == hexadecimal
    link.session.send_packet(PacketOut(link.session.dpid, hexadecimal, (f.SetField("reg0", 3), f.Output(1))))
    link.wait(lambda: "tx pkts=1," in host.ofctl("dump-ports", "br0", "p1"))


def _bytes_of(packet: Any) -> bytes:
    """An ARP request as bytes, padded to the shortest Ethernet frame."""
    ends = packet["eth_dst"].to_bytes(6, "big") + packet["eth_src"].to_bytes(6, "big")
    sender = packet["arp_sha"].to_bytes(6, "big") + packet["arp_spa"].to_bytes(4, "big")
    target = bytes(6) + packet["arp_tpa"].to_bytes(4, "big")
    return (ends + bytes.fromhex("0806 0001 0800 06 04 0001") + sender + target).ljust(60, b"\0")


def test_meters_are_made_changed_removed_and_read(host: Sandbox, link: Link) -> None:
    link.carry_out(meters=(Meter(1, 100), Meter(2, 50)))
    link.carry_out(serial=2, meters=(Meter(2, 60),), stale_meters=(1,))
    assert "meter=2 pktps" in host.ofctl("dump-meters", "br0")
    assert link.up.has_meters
    again = Link(host)
    assert again.up.meters == ((2, 60),)
    again.close()


def test_what_a_port_has_counted_is_told(link: Link) -> None:
    told: list[Counters | None] = []
    for number in (f.LOCAL, 4711):
        link.session.ask_port(number, told.append)
    link.wait(lambda: len(told) == 2)
    assert isinstance(told[0], Counters)
    assert told[1] is None, "there is no such port"


# ---------------------------------------------------------------------------------------------------------------------
# What the switch refuses


def test_a_full_table_is_told_of_the_flow_and_nothing_of_its_bundle_is_done(host: Sandbox, link: Link) -> None:
    limit = "-- --id=@t create Flow_Table flow_limit=2 overflow_policy=refuse -- set bridge br0 flow_tables:1=@t"
    host.vsctl(*limit.removeprefix("-- ").split())
    flows = [Flow(1, n, (), [f.Output(1)]) for n in range(1, 5)]
    link.send(FlowMods(link.session.dpid, 1, (Flow(2, 1, (), ()), *flows)))
    told = link.next((SwitchError, Acknowledged))
    assert told == SwitchError(link.session.dpid, 1, flows[2].cookie, "OFPET_FLOW_MOD_FAILED/OFPFMFC_TABLE_FULL")
    assert dumped(host, "br0") == []
    link.carry_out(Flow(2, 1, (), ()), *flows[:2], serial=2)
    assert len(dumped(host, "br0")) == 3


@pytest.mark.parametrize(
    ("flow", "reason"),
    [
        (Flow(1, 1, match({"arp_op": 1}), ()), "OFPET_BAD_MATCH/OFPBMC_BAD_PREREQ"),
        (Flow(1, 1, (), [f.Goto(0)]), "OFPET_BAD_INSTRUCTION/OFPBIC_BAD_TABLE_ID"),
        (Flow(1, 1, (), [f.Metered(77), f.Output(1)]), "OFPET_METER_MOD_FAILED/OFPMMFC_INVALID_METER"),
        (Flow(1, 1, (), [f.Output(0xFFFFFF99)]), "OFPET_BAD_ACTION/OFPBAC_BAD_OUT_PORT"),
    ],
)
def test_a_flow_that_makes_no_sense_is_told(link: Link, flow: Flow, reason: str) -> None:
    link.send(FlowMods(link.session.dpid, 1, (Flow(2, 1, (), ()), flow)))
    told = link.next((SwitchError, Acknowledged))
    assert told == SwitchError(link.session.dpid, 1, flow.cookie, reason)


def test_every_flow_that_the_switch_can_not_read_is_told_and_the_rest_of_the_bundle_is_done(
    host: Sandbox, link: Link
) -> None:
    """What Ledger.refuse counts on, together with the test of a full table above."""
    bad = [Flow(1, 1, match({"arp_op": 1}), ()), Flow(1, 2, (), [f.Goto(0)]), Flow(1, 3, (), [f.Output(0xFFFFFF99)])]
    good = [Flow(2, 1, (), ()), Flow(2, 2, (), ())]
    link.send(FlowMods(link.session.dpid, 1, (good[0], *bad, good[1])))
    assert [link.next((SwitchError, Acknowledged)).cookie for _ in bad] == [flow.cookie for flow in bad]
    host.wait(lambda: len(dumped(host, "br0")) == 2, "the rest of the bundle")


def test_a_bridge_without_openflow_1_4_is_refused_and_says_so_itself(host: Sandbox) -> None:
    protocols = "protocols=OpenFlow10,OpenFlow13"
    host.vsctl("add-br", "old", "--", "set", "bridge", "old", "datapath_type=dummy", protocols)
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(f"{host.directory}/old.mgmt")
    session = Session("test", frozenset(), time.monotonic())
    sock.sendall(b"".join(session.out))
    with pytest.raises(Closed, match="add OpenFlow14 to its protocols"):
        session.receive(sock.recv(65536), time.monotonic())
    host.wait(lambda: "version negotiation failed" in host.log(), "its log")
    sock.close()
    host.vsctl("del-br", "old")
