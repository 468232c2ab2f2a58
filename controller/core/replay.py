"""Replay: a recorded list of events through a new machine gives the same effects, and tells what they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from controller.core.app import load
from controller.core.effects import FlowMods, OvsdbOps, Propose
from controller.core.machine import Machine
from controller.core.record import read_steps
from controller.core.settings import Settings
from controller.core.text import format_flow


def replayed(lines: Iterable[str]) -> Iterator[str]:
    """What every step took in and what came of it, as lines for people.  Raises record.RecordError.

    A recording starts with a step that holds the Settings and the stored rows.
    """
    apps = load()  # their rows are in recordings, too
    steps = read_steps(lines)
    start = next(steps, [])
    settings = next((row for row in start if isinstance(row, Settings)), Settings())
    machine = Machine(apps, settings, [row for row in start if not isinstance(row, Settings)])
    for number, burst in enumerate(steps, 1):
        yield f"step {number}"
        yield from (f"  in   {_short(event)}" for event in burst)
        for effect in machine.step(burst):
            yield from (f"  out  {line}" for line in _told(effect))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 200 else text[:197] + "..."


def _told(effect: Any) -> Iterator[str]:
    match effect:
        case FlowMods(dpid, serial):
            yield f"bundle {serial} to {dpid:016x}: {len(effect.add)} added, {len(effect.remove)} removed"
            yield from (f"  + {format_flow(flow)}" for flow in effect.add)
            yield from (f"  - table={table}, cookie={cookie:#x}" for table, cookie in effect.remove)
        case OvsdbOps(host, operations):
            yield from (f"ovsdb of {host}: {operation!r}" for operation in operations)
        case Propose(plan, argument):
            yield f"propose {plan} {_short(argument)}"
        case _:
            yield _short(effect)
