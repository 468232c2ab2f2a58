"""The pipeline, declared once: roles, stages, tables, register fields.

Stages are architecture and live here; tables are features and live in their app.  A table's id is 8 x its stage's
position + its slot, so that adding an app renumbers nothing.  Everything is checked when it is declared, and
`Table.flow` refuses a match, a write or a goto that its table does not declare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from controller.core import flow as f
from controller.core.model import ETH, INT

SLOTS = 8
"""Tables a stage has room for."""

STAGES = (
    "ADMIT",
    "GUARD",
    "RESPOND",
    "TRACK",
    "EGRESS_ACL",
    "ROUTE",
    "NAT",
    "LOOKUP",
    "INGRESS_ACL",
    "QOS",
    "OUTPUT",
)
"""The stages of br-int in packet order; an ETH bridge has ADMIT only."""
ADMIT, GUARD, RESPOND, TRACK, EGRESS_ACL, ROUTE, NAT, LOOKUP, INGRESS_ACL, QOS, OUTPUT = range(len(STAGES))


class LayoutError(Exception):
    """The pipeline, as declared, can't be: two owners of one slot, a field that does not fit, an undeclared match."""


# ---------------------------------------------------------------------------------------------------------------------
# Register fields


@dataclass(frozen=True, slots=True)
class Field:
    """A named part of a register: `bits` bits of `register` from bit `offset` on, alive from stage to stage."""

    name: str
    register: int
    offset: int
    bits: int
    first: int
    last: int
    meaning: str

    @property
    def wire(self) -> str:
        return f"reg{self.register}"

    @property
    def whole(self) -> bool:
        return self.offset == 0 and self.bits == 32


FIELDS: dict[str, Field] = {}


def field(name: str, register: int, offset: int, bits: int, lives: tuple[int, int], meaning: str) -> Field:
    """Declare a register field.  Raises LayoutError when it does not fit or meets another one while both live."""
    made = Field(name, register, offset, bits, lives[0], lives[1], meaning)
    if lives[0] > lives[1]:
        raise LayoutError(f"{name}: its life ends before it begins")
    if not (0 <= register < 8 and offset >= 0 and bits > 0 and offset + bits <= 32):
        raise LayoutError(f"{name}: bits {offset}..{offset + bits - 1} of reg{register} are not there")
    for other in FIELDS.values():
        apart = other.offset + other.bits <= offset or offset + bits <= other.offset
        if other.register == register and not apart and made.first <= other.last and other.first <= made.last:
            raise LayoutError(f"{name} and {other.name} share bits of reg{register} while both live")
    if name in FIELDS:
        raise LayoutError(f"field {name} is declared twice")
    FIELDS[name] = made
    return made


ANY = (ADMIT, OUTPUT)
NET = field("NET", 0, 0, 32, ANY, "the network's key")
SRC = field("SRC", 1, 0, 32, ANY, "the key of the local port that sent the packet, 0 when it came from another host")
OUT = field("OUT", 2, 0, 16, (LOOKUP, OUTPUT), "the OpenFlow port to deliver to")
CHUNK = field("CHUNK", 2, 16, 16, (LOOKUP, LOOKUP), "which part of a flood set is next (0: its head)")
REMOTE = field("REMOTE", 4, 0, 1, ANY, "1 when the packet came from another host")
PUNT = field("PUNT", 4, 1, 1, ANY, "1 when the controller shall see a copy")
TUNNEL = field("TUNNEL", 4, 4, 4, (LOOKUP, OUTPUT), "the tunnel type to leave by: 1 vxlan, 2 gre, 3 geneve")

# ---------------------------------------------------------------------------------------------------------------------
# Tables


@dataclass(eq=False)
class Table:
    """One flow table: who owns it, where it is, and what its flows may match, write and lead to.

    `miss` is what a packet without a matching flow meets: NEXT (go on in the next stage that has a table), another
    table, or DROP.  Flows of `reactive` tables are read back with
    their matches, for they stand for something observed (see App.restore).
    """

    name: str
    owner: str
    role: str
    stage: int
    slot: int
    reads: frozenset[str]
    writes: frozenset[str]
    leads: tuple[str, ...]
    miss: str
    reactive: bool
    meaning: str

    @property
    def id(self) -> int:
        return SLOTS * self.stage + self.slot

    def flow(
        self,
        priority: int,
        match: Mapping[Any, int | tuple[int, int]],
        actions: Iterable[Any],
        idle_timeout: int = 0,
    ) -> f.Flow:
        """A flow of this table; `match` is {Field or header field's name: value or (value, mask)}.

        Raises LayoutError when it matches, writes or leads where the table does not say.
        """
        made = f.Flow(self.id, priority, f.match(self._wire(match)), _flat(actions), idle_timeout)
        self._check(made)
        return made

    def _wire(self, match: Mapping[Any, int | tuple[int, int]]) -> dict[str, int | tuple[int, int]]:
        wire: dict[str, int | tuple[int, int]] = {}
        for name, wanted in match.items():
            key = name.name if isinstance(name, Field) else name
            if key not in self.reads:
                raise LayoutError(f"table {self.name} does not declare a match on {key}")
            if isinstance(name, str):
                wire[name] = wanted
                continue
            if not isinstance(wanted, int) or wanted >> name.bits:
                raise LayoutError(f"{name.name}={wanted!r} does not fit {name.bits} bits")
            value, mask = wanted << name.offset, ((1 << name.bits) - 1) << name.offset
            old = wire.get(name.wire, (0, 0))
            assert isinstance(old, tuple)
            wire[name.wire] = (value | old[0], mask | old[1])
        return wire

    def _check(self, made: f.Flow) -> None:
        for action in made.actions:
            match action:
                case f.Goto(table) | f.Resubmit(table):
                    if table not in LAYOUT.reachable(self):
                        raise LayoutError(f"table {self.name} does not declare that it leads to table {table}")
                    if isinstance(action, f.Goto) and table <= self.id:
                        raise LayoutError(f"table {self.name}: goto {table} would go back (OpenFlow 1.4, 5.1.1)")
                case f.Load(name, offset, bits):
                    if not any(n in self.writes for n in _names(name, offset, bits)):
                        raise LayoutError(f"table {self.name} does not declare a write of {name}[{offset}..]")
                case f.SetField(name, _) | f.Move(_, name):
                    if name not in self.writes:
                        raise LayoutError(f"table {self.name} does not declare a write of {name}")
                case _:
                    pass


def _names(register: str, offset: int, bits: int) -> list[str]:
    return [n for n, d in FIELDS.items() if (d.wire, d.offset, d.bits) == (register, offset, bits)]


def _flat(actions: Iterable[Any]) -> list[f.Action]:
    made: list[f.Action] = []
    for action in actions:
        made.append(action) if hasattr(action, "tag") else made.extend(action)
    return made


NEXT = "NEXT"
DROP = "DROP"
UNTAGGED = 0
"""The value of `vlan_vid` that matches a packet without a VLAN header."""
TUNNEL_CODES = {"vxlan": 1, "gre": 2, "geneve": 3}
"""What the TUNNEL field holds for each type."""


def vlan(vid: int) -> int:
    """The value of `vlan_vid` that matches, or sets, a VLAN."""
    return f.VLAN_PRESENT | vid


class Layout:
    """All declared tables."""

    def __init__(self) -> None:
        self.by_name: dict[str, Table] = {}
        self.by_id: dict[tuple[str, int], Table] = {}

    def add(self, table: Table) -> Table:
        taken = self.by_id.get((table.role, table.id))
        if table.name in self.by_name or taken is not None:
            raise LayoutError(f"table {table.name}: name or slot is taken by {taken.name if taken else table.name}")
        if not (0 <= table.stage < len(STAGES) and 0 <= table.slot < SLOTS):
            raise LayoutError(f"table {table.name}: stage {table.stage}, slot {table.slot} is not there")
        self.by_name[table.name] = self.by_id[table.role, table.id] = table
        return table

    def tables(self, role: str) -> list[Table]:
        """A role's tables in the order of their ids."""
        return [table for (r, _), table in sorted(self.by_id.items()) if r == role]

    def next(self, table: Table) -> Table | None:
        """The first table of the next stage that has one."""
        later = (t for t in self.tables(table.role) if t.stage > table.stage)
        return next(later, None)

    def reachable(self, table: Table) -> set[int]:
        """The ids of the tables that a table's flows may lead to: those it names, and the next stage."""
        names = (*table.leads, *(() if table.miss in (NEXT, DROP) else (table.miss,)))
        found = {self.by_name[name].id for name in names if name in self.by_name}
        onward = self.next(table)
        return found | {onward.id} if onward else found

    def name(self, role: str, number: int) -> str:
        table = self.by_id.get((role, number))
        return table.name if table else str(number)


LAYOUT = Layout()


def table(
    name: str,
    owner: str,
    *,
    on: str = INT,
    stage: int,
    slot: int = 0,
    reads: Iterable[Field | str] = (),
    writes: Iterable[Field | str] = (),
    leads: Iterable[str] = (),
    miss: str = DROP,
    reactive: bool = False,
    meaning: str = "",
) -> Table:
    """Declare a table.  `leads` names the tables its flows go or resubmit to."""
    for declared in (*reads, *writes):
        if isinstance(declared, Field) and not declared.first <= stage <= declared.last:
            raise LayoutError(f"table {name}: {declared.name} does not live in {STAGES[stage]}")
        if isinstance(declared, str) and declared not in f.FIELDS:
            raise LayoutError(f"table {name}: no field is called {declared}")
    if on not in (INT, ETH):
        raise LayoutError(f"table {name}: no role is called {on}")
    return LAYOUT.add(
        Table(name, owner, on, stage, slot, _spelt(reads), _spelt(writes), tuple(leads), miss, reactive, meaning)
    )


def _spelt(fields: Iterable[Field | str]) -> frozenset[str]:
    return frozenset(field.name if isinstance(field, Field) else field for field in fields)


def goto(name: str) -> f.Goto:
    """Go to a table by name."""
    return f.Goto(LAYOUT.by_name[name].id)


def resubmit(name: str) -> f.Resubmit:
    """Look up in a table by name and carry on."""
    return f.Resubmit(LAYOUT.by_name[name].id)


def onward(table: Table) -> list[f.Action]:
    """Go on behind a table's stage (nothing, when it is the last)."""
    later = LAYOUT.next(table)
    return [f.Goto(later.id)] if later else []


def load(field: Field, value: int) -> f.Load:
    """Write a register field.  Raises LayoutError for a value that does not fit."""
    if not 0 <= value < 1 << field.bits:
        raise LayoutError(f"{field.name}={value} does not fit {field.bits} bits")
    return f.Load(field.wire, field.offset, field.bits, value)


def miss_flow(table: Table) -> f.Flow | None:
    """What a table does with a packet that no flow of it matches (OpenFlow 1.4 drops without a flow: None)."""
    if table.miss == DROP:
        return None
    target = LAYOUT.next(table) if table.miss == NEXT else LAYOUT.by_name[table.miss]
    return table.flow(0, {}, [f.Goto(target.id)]) if target else None


def check_layout() -> None:
    """Check what only the whole shows: every table that is named exists.  Called once all apps are loaded."""
    for made in LAYOUT.by_name.values():
        named = (*made.leads, *(() if made.miss in (NEXT, DROP) else (made.miss,)))
        for name in named:
            other = LAYOUT.by_name.get(name)
            if other is None or other.role != made.role:
                raise LayoutError(f"table {made.name} leads to {name}, which no app declares on {made.role}")
