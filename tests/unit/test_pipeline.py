"""The layout's checks, what a table refuses of a flow, and the generated reference."""

from __future__ import annotations

import re

import pytest

from controller.core import flow as f
from controller.core import pipeline as pl
from controller.core.model import ETH, INT
from controller.core.pipeline import ADMIT, GUARD, LOOKUP, NET, OUT, OUTPUT, RESPOND, LayoutError
from controller.core.prerequisites import refusal
from controller.core.reference import pipeline_reference


@pytest.fixture(autouse=True)
def layout(monkeypatch: pytest.MonkeyPatch) -> pl.Layout:
    """An empty layout and a copy of the fields, so that no test declares anything for the others."""
    monkeypatch.setattr(pl, "LAYOUT", pl.Layout())
    monkeypatch.setattr(pl, "FIELDS", dict(pl.FIELDS))
    return pl.LAYOUT


# ---------------------------------------------------------------------------------------------------------------------
# Register fields


def test_fields_may_share_bits_when_they_never_live_together() -> None:
    one = pl.field("ONE", 7, 0, 16, (ADMIT, GUARD), "")
    pl.field("NEIGHBOUR", 7, 16, 16, (ADMIT, OUTPUT), "")
    pl.field("LATER", 7, 0, 16, (RESPOND, OUTPUT), "")
    assert one.wire == "reg7"
    with pytest.raises(LayoutError, match="SHARING and ONE"):
        pl.field("SHARING", 7, 15, 1, (GUARD, GUARD), "")


@pytest.mark.parametrize(("register", "offset", "bits"), [(8, 0, 1), (-1, 0, 1), (5, 30, 3), (5, -1, 2), (5, 0, 0)])
def test_a_field_is_inside_a_register(register: int, offset: int, bits: int) -> None:
    with pytest.raises(LayoutError, match="BAD"):
        pl.field("BAD", register, offset, bits, (ADMIT, GUARD), "")


def test_a_field_is_declared_once() -> None:
    with pytest.raises(LayoutError, match="NET"):
        pl.field("NET", 6, 0, 1, (ADMIT, GUARD), "")


def test_the_fields_of_the_project_fit_together() -> None:
    for name, field in pl.FIELDS.items():
        assert name == field.name
        assert field.meaning
        assert field.first <= field.last


# ---------------------------------------------------------------------------------------------------------------------
# Tables


def test_a_tables_id_is_its_stage_and_slot() -> None:
    assert pl.table("deliver", "switching", stage=OUTPUT, slot=3).id == 8 * OUTPUT + 3
    assert pl.table("elsewhere", "provider", on=ETH, stage=OUTPUT, slot=3).id == 8 * OUTPUT + 3


def test_a_slot_and_a_name_have_one_owner() -> None:
    pl.table("one", "a", stage=GUARD)
    with pytest.raises(LayoutError, match="two.*one"):
        pl.table("two", "b", stage=GUARD)
    with pytest.raises(LayoutError, match="one"):
        pl.table("one", "b", stage=GUARD, slot=1)


@pytest.mark.parametrize(("stage", "slot"), [(ADMIT, 8), (ADMIT, -1), (len(pl.STAGES), 0), (-1, 0)])
def test_a_slot_is_one_of_its_stages(stage: int, slot: int, layout: pl.Layout) -> None:
    with pytest.raises(LayoutError, match="bad"):
        pl.table("bad", "a", stage=stage, slot=slot)
    assert layout.tables(INT) == []


def test_a_table_reads_and_writes_what_lives_in_its_stage() -> None:
    with pytest.raises(LayoutError, match="OUT does not live in GUARD"):
        pl.table("guard", "a", stage=GUARD, reads=[OUT])
    with pytest.raises(LayoutError, match="OUT does not live in GUARD"):
        pl.table("guard", "a", stage=GUARD, writes=[OUT])
    with pytest.raises(LayoutError, match="eth_scr"):
        pl.table("guard", "a", stage=GUARD, reads=["eth_scr"])
    with pytest.raises(LayoutError, match="TOR"):
        pl.table("guard", "a", on="TOR", stage=GUARD)


def test_next_is_the_first_table_of_a_later_stage_of_the_same_role(layout: pl.Layout) -> None:
    guard = pl.table("guard", "a", stage=GUARD, slot=2)
    pl.table("beside", "a", stage=GUARD, slot=3)
    pl.table("provider", "a", on=ETH, stage=RESPOND)
    lookup = pl.table("lookup", "a", stage=LOOKUP, slot=1)
    assert layout.next(guard) is lookup
    assert layout.next(lookup) is None
    assert pl.onward(guard) == [f.Goto(lookup.id)]
    assert pl.onward(lookup) == []
    assert (layout.name(INT, lookup.id), layout.name(ETH, lookup.id)) == ("lookup", str(lookup.id))


def test_tables_of_a_stage_that_come_in_turn_follow_one_another(layout: pl.Layout) -> None:
    guard = pl.table("guard", "a", stage=GUARD)
    first = pl.table("first", "a", stage=RESPOND)
    by_name = pl.table("by_name", "a", stage=RESPOND, slot=1)
    turn = pl.table("turn", "a", stage=RESPOND, slot=3, in_turn=True, miss=pl.NEXT)
    later = pl.table("later", "a", stage=LOOKUP)
    assert [layout.next(table) for table in (guard, first, by_name, turn)] == [first, turn, turn, later]
    assert pl.miss_flow(turn) == f.Flow(turn.id, 0, (), [f.Goto(later.id)])
    assert turn.id in layout.reachable(first)


def test_what_a_miss_does() -> None:
    guard = pl.table("guard", "a", stage=GUARD, miss=pl.NEXT)
    lookup = pl.table("lookup", "a", stage=LOOKUP, miss="flood")
    flood = pl.table("flood", "a", stage=LOOKUP, slot=1)
    last = pl.table("last", "a", stage=OUTPUT, miss=pl.NEXT)
    assert pl.miss_flow(guard) == f.Flow(guard.id, 0, (), [f.Goto(lookup.id)])
    assert pl.miss_flow(lookup) == f.Flow(lookup.id, 0, (), [f.Goto(flood.id)])
    assert pl.miss_flow(flood) is None
    assert pl.miss_flow(last) is None


def test_a_table_that_is_named_exists_on_the_same_role() -> None:
    pl.table("guard", "a", stage=GUARD, leads=["lookup"])
    with pytest.raises(LayoutError, match="guard leads to lookup"):
        pl.check_layout()
    pl.table("lookup", "a", on=ETH, stage=LOOKUP)
    with pytest.raises(LayoutError, match="guard leads to lookup"):
        pl.check_layout()


def test_a_layout_with_all_it_names_is_good() -> None:
    pl.table("guard", "a", stage=GUARD, leads=["lookup"], miss="lookup")
    pl.table("lookup", "a", stage=LOOKUP, miss=pl.NEXT)
    pl.check_layout()


# ---------------------------------------------------------------------------------------------------------------------
# Flows of a table


@pytest.fixture
def lookup() -> pl.Table:
    pl.table("respond", "a", stage=RESPOND)
    pl.table("deliver", "a", stage=OUTPUT)
    pl.table("flood", "a", stage=LOOKUP, slot=1)
    pl.table("other", "a", stage=LOOKUP, slot=2)
    reads, writes = [NET, pl.REMOTE, pl.PUNT, "eth_dst", "vlan_vid"], [OUT, "vlan_vid", "eth_dst"]
    return pl.table("lookup", "a", stage=LOOKUP, reads=reads, writes=writes, leads=["flood", "respond"])


def test_fields_of_one_register_are_one_match(lookup: pl.Table) -> None:
    flow = lookup.flow(5, {pl.REMOTE: 1, pl.PUNT: 0, NET: 7, "eth_dst": (1 << 40, 1 << 40)}, [])
    assert flow.match == f.match({"reg4": (1, 3), "reg0": 7, "eth_dst": (1 << 40, 1 << 40)})
    assert (flow.table, flow.priority) == (lookup.id, 5)


def test_actions_may_come_in_lists(lookup: pl.Table) -> None:
    flow = lookup.flow(
        5, {"vlan_vid": pl.vlan(5)}, [[f.PopVlan(), f.Output(3)], pl.load(OUT, 9), pl.onward(lookup)], 60
    )
    assert flow.actions == (f.PopVlan(), f.Output(3), f.Load("reg2", 0, 16, 9), f.Goto(8 * OUTPUT))
    assert flow.idle_timeout == 60
    assert refusal(flow) is None


def test_equal_flows_are_one_and_share_their_parts(lookup: pl.Table) -> None:
    one, other, third = (lookup.flow(5, {NET: 7, "vlan_vid": vid}, [pl.load(OUT, 9)]) for vid in (1, 1, 2))
    assert one is other
    assert third != one
    assert third.actions[0] is one.actions[0]
    assert third.match[0] is one.match[0]


@pytest.mark.parametrize(
    ("match", "actions", "why"),
    [
        ({pl.SRC: 1}, [], "match on SRC"),
        ({"eth_src": 1}, [], "match on eth_src"),
        ({pl.REMOTE: 2}, [], "REMOTE=2"),
        ({pl.REMOTE: -1}, [], "REMOTE=-1"),
        ({}, [pl.load(NET, 1)], r"write of reg0\[0"),
        ({}, [f.Load("reg2", 0, 8, 1)], r"write of reg2\[0"),
        ({}, [f.SetField("eth_src", 1)], "write of eth_src"),
        ({}, [f.Move("eth_src", "eth_type")], "write of eth_type"),
        ({}, [f.Goto(8 * LOOKUP + 2)], "leads to table"),
        ({}, [f.Resubmit(8 * LOOKUP + 2)], "leads to table"),
        ({}, [f.Goto(8 * RESPOND)], "go back"),
    ],
)
def test_a_table_refuses_what_it_does_not_declare(
    lookup: pl.Table, match: dict[pl.Field | str, int], actions: list[f.Action], why: str
) -> None:
    with pytest.raises(LayoutError, match=why):
        lookup.flow(1, match, actions)


def test_a_resubmit_may_go_back_where_it_is_declared(lookup: pl.Table) -> None:
    assert lookup.flow(1, {}, [pl.resubmit("respond"), pl.resubmit("flood"), pl.goto("deliver")]).actions == (
        f.Resubmit(8 * RESPOND),
        f.Resubmit(8 * LOOKUP + 1),
        f.Goto(8 * OUTPUT),
    )


def test_a_value_that_does_not_fit_its_field_is_not_loaded() -> None:
    with pytest.raises(LayoutError, match="OUT=65536"):
        pl.load(OUT, 65536)


# ---------------------------------------------------------------------------------------------------------------------
# The reference


def test_the_reference_of_nothing_says_so(layout: pl.Layout) -> None:
    text = pipeline_reference(layout, {})
    assert text.count("No app declares a table here.") == 2


def test_the_reference_tells_all_of_a_table(layout: pl.Layout) -> None:
    pl.table("deliver", "switching", stage=OUTPUT, reads=[OUT], miss=pl.NEXT)
    pl.table("flood", "switching", stage=LOOKUP, slot=1)
    meaning = "finds the port | or floods"
    reads, writes = ["eth_dst", NET], [OUT]
    pl.table(
        "lookup", "switching", stage=LOOKUP, reads=reads, writes=writes, miss="flood", reactive=True, meaning=meaning
    )
    pl.table("to_wire", "provider", on=ETH, stage=ADMIT, miss=pl.NEXT)
    text = pipeline_reference(layout)
    assert r"| 56 | lookup | LOOKUP | switching | flood | finds the port \| or floods |" in text
    assert (
        "### 56 lookup\n\n- reads: NET, eth_dst\n- writes: OUT\n- leads to: flood, deliver\n- miss: flood\n- reac"
        in text
    )
    assert "| 80 | deliver | OUTPUT | switching | drop |" in text
    assert "| 0 | to_wire | ADMIT | provider | drop |" in text
    assert text.index("56 | lookup") < text.index("80 | deliver") < text.index("to_wire")
    assert "| OUT | reg2[0..15] | LOOKUP to OUTPUT | lookup | deliver | the OpenFlow port to deliver to |" in text
    assert "| REMOTE | reg4[0] | ADMIT to OUTPUT | - | - |" in text


def test_the_reference_is_well_formed_and_the_same_each_time(layout: pl.Layout) -> None:
    for n, name in enumerate(["c", "a", "b"]):
        pl.table(name, "app", stage=GUARD, slot=n, reads=["eth_src", "in_port"])
    text = pipeline_reference(layout)
    assert text == pipeline_reference(layout)
    assert text.endswith("|\n")
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1


# ---------------------------------------------------------------------------------------------------------------------
# Connection tracking


def test_a_table_says_where_the_connection_tracker_sends_to_and_what_is_written_of_a_connection(
    layout: pl.Layout,
) -> None:
    late = pl.table("late", "t", stage=LOOKUP, reads=("ct_state", "conj_id", "eth_type"), writes=("ct_mark",))
    early = pl.table("early", "t", stage=GUARD, reads=("eth_type",))
    mark = f.Ct(commit=True, sets=(f.SetField("ct_mark", 1),))
    track = f.Ct(table=late.id)
    assert early.flow(1, {"eth_type": 0x800}, [track]).actions == (track,)
    assert late.flow(1, {"ct_state": (f.TRK, f.TRK), "eth_type": 0x800}, [mark, f.CtClear()]).actions[0] == mark
    assert late.flow(1, {"eth_type": 0x800}, [f.Conjunction(1, 1, 2)]).match == (("eth_type", 0x800, None),)
    assert late.flow(1, {"eth_type": 0x800}, [f.Ct(commit=True, sets=(f.Load("ct_mark", 3, 1, 1),))])
    for table, action in ((early, mark), (late, f.Ct(table=late.id)), (early, f.Ct(table=early.id))):
        with pytest.raises(LayoutError, match="does not declare"):
            table.flow(1, {"eth_type": 0x800}, [action])
