"""Flows as values: matches in order, cookies that follow from all of a flow."""

from __future__ import annotations

import pytest

from controller.core import flow as f
from controller.core.flow import Flow, match


def test_a_match_is_in_field_order_whatever_order_it_was_written_in() -> None:
    one = match({"eth_type": 0x800, "in_port": 3, "reg0": (0x10, 0xF0)})
    assert one == match({"reg0": (0x10, 0xF0), "eth_type": 0x800, "in_port": 3})
    assert one == (("in_port", 3, None), ("reg0", 0x10, 0xF0), ("eth_type", 0x800, None))


def test_a_full_mask_is_no_mask() -> None:
    assert match({"vlan_vid": (0x1005, 0x1FFF)}) == match({"vlan_vid": 0x1005})
    assert match({"vlan_vid": (0x1000, 0x1000)}) != match({"vlan_vid": 0x1000})


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("vlan_vid", 0x2000),
        ("ip_proto", 256),
        ("reg0", -1),
        ("reg0", (3, 1)),
        ("reg0", (0, 0)),
        ("reg0", (0, 1 << 32)),
        ("eth_dst", 1 << 48),
    ],
)
def test_what_does_not_fit_a_field_or_its_mask_is_refused_by_name(name: str, wanted: int | tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=name):
        match({name: wanted})


def test_the_cookie_is_marked_as_ours_and_follows_from_slot_actions_and_timeout() -> None:
    flow = Flow(1, 2, match({"reg0": 3}), [f.Output(4)], 5)
    others = [
        Flow(0, 2, match({"reg0": 3}), [f.Output(4)], 5),
        Flow(1, 1, match({"reg0": 3}), [f.Output(4)], 5),
        Flow(1, 2, match({"reg1": 3}), [f.Output(4)], 5),
        Flow(1, 2, match({"reg0": (3, 7)}), [f.Output(4)], 5),
        Flow(1, 2, match({"reg0": 3}), [f.Controller(4)], 5),
        Flow(1, 2, match({"reg0": 3}), [f.Output(4)], 0),
    ]
    assert len({flow.cookie, *(other.cookie for other in others)}) == 7
    assert all(other != flow for other in others)
    assert all(f.is_ours(other.cookie) for other in others)
    assert flow == Flow(1, 2, match({"reg0": 3}), (f.Output(4),), 5)
    assert not f.is_ours(0)
    assert not f.is_ours(flow.cookie ^ 1 << 63)


def test_actions_of_two_kinds_are_never_equal() -> None:
    """They are tuples; a port and a table of one number must not be taken for each other."""
    ones = [f.Output(1), f.Controller(1), f.Resubmit(1), f.Metered(1), f.Goto(1)]
    assert len(set(ones)) == len(ones)
    assert f.PushVlan() != f.PopVlan()


def test_the_cookie_is_the_same_in_every_process_and_release() -> None:
    """What one controller installed, the next one recognises; a change of this value rewrites every flow of a cloud."""
    assert Flow(8, 100, match({"in_port": 1}), [f.Goto(16)]).cookie == 0x9BE44B2B5740C741
