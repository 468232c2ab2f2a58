"""The ledger: desired against installed, as the smallest ordered difference."""

from __future__ import annotations

from dataclasses import replace

from controller.core.events import Installed
from controller.core.flow import Flow, Meter, Metered, Output, match
from controller.core.ledger import IN_FLIGHT, Ledger
from controller.core.simulate import ModelSwitch

A, B, C = ("a", 1), ("b", 1), ("c", 1)
FOREIGN = Installed(0, 7, 0x77, "8000000400000001")


def flow(priority: int, port: int = 1, idle: int = 0) -> Flow:
    return Flow(0, priority, match({}), [Output(port)], idle)


def entry(made: Flow, digest: int | None = None) -> Installed:
    return Installed(made.table, made.priority, made.cookie, digest=digest)


def opened(*installed: Installed, owns_all: bool = True, **more) -> Ledger:
    ledger = Ledger(1, **more)
    ledger.owns_all = owns_all
    ledger.read(installed)
    return ledger


def test_nothing_is_sent_before_the_switch_was_read():
    ledger = Ledger(1)
    ledger.change(A, (), (flow(1),))
    assert ledger.flush() is None
    ledger.read(())
    assert ledger.flush().add == (flow(1),)
    assert ledger.flush() is None


def test_a_changed_flow_is_an_add_in_its_slot_and_a_gone_one_a_removal_by_cookie():
    ledger = opened()
    ledger.change(A, (), (flow(1), flow(2)))
    ledger.flush()
    ledger.change(A, (flow(1), flow(2)), (flow(1, port=9),))
    mods = ledger.flush()
    assert (mods.serial, mods.add, mods.remove) == (2, (flow(1, port=9),), ((0, flow(2).cookie),))


def test_what_is_changed_back_before_it_was_sent_costs_nothing():
    ledger = opened()
    ledger.change(A, (), (flow(1),))
    ledger.flush()
    ledger.change(A, (flow(1),), (flow(1, port=2), flow(3)))
    ledger.change(A, (flow(1, port=2), flow(3)), (flow(1),))
    assert ledger.flush() is None


def test_a_read_switch_gets_what_it_lacks_and_loses_what_is_ours_and_stale():
    ledger = opened(entry(flow(1)), entry(flow(5)), FOREIGN)
    ledger.change(A, (), (flow(1), flow(2)))
    mods = ledger.flush()
    assert mods.add == (flow(2),)
    assert mods.remove == ((0, flow(5).cookie),)
    assert mods.foreign == (FOREIGN[:4],)


def test_on_a_bridge_that_is_not_ours_foreign_flows_stay():
    ledger = opened(FOREIGN, owns_all=False)
    assert ledger.flush() is None


def test_a_flow_whose_actions_were_changed_is_sent_again():
    ledger = opened(entry(flow(1)), entry(flow(2)))
    ledger.change(A, (), (flow(1), flow(2)))
    assert ledger.flush() is None
    ledger.read((entry(flow(1)), entry(flow(2))), suspect=(flow(2).cookie,), serial=0)
    assert ledger.flush().add == (flow(2),)


def test_a_flow_that_reads_as_doing_something_else_is_sent_again():
    ledger = opened(
        entry(flow(1), digest=1), entry(flow(2), digest=9), entry(flow(3)), digest=lambda made: made.priority
    )
    ledger.change(A, (), (flow(1), flow(2), flow(3)))
    assert ledger.flush().add == (flow(2),)


def test_a_reading_says_nothing_about_bundles_that_were_sent_after_it():
    ledger = opened()
    ledger.change(A, (), (flow(1), flow(2)))
    ledger.flush()
    ledger.acknowledge(1)
    ledger.change(A, (flow(1), flow(2)), (flow(1, port=2),))
    ledger.flush()
    ledger.read((entry(flow(1)), entry(flow(2))), serial=1)
    mods = ledger.flush()
    # Bundle 2 replaced flow 1 and removed flow 2 since: what is read of them is old (a second removal does no harm).
    assert mods is None or mods.add == ()
    ledger.read((entry(flow(1, port=2)),), serial=2)
    assert ledger.flush() is None


def test_a_flow_that_was_read_but_removed_since_is_sent_when_it_is_desired_again():
    ledger = opened()
    ledger.change(A, (), (flow(1),))
    ledger.acknowledge(ledger.flush().serial)
    ledger.change(A, (flow(1),), ())
    assert ledger.flush().remove == ((0, flow(1).cookie),)
    ledger.change(A, (), (flow(1),))
    ledger.read((entry(flow(1)),), serial=1)
    assert ledger.flush().add == (flow(1),)


def test_a_refused_bundle_is_sent_again_without_the_flow_at_fault():
    ledger = opened(entry(flow(9)), FOREIGN)
    ledger.change(A, (), (flow(1), flow(2), flow(3)))
    first = ledger.flush()
    assert ledger.refuse(first.serial, flow(2).cookie) == flow(2)
    second = ledger.flush()
    assert second.add == (flow(1), flow(3))
    assert second.remove == first.remove == ((0, flow(9).cookie),)
    assert second.foreign == first.foreign == (FOREIGN[:4],)
    ledger.acknowledge(second.serial)
    assert ledger.flush() is None
    assert ledger.settled


def test_after_a_refused_bundle_nothing_is_taken_for_granted_of_its_slots():
    """Open vSwitch carries out the rest of a bundle when it can't read a flow, and nothing when it can't commit."""
    for carried_out in (True, False):
        ledger, switch = opened(), ModelSwitch()
        ledger.change(A, (), (flow(1), flow(2)))
        switch.apply(ledger.flush())
        ledger.acknowledge(1)
        ledger.change(A, (flow(1), flow(2)), (flow(1, port=2), flow(3), flow(4)))
        refused = ledger.flush()
        if carried_out:
            switch.apply(replace(refused, add=tuple(f for f in refused.add if f != flow(3))))
        assert ledger.refuse(refused.serial, flow(3).cookie) == flow(3)
        ledger.change(A, (flow(1, port=2), flow(3), flow(4)), (flow(1), flow(3)))
        switch.apply(ledger.flush())
        assert list(switch.flows) == [flow(1)]


def test_a_stale_flow_of_a_refused_bundle_that_is_desired_by_now_is_not_removed():
    ledger = opened(entry(flow(9)))
    ledger.change(A, (), (flow(1),))
    ledger.refuse(ledger.flush().serial, flow(1).cookie)
    ledger.change(B, (), (flow(9),))
    mods = ledger.flush()
    assert mods.add == (flow(9),)
    assert mods.remove == ()


def test_a_refused_flow_is_tried_again_when_it_changes_or_the_switch_reconnects():
    ledger = opened()
    ledger.change(A, (), (flow(1),))
    ledger.refuse(ledger.flush().serial, flow(1).cookie)
    assert ledger.flush() is None
    assert ledger.settled
    ledger.change(A, (flow(1),), (flow(1, port=2),))
    changed = ledger.flush()
    assert changed.add == (flow(1, port=2),)
    assert ledger.take_healed() == []
    ledger.acknowledge(changed.serial)
    assert ledger.take_healed() == [flow(1).slot]

    ledger.change(A, (flow(1, port=2),), (flow(1),))
    ledger.refuse(ledger.flush().serial, flow(1).cookie)
    ledger.close()
    ledger.read((entry(flow(1, port=2)),))
    assert ledger.flush().add == (flow(1),)
    ledger.close()
    ledger.read((entry(flow(1)),))
    assert ledger.flush() is None
    assert ledger.take_healed() == [flow(1).slot]
    assert ledger.take_healed() == []


def test_a_refusal_is_over_when_the_flow_is_no_longer_desired():
    ledger = opened()
    ledger.change(A, (), (flow(1),))
    ledger.refuse(ledger.flush().serial, flow(1).cookie)
    ledger.change(A, (flow(1),), ())
    assert ledger.flush() is None
    assert ledger.take_healed() == [flow(1).slot]


def test_a_refusal_of_an_unknown_bundle_or_flow_names_nobody():
    ledger = opened()
    ledger.change(A, (), (flow(1),))
    serial = ledger.flush().serial
    assert ledger.refuse(serial + 5, flow(1).cookie) is None
    assert ledger.refuse(serial, 0) is None
    assert ledger.flush().add == (flow(1),)


def test_a_refusal_says_nothing_about_the_bundles_before_it():
    ledger = opened()
    ledger.change(A, (), (flow(1),))
    first = ledger.flush()
    ledger.change(B, (), (flow(2),))
    ledger.refuse(ledger.flush().serial, flow(2).cookie)
    assert ledger.flush() is None
    assert not ledger.settled
    ledger.acknowledge(first.serial)
    assert ledger.settled


def test_a_slot_that_two_want_goes_to_the_first_by_name_in_every_order():
    for order in ((A, B, C), (C, B, A), (B, C, A)):
        ledger = opened()
        for owner in order:
            ledger.change(owner, (), (flow(1, port=ord(owner[0])),))
        assert ledger.desired[flow(1).slot] == flow(1, port=ord("a"))
        assert set(ledger.claims.contested[flow(1).slot]) == {A, B, C}
        ledger.change(A, (flow(1, port=ord("a")),), ())
        assert ledger.desired[flow(1).slot] == flow(1, port=ord("b"))
        ledger.change(C, (flow(1, port=ord("c")),), ())
        assert (ledger.claims.contested, ledger.owners[flow(1).slot]) == ({}, B)
        ledger.change(B, (flow(1, port=ord("b")),), (flow(1, port=7),))
        assert ledger.desired[flow(1).slot] == flow(1, port=7)
        ledger.change(B, (flow(1, port=7),), ())
        assert ledger.desired == {}
        assert ledger.flush() is None


def test_an_owner_of_a_contested_slot_may_change_its_flow():
    ledger = opened()
    ledger.change(A, (), (flow(1, port=1),))
    ledger.change(B, (), (flow(1, port=2),))
    ledger.change(A, (flow(1, port=1),), (flow(1, port=3),))
    assert ledger.desired[flow(1).slot] == flow(1, port=3)
    ledger.change(B, (flow(1, port=2),), (flow(1, port=4),))
    ledger.change(A, (flow(1, port=3),), ())
    assert ledger.desired[flow(1).slot] == flow(1, port=4)


def test_a_flow_that_idled_out_is_sent_again_while_it_is_desired():
    ledger = opened()
    timed = flow(1, idle=60)
    ledger.change(A, (), (timed, flow(2)))
    ledger.flush()
    assert ledger.expired(timed.cookie) == timed
    assert ledger.expired(timed.cookie) is None
    assert ledger.expired(flow(2).cookie) is None
    assert ledger.flush().add == (timed,)
    ledger.expired(timed.cookie)
    ledger.change(A, (timed, flow(2)), (flow(2),))
    assert ledger.flush() is None  # it is gone by itself


def test_a_flow_that_goes_from_one_unit_to_another_is_still_known_when_it_expires():
    ledger, timed = opened(), flow(1, idle=60)
    ledger.change(B, (), (timed,))
    ledger.flush()
    ledger.change(A, (), (timed,))
    ledger.change(B, (timed,), ())
    assert ledger.flush() is None
    assert ledger.expired(timed.cookie) == timed


def test_meters_come_with_the_first_flow_and_go_with_the_last_and_a_new_rate_replaces_the_old():
    ledger, switch = opened(), ModelSwitch()
    metered = Flow(0, 1, match({}), [Metered(5), Output(1)])
    ledger.change(A, (), (Meter(5, 100), metered))
    mods = ledger.flush()
    assert (mods.meters, mods.stale_meters) == ((Meter(5, 100),), ())
    switch.apply(mods)
    ledger.change(A, (Meter(5, 100),), (Meter(5, 200),))
    switch.apply(ledger.flush())
    assert switch.meters == {5: 200}
    ledger.acknowledge(ledger.sent)
    ledger.change(B, (), (Meter(5, 200),))
    ledger.change(A, (Meter(5, 200), metered), ())
    mods = ledger.flush()
    assert (mods.meters, mods.stale_meters, mods.remove) == ((), (), ((0, metered.cookie),))
    ledger.change(B, (Meter(5, 200),), ())
    assert ledger.flush().stale_meters == (5,)


def test_a_switch_that_does_not_answer_gets_its_changes_together_when_it_does():
    ledger = opened()
    for number in range(1, IN_FLIGHT + 4):
        ledger.change(A, (), (flow(number),))
        ledger.flush()
    assert (ledger.sent, ledger.goal) == (IN_FLIGHT, IN_FLIGHT + 1)
    ledger.acknowledge(1)
    assert ledger.flush().add == tuple(flow(IN_FLIGHT + n) for n in (1, 2, 3))
    assert (ledger.sent, ledger.goal) == (IN_FLIGHT + 1, IN_FLIGHT + 1)


def test_meters_of_a_refused_bundle_are_sent_again():
    ledger = opened()
    ledger.change(A, (), (Meter(5, 100), flow(1), flow(2)))
    ledger.refuse(ledger.flush().serial, flow(1).cookie)
    mods = ledger.flush()
    assert (mods.meters, mods.add) == ((Meter(5, 100),), (flow(2),))


def test_meters_that_are_there_are_not_sent_again():
    ledger = Ledger(1)
    ledger.change(A, (), (Meter(5, 100),))
    ledger.read((), meters=((5, 100), (6, 1)))
    mods = ledger.flush()
    assert (mods.meters, mods.stale_meters) == ((), (6,))


def test_what_was_on_its_way_when_the_connection_ended_is_settled_by_the_next_reading():
    ledger = opened()
    ledger.change(A, (), (flow(1),))
    ledger.flush()
    assert not ledger.settled
    ledger.close()
    assert ledger.settled
    assert ledger.flush() is None
    ledger.read(())
    assert ledger.flush().serial == 2


def test_a_unit_that_wants_a_meter_twice_may_drop_either():
    ledger = opened()
    ledger.change(A, (), (Meter(5, 100), Meter(5, 200)))
    assert ledger.flush().meters == (Meter(5, 200),)
    ledger.change(A, (Meter(5, 100), Meter(5, 200)), (Meter(5, 200),))
    assert ledger.flush() is None
    ledger.change(A, (Meter(5, 200),), ())
    assert ledger.flush().stale_meters == (5,)
    assert ledger.claims.take_contests() == []
