"""Read the output of `ovs-appctl ofproto/trace`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_BRIDGE = re.compile(r'^ *bridge\("([^"]+)"\)')
_LOOKUP = re.compile(r"^(?P<start> *\d+)\. (?P<match>.+)$")
_PRIORITY = re.compile(r",? ?priority (\d+)")
_COOKIE = re.compile(r", cookie (0x[0-9a-f]+)")


@dataclass
class Hop:
    """One table lookup: where, what matched (an empty match matches all), and what was done.

    `matched` is False where no flow was found.  Actions that begin with `->` are ovs-vswitchd's remarks.
    """

    bridge: str
    table: int
    match: str
    matched: bool = True
    priority: int | None = None
    cookie: int | None = None
    actions: list[str] = field(default_factory=list)


@dataclass
class Trace:
    hops: list[Hop]
    datapath_actions: str


def parse(text: str) -> Trace:
    """The lookups of a trace in their order, and what the datapath would do.

    A packet that leaves by a patch port or a tunnel enters another bridge: its lookups are indented below the action
    that sent it there, and the first bridge goes on behind them.  So the column says what a line belongs to.  One that
    comes back from the connection tracker goes on in a part of its own, behind the others.
    """
    hops: list[Hop] = []
    bridges: list[tuple[int, str]] = []
    lookups: list[tuple[int, Hop]] = []
    datapath = ""
    for line in text.splitlines():
        column = len(line) - len(line.lstrip())
        if found := _BRIDGE.match(line):
            bridges = [(at, name) for at, name in bridges if at < column] + [(column, found[1])]
            lookups = lookups if column else []
        elif line.startswith("Datapath actions: "):
            datapath = line.removeprefix("Datapath actions: ")
        elif bridges and (found := _LOOKUP.match(line)):
            bridges = [(at, name) for at, name in bridges if at <= column]
            hops.append(_hop(bridges[-1][1], found["start"], found["match"]))
            actions_at = len(found["start"]) + 2
            lookups = [(at, hop) for at, hop in lookups if at < actions_at] + [(actions_at, hops[-1])]
        elif line.strip("- ") and (owner := [hop for at, hop in lookups if at <= column]):
            owner[-1].actions.append(line.strip())
    return Trace(hops, datapath)


def _hop(bridge: str, table: str, text: str) -> Hop:
    priority, cookie = _PRIORITY.search(text), _COOKIE.search(text)
    match = _PRIORITY.sub("", _COOKIE.sub("", text)).strip(" ,")
    return Hop(
        bridge,
        int(table),
        match="" if match == "No match." else match,
        matched=match != "No match.",
        priority=int(priority[1]) if priority else None,
        cookie=int(cookie[1], 16) if cookie else None,
    )
