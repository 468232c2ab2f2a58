"""The scenarios by name."""

from __future__ import annotations

import importlib

from mininet_topos.graph import Graph

NAMES = ("one_host", "two_hosts_vlan", "two_hosts_tunnel")


def load(name: str) -> Graph:
    """The scenario's graph.  Raises ValueError, naming the known ones, when there is none of that name."""
    if name not in NAMES:
        raise ValueError(f"no scenario {name!r}; there are {', '.join(NAMES)}")
    graph: Graph = importlib.import_module(f"mininet_topos.{name}").GRAPH
    return graph


def from_arguments(arguments: list[str]) -> Graph:
    """The scenario that a command line's only argument names; ends the program with a clear line if it does not."""
    if len(arguments) != 1:
        raise SystemExit(f"give one scenario: {', '.join(NAMES)}")
    try:
        return load(arguments[0])
    except ValueError as error:
        raise SystemExit(str(error)) from None
