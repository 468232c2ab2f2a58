"""The plans that a proposal of the machine may name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from controller.core import server_events
from controller.core.effects import Propose
from controller.core.plan import Draft
from controller.core.plans import attachments, wiring

PLANS: dict[str, Callable[[Draft, Any], None]] = {
    "bind": wiring.bind,
    "unbind": wiring.unbind,
    "arrive": wiring.arrive,
    "wire": wiring.wire,
    "cut_over": wiring.cut_over,
    "activate": wiring.activate,
    "end_interim": wiring.end_interim,
    "forget_events": server_events.forget,
    "describe_host": wiring.describe_host,
    "adopt_macs": attachments.adopt_macs,
    "tell_agents": wiring.tell_agents,
    "set_fault": lambda draft, fault: wiring.set_fault(draft, *fault),
    "clear_fault": lambda draft, fault: wiring.clear_fault(draft, *fault),
}


def carry_out(draft: Draft, proposal: Propose) -> None:
    """Write what was proposed.  Raises Refusal."""
    PLANS[proposal.plan](draft, proposal.argument)
