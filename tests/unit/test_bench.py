"""The benchmarks' own code: the fake switch speaks to our session as a bridge would; rows are written as they are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.__main__ import read, replace, write
from bench.cloud import Cloud
from bench.fake_session import FakeSwitch
from bench.relay import Half, Relay
from bench.row import Row, figures, number, paired, shares, table
from controller.core import events as e
from controller.core.effects import FlowMods
from controller.core.flow import Flow, Goto, Meter, Output
from controller.core.net import Net
from controller.io.openflow import encode, messages
from controller.io.openflow.session import Session

ROOT = Path(__file__).parents[2]
DPID = 7
TABLE = 59
"""A table that is read back with its matches below."""


class Joined:
    """A session and a fake switch, each hearing what the other says."""

    def __init__(self, switch: FakeSwitch) -> None:
        self.switch = switch
        self.session = Session("127.0.0.1", frozenset({TABLE}), 0.0)
        self._said: list[bytes] = []
        switch.connected(self._said.append)
        self.exchange()
        self.session.begin()

    def exchange(self) -> list[e.Event]:
        """Pass bytes on until both are silent; what the session made of it."""
        while self.session.out or self._said:
            out, self.session.out = self.session.out, []
            self.switch.feed(b"".join(out))
            said, self._said[:] = b"".join(self._said), []
            self.session.receive(said, 0.0)
        happened, self.session.events = self.session.events, []
        return happened

    def send(self, serial: int, **mods: object) -> list[e.Event]:
        self.session.send(FlowMods(DPID, serial, **mods))  # type: ignore[arg-type]
        return self.exchange()


def some(count: int) -> list[Flow]:
    return [
        Flow(TABLE, 100, (("reg0", n, None), ("eth_dst", n, None)), [Goto(80)], idle_timeout=9) for n in range(count)
    ]


def joined() -> Joined:
    made = Joined(FakeSwitch(DPID, {1: "vxlan0"}))
    (up,) = made.exchange()
    assert isinstance(up, e.SwitchUp)
    assert (up.dpid, up.installed, up.meters) == (DPID, (), ())
    assert {(port.number, port.name) for port in up.ports} == {(0xFFFFFFFE, "br-int"), (1, "vxlan0")}
    return made


def test_bundle_has_effect_and_is_acknowledged() -> None:
    bed, flows = joined(), some(3)
    assert bed.send(1, add=tuple(flows), meters=(Meter(4, 100),)) == [e.Acknowledged(DPID, 1)]
    assert len(bed.switch.table.flows) == 3
    assert bed.send(2, remove=((TABLE, flows[1].cookie),)) == [e.Acknowledged(DPID, 2)]
    bed.session.read()
    (reread,) = bed.exchange()
    assert isinstance(reread, e.Reread)
    assert {entry.cookie for entry in reread.installed} == {flows[0].cookie, flows[2].cookie}
    assert {dict(entry.fields)["eth_dst"] for entry in reread.installed} == {0, 2}
    assert reread.meters == ((4, 100),)


def test_big_table_comes_in_parts() -> None:
    bed = joined()
    bed.send(1, add=tuple(some(3000)))
    sent = bed.switch.bytes_out
    bed.session.read()
    (reread,) = bed.exchange()
    assert isinstance(reread, e.Reread)
    assert len(reread.installed) == 3000
    assert bed.switch.bytes_out - sent > 3 * 0xFFFF


def test_an_add_replaces_what_is_in_its_slot_and_a_strict_delete_hits_it_alone() -> None:
    bed = joined()
    old, new = (Flow(3, 5, (("in_port", 1, None),), [Output(port)]) for port in (2, 3))
    bed.send(1, add=(old,))
    bed.send(2, add=(new, *some(1)))
    assert [entry[0] for key, entry in bed.switch.table.flows.items() if key[0] == 3] == [new.cookie]
    match = encode.match_bytes(new.match)[4:].hex()[: 2 * 8]
    bed.send(3, foreign=((3, 5, new.cookie, match),))
    assert [key[0] for key in bed.switch.table.flows] == [TABLE]


def test_a_refused_bundle_does_nothing() -> None:
    bed = joined()
    bed.switch.table.refuse, bed.switch.table.refusals = TABLE, 1
    flows = [Flow(1, 1, (), []), *some(1)]
    errors = bed.send(1, add=tuple(flows))
    assert errors[0] == e.SwitchError(DPID, 1, flows[1].cookie, "OFPET_FLOW_MOD_FAILED/OFPFMFC_TABLE_FULL")
    assert bed.switch.table.flows == {}
    assert bed.send(2, add=tuple(flows)) == [e.Acknowledged(DPID, 2)]


def test_a_mute_switch_carries_out_but_never_acknowledges() -> None:
    bed = joined()
    bed.switch.mute = True
    assert bed.send(1, add=tuple(some(2))) == []
    assert len(bed.switch.table.flows) == 2


def test_ports_and_packets_are_events() -> None:
    bed = joined()
    bed.switch.add_port(5, "tap5")
    (added,) = bed.exchange()
    assert isinstance(added, e.PortStatus)
    assert (added.port.number, added.port.name, added.removed) == (5, "tap5", False)
    bed.switch.remove_port(5)
    (removed,) = bed.exchange()
    assert isinstance(removed, e.PortStatus)
    assert removed.removed
    bed.switch.packet_in(82, 5, {0: 9, 4: 2}, b"frame")
    assert bed.exchange() == [e.PacketIn(DPID, 82, (("in_port", 5), ("reg0", 9), ("reg4", 2)), b"frame")]


def test_somebody_elses_change_makes_the_session_read_again() -> None:
    bed = joined()
    bed.switch.foreign_change(cookie=0)
    assert bed.exchange() == []
    assert bed.session.due


def test_relay_counts_messages_however_they_are_cut() -> None:
    relay = Relay(("127.0.0.1", 0), ("127.0.0.1", 1))
    try:
        half = Half(relay, None)
        data = b"".join(messages.bundled(1, encode.flow_add(flow, 1)) for flow in some(20))
        for start in range(0, len(data), 7):
            half._count(data[start : start + 7])
        assert relay.flow_mods == 20
    finally:
        relay.close()


def test_cloud_spreads_networks_evenly_and_its_rows_fit_together() -> None:
    cloud = Cloud(hosts=100, networks=40, ports=5000, span=25)
    hosts = [{place.host for place in cloud.places if place.network == n} for n in range(40)]
    assert all(len(found) == 25 for found in hosts)
    assert {sum(n in found for found in hosts) for n in range(100)} == {10}
    later = cloud.later(10)
    assert {place.number for place in later} == set(range(5000, 5010))
    Net(cloud.rows())
    assert len({(place.host, place.ofport) for place in cloud.places}) == 5010


def test_rows_are_written_as_table_and_json(tmp_path) -> None:
    row = Row("P1", "work", ">= 0.8", "flows/s", figures([3, 1, 2]), figures([4000.0]), 0.5, False, ("us", "them"))
    row.note("warm", figures([5.0]), "flows/s")
    skipped = Row("P2", "more work", "", problem="there is no OVN")
    write([row, skipped], [("cores", "2")], tmp_path)
    first, second = json.loads((tmp_path / "benchmarks.json").read_text())
    assert {name: first[name] for name in ("row", "ours", "other", "ratio", "goal", "met")} == {
        "row": "P1",
        "ours": 2,
        "other": 4000.0,
        "ratio": 0.5,
        "goal": ">= 0.8",
        "met": False,
    }
    assert (second["ours"], second["ratio"], second["met"], second["problem"]) == (None, None, False, "there is no OVN")
    assert read(first).as_json() == first
    page = (tmp_path / "benchmarks.md").read_text()
    assert "| P1  | work      | 2 (1-3) flows/s | 4 000 flows/s" in page
    assert "- cores: 2" in page
    assert "Not measured: there is no OVN" in page


def test_a_row_that_is_measured_again_takes_the_place_of_the_former_one(tmp_path) -> None:
    rows = [Row(name, "work", "", "s", figures([value])) for name, value in (("P1", 1.0), ("P2", 2.0))]
    write(rows, [("cores", "2"), ("date", "2026-11-27 09:00 UTC")], tmp_path)
    again = [Row("P2", "work", "", "s", figures([7.0]))]
    with pytest.raises(ValueError, match="another machine .cores."):
        replace(again, [("cores", "4"), ("date", "2026-11-27 09:20 UTC")], tmp_path)
    replace(again, [("cores", "2"), ("date", "2026-11-27 09:30 UTC")], tmp_path)
    assert [found["ours"] for found in json.loads((tmp_path / "benchmarks.json").read_text())] == [1.0, 7.0]
    page = (tmp_path / "benchmarks.md").read_text()
    assert "- cores: 2\n- date: 2026-11-27 09:00 UTC\n- measured again, 2026-11-27 09:30 UTC: P2\n" in page


def test_numbers_are_short() -> None:
    assert [number(value) for value in (0, 0.012345, 1.5, 999.4, 123456)] == ["0", "0.0123", "1.5", "999", "123 456"]
    assert str(figures([1.0])) == "1"
    assert figures(range(1, 101)).at(0.99) == 100


def test_what_was_measured_in_turn_is_compared_round_by_round() -> None:
    ours, other = figures([2.0, 9.0, 2.0, 4.0]), figures([1.0, 3.0, 2.0, 4.0])
    assert shares(ours, other).values == (2.0, 3.0, 1.0, 1.0)
    assert paired(ours, other) == 1.5
    assert shares(ours, other).error == pytest.approx(0.957 / 2, abs=0.001)


def test_flows_of_a_member_elsewhere_are_counted_where_the_member_is_not() -> None:
    command = [sys.executable, "-m", "bench.s1_security_groups", "--quick"]  # it patches the standard library
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    row = json.loads(done.stdout.splitlines()[-1])
    (members,) = next(values for name, values in row["runs"].items() if "per member" in name)
    assert members == 1, "an address of the remote group; what a member has on its own switch is not in it"
    assert row["ours"] == 16


def test_table_is_aligned() -> None:
    lines = table([Row("B1", "x", "y"), Row("P1", "a longer one", "z", met=True)]).splitlines()
    assert len({len(line) for line in lines}) == 1
