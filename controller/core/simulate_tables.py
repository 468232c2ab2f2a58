"""One flow table of the model switch: which flow a packet meets, conjunctive matches included (ovs-fields(7))."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator, Mapping
from itertools import groupby

from controller.core import flow as f
from controller.core.packet import Packet


class Ambiguous(Exception):
    """Two flows of one priority match a packet and do different things: which one a switch takes is undefined
    (OpenFlow 1.4, 5.3; for conjunctive matches, ovs-fields(7))."""


_Signature = tuple[tuple[str, int], ...]


class FlowTable:
    """The flows of a table by the fields and masks they match on, so a lookup costs one dict access per combination."""

    __slots__ = ("_conjunctive", "_groups")

    def __init__(self) -> None:
        self._groups: dict[_Signature, dict[tuple[int, ...], list[f.Flow]]] = {}
        self._conjunctive = 0

    @staticmethod
    def _place(flow: f.Flow) -> tuple[_Signature, tuple[int, ...]]:
        masks = tuple((name, (1 << f.FIELDS[name].bits) - 1 if mask is None else mask) for name, _, mask in flow.match)
        return masks, tuple(value for _, value, _ in flow.match)

    def add(self, flow: f.Flow) -> None:
        signature, values = self._place(flow)
        insort(self._groups.setdefault(signature, {}).setdefault(values, []), flow, key=lambda other: -other.priority)
        self._conjunctive += _is_conjunctive(flow)

    def remove(self, flow: f.Flow) -> None:
        signature, values = self._place(flow)
        group = self._groups[signature]
        group[values].remove(flow)
        if not group[values]:
            del group[values]
        if not group:
            del self._groups[signature]
        self._conjunctive -= _is_conjunctive(flow)

    def lookup(self, fields: Mapping[str, int]) -> f.Flow | None:
        """The flow of the highest priority that matches.  Raises Ambiguous."""
        if self._conjunctive:
            return self._lookup_conjunctive(fields)
        best: f.Flow | None = None
        rival: f.Flow | None = None
        for found in self._matching(fields):
            if best is not None and found[0].priority < best.priority:
                continue
            rival = best if best is not None and found[0].priority == best.priority else None
            best = found[0]
        return _undisputed([flow for flow in (best, rival) if flow is not None], fields)

    def _matching(self, fields: Mapping[str, int]) -> Iterator[list[f.Flow]]:
        """The flows that match, those with equal matches in one list, the highest priority first."""
        for signature, group in self._groups.items():
            found = group.get(tuple([fields.get(name, 0) & mask for name, mask in signature]))
            if found is not None:
                yield found

    def _lookup_conjunctive(self, fields: Mapping[str, int], nested: bool = False) -> f.Flow | None:
        """Priority by priority: a plain flow, or the flow that a conjunction leads to whose clauses are all met.

        `nested` is the search for a conjunction's flow, which knows plain flows only.
        """
        matching = sorted((flow for found in self._matching(fields) for flow in found), key=lambda flow: -flow.priority)
        for _, same in groupby(matching, key=lambda flow: flow.priority):
            level = list(same)
            found = [flow for flow in level if not _is_conjunctive(flow)]
            if not nested:
                for id in _met(level):
                    reached = self._lookup_conjunctive({**fields, "conj_id": id}, nested=True)
                    found += [reached] if reached is not None else []
            if found:
                return _undisputed(found, fields)
        return None


def _is_conjunctive(flow: f.Flow) -> bool:
    return bool(flow.actions) and isinstance(flow.actions[0], f.Conjunction)


def _met(flows: list[f.Flow]) -> list[int]:
    """The ids of the conjunctions whose clauses are all among flows of one priority."""
    clauses: dict[tuple[int, int], set[int]] = {}
    for flow in flows:
        for action in flow.actions:
            if isinstance(action, f.Conjunction):
                clauses.setdefault((action.id, action.n_clauses), set()).add(action.clause)
    return sorted(id for (id, n_clauses), met in clauses.items() if len(met) == n_clauses)


def _undisputed(found: list[f.Flow], fields: Mapping[str, int]) -> f.Flow | None:
    """The first of flows of equal right.  Raises Ambiguous where it matters which one it is."""
    for other in found[1:]:
        if other.actions != found[0].actions:
            raise Ambiguous(f"{found[0]} and {other} match {Packet.of(dict(fields))}")
    return found[0] if found else None
