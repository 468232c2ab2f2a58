"""To wait for the machine: woken by the loop's steps, not by asking again and again."""

from __future__ import annotations

from controller.core.events import Acknowledged
from controller.core.inspect import Inspector
from controller.io.waiting import MOST, Waiting, hub
from tests.unit.test_loop import DPID, SWITCH_UP, Bench, host_up


def started(waiting: Waiting, conditions: list[list[bool]], seconds: float = 30.0) -> list[int]:
    """A green thread for each condition (a list that holds True when it is so); the numbers of those that are woken."""
    woken: list[int] = []

    def wait(number: int) -> None:
        waiting.wait(lambda: bool(conditions[number]), seconds)
        woken.append(number)

    for number in range(len(conditions)):
        hub.spawn(wait, number)
    hub.sleep(0)
    return woken


def test_whoever_waits_is_woken_by_the_step_that_makes_it_so() -> None:
    waiting = Waiting()
    conditions: list[list[bool]] = [[], []]
    woken = started(waiting, conditions)
    waiting.stepped()
    hub.sleep(0)
    assert woken == []
    conditions[1].append(True)
    waiting.stepped()
    hub.sleep(0)
    assert woken == [1]
    assert len(waiting) == 1
    conditions[0].append(True)
    waiting.stepped()
    hub.sleep(0)
    assert (woken, len(waiting)) == ([1, 0], 0)


def test_conditions_are_looked_at_once_a_step() -> None:
    waiting = Waiting()
    looked: list[None] = []
    hub.spawn(waiting.wait, lambda: bool(looked.append(None)), 30.0)
    hub.sleep(0.05)
    assert len(looked) == 1, "when it began to wait"
    for _ in range(3):
        waiting.stepped()
    assert len(looked) == 4


def test_the_time_ends_and_nothing_is_left_of_it() -> None:
    waiting = Waiting()
    waiting.wait(lambda: False, 0.01)
    assert len(waiting) == 0


def test_what_is_so_already_and_one_too_many_wait_for_nothing() -> None:
    waiting = Waiting()
    assert started(waiting, [[True]]) == [0]
    conditions: list[list[bool]] = [[] for _ in range(MOST)]
    started(waiting, conditions)
    assert len(waiting) == MOST
    assert started(waiting, [[]]) == [0]
    for condition in conditions:
        condition.append(True)
    waiting.stepped()
    hub.sleep(0)
    assert len(waiting) == 0


def test_the_loop_wakes_it_with_the_acknowledgement() -> None:
    """An inspector that is asked to wait for the newest revision answers when the switch has acknowledged it."""
    bench = Bench()
    bench.make_port()
    told = bench.run(SWITCH_UP, host_up())
    serials = [effect.serial for effect in told if type(effect).__name__ == "FlowMods"]
    inspector = Inspector(bench.loop.machine, bench.loop.waiting.wait)
    answers: list[dict] = []
    hub.spawn(lambda: answers.append(inspector.convergence(bench.store.revision, 30.0)))
    hub.sleep(0)
    assert answers == []
    for serial in serials:
        bench.run(Acknowledged(DPID, serial))
    hub.sleep(0)
    (answer,) = answers
    assert (answer["converged"], answer["counts"]["done"]) == (True, 1)
    assert inspector.convergence(answer["revision"])["converged"]
