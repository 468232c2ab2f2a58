"""The pipeline, declared once: roles, stages, tables, register fields.

Stages are architecture and live here; tables are features and live in their app.  A table's id is 8 x its stage's
position + its slot, so that adding an app renumbers nothing.  Everything is checked when it is declared, and
`Table.flow` refuses a match, a write or a goto that its table does not declare.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from typing import Any

from controller.core import flow as f
from controller.core.kept import Kept
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


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """A named part of a register: `bits` bits of `register` from bit `offset` on, alive from stage to stage."""

    name: str
    register: int
    offset: int
    bits: int
    first: int
    last: int
    meaning: str
    wire: str


FIELDS: dict[str, Field] = {}


def field(name: str, register: int, offset: int, bits: int, lives: tuple[int, int], meaning: str) -> Field:
    """Declare a register field.  Raises LayoutError when it does not fit or meets another one while both live."""
    made = Field(name, register, offset, bits, lives[0], lives[1], meaning, f"reg{register}")
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
ZONE = field("ZONE", 6, 0, 16, (TRACK, INGRESS_ACL), "the port that is protected, and its zone of connections")
WAY = field("WAY", 6, 16, 2, (TRACK, INGRESS_ACL), "which rules are for the packet (WAYS)")
VERDICT = field("VERDICT", 6, 18, 2, (TRACK, INGRESS_ACL), "0 not asked, 1 no rule allows it (yet), 2 one does")
GROUP = field("GROUP", 5, 0, 32, (TRACK, INGRESS_ACL), "the key of the security group whose rules are looked at")
OWN = field("OWN", 4, 30, 1, (GUARD, GUARD), "1 when the address that a packet is from, or about, is its sender's own")
PROBE = field("PROBE", 4, 31, 1, ANY, "1 when it is a probe of ours in a port's name (core.probe): no guest gets it")
TUNNEL = field("TUNNEL", 4, 4, 4, (LOOKUP, OUTPUT), "the tunnel type to leave by: 1 vxlan, 2 gre, 3 geneve")

# ---------------------------------------------------------------------------------------------------------------------
# Tables


@dataclass(eq=False)
class Table:
    """One flow table: who owns it, where it is, and what its flows may match, write and lead to.

    `miss` is what a packet without a matching flow meets: NEXT (go on: see Layout.next), another
    table, or DROP.  Flows of `reactive` tables are read back with their matches: they stand for something observed.
    A stage is entered at its first table; one that comes `in_turn` follows those before it in its stage, by NEXT.
    `counts` says what the packets are that flows of ports meet there, where people shall see how many (inspect.ports).
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
    in_turn: bool
    meaning: str
    counts: str = ""

    def __post_init__(self) -> None:
        self.id = SLOTS * self.stage + self.slot
        self._granted: set[Any] = set()
        self._actions = Kept(self._checked, 1 << 13)
        self._shapes: dict[tuple[Any, ...], Shape] = {}
        self._flows: dict[Any, f.Flow] = {}

    def flow(
        self,
        priority: int,
        match: Mapping[Any, int | tuple[int, int]],
        actions: Iterable[Any],
        idle_timeout: int = 0,
    ) -> f.Flow:
        """A flow of this table; `match` is {Field or header field's name: value or (value, mask)}.

        Actions may come in lists.  Equal flows, which many switches have, are one, and others share what is equal.
        Raises LayoutError when it matches, writes or leads where the table does not say.
        """
        flat: list[f.Action] = []
        for action in actions:
            if type(action) in _CLAIMS:
                flat.append(action)
            else:
                flat.extend(action)
        done = tuple(map(self._actions.__getitem__, flat))
        matched = self._match(match)
        said = (priority, matched, done, idle_timeout)
        flow = self._flows.get(said)
        if flow is None:
            if len(self._flows) >= MOST_FLOWS:
                self._flows.clear()
            flow = self._flows[said] = f.Flow(self.id, priority, matched, done, idle_timeout)
        return flow

    def _match(self, match: Mapping[Any, int | tuple[int, int]]) -> f.Match:
        """The match in wire fields and their order; what depends on its keys alone is worked out once."""
        keys = tuple(match)
        shape = self._shapes.get(keys)
        if shape is None:
            shape = self._shapes[keys] = self._shape(keys)
        if len(_MATCHED) >= MOST_FIELDS:
            _MATCHED.clear()
        made = []
        for name, mask, limit, parts in shape:
            if parts is None:
                value = match[name]
                exact = type(value) is int and 0 <= value < limit
                matched: Any = (name, value, None) if exact else f.match_field(name, value, limit)
            else:
                whole = 0
                for key, top in parts:
                    value = match[key]
                    if not isinstance(value, int) or not 0 <= value < top:
                        raise LayoutError(f"{key.name}={value!r} does not fit {key.bits} bits")
                    whole |= value << key.offset
                matched = (name, whole, mask)
            made.append(_MATCHED.setdefault(matched, matched))
        return tuple(made)

    def _shape(self, keys: tuple[Any, ...]) -> Shape:
        registers: dict[str, list[tuple[Field, int]]] = {}
        parts: list[tuple[str, int | None, int, list[tuple[Field, int]] | None]] = []
        for key in keys:
            name = key.name if isinstance(key, Field) else key
            if name not in self.reads:
                raise LayoutError(f"table {self.name} does not declare a match on {name}")
            if isinstance(key, Field):
                registers.setdefault(key.wire, []).append((key, 1 << key.bits))
            else:
                parts.append((key, None, 1 << f.FIELDS[key].bits, None))
        for wire, fields in registers.items():
            mask = sum((top - 1) << field.offset for field, top in fields)
            parts.append((wire, None if mask == 0xFFFFFFFF else mask, 1 << 32, fields))
        return tuple(sorted(parts, key=lambda part: f.ORDER[part[0]]))

    def _checked(self, action: f.Action) -> f.Action:
        """The action, if the table says that its flows do this; LayoutError if not.  Each claim is checked once."""
        claim = _CLAIMS[type(action)](action)
        if claim is not None and claim not in self._granted:
            self._grant(action)
            self._granted.add(claim)
        return action

    def _grant(self, action: f.Action) -> None:
        """Raise LayoutError unless the table says that its flows do this."""
        match action:
            case f.Goto(table) | f.Resubmit(table):
                if table not in LAYOUT.reachable(self):
                    raise LayoutError(f"table {self.name} does not declare that it leads to table {table}")
                if isinstance(action, f.Goto) and table <= self.id:
                    raise LayoutError(f"table {self.name}: goto {table} would go back (OpenFlow 1.4, 5.1.1)")
            case f.Load(name, offset, bits):
                fields = (n for n, d in FIELDS.items() if (d.wire, d.offset, d.bits) == (name, offset, bits))
                if name in self.writes:  # part of a header's field or of the connection's mark
                    return
                if not any(field in self.writes for field in fields):
                    raise LayoutError(f"table {self.name} does not declare a write of {name}[{offset}..]")
            case f.Ct(table=table, sets=sets):
                if table is not None and table not in LAYOUT.reachable(self):
                    raise LayoutError(f"table {self.name} does not declare that it leads to table {table}")
                for write in sets:
                    self._grant(write)
            case f.SetField(name, _) | f.Move(_, name):
                if name not in self.writes:
                    raise LayoutError(f"table {self.name} does not declare a write of {name}")
            case _:
                pass


Shape = tuple[tuple[str, int | None, int, "list[tuple[Field, int]] | None"], ...]
"""Per wire field of a match: its name, its mask (None: exact), its limit, and the register fields that make it up."""

_CLAIMS: dict[type, Any] = {
    f.Goto: itemgetter(slice(None)),
    f.Resubmit: itemgetter(slice(None)),
    f.Load: itemgetter(slice(3)),
    f.SetField: itemgetter(0),
    f.Move: itemgetter(1),
    f.Ct: itemgetter(slice(None)),
    **dict.fromkeys(
        (f.Output, f.OutputReg, f.Controller, f.PushVlan, f.PopVlan, f.Metered, f.CtClear, f.Conjunction),
        lambda action: None,
    ),
}
"""What an action claims of its table's declaration: the same for many actions, so it is checked once."""

_MATCHED: dict[tuple[str, int, int | None], tuple[str, int, int | None]] = {}
"""The one copy of a match field that many flows have."""
MOST_FIELDS, MOST_FLOWS = 1 << 14, 1 << 10
"""How many match fields, and flows of a table, are kept at most for others to share."""


NEXT = "NEXT"
DROP = "DROP"
MULTICAST = (1 << 40, 1 << 40)
"""eth_dst with the group bit: broadcast and multicast (IEEE 802.3, 3.2.3)."""
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
        self._next: dict[str, Table | None] = {}

    def add(self, table: Table) -> Table:
        taken = self.by_id.get((table.role, table.id))
        if table.name in self.by_name or taken is not None:
            raise LayoutError(f"table {table.name}: name or slot is taken by {taken.name if taken else table.name}")
        if not (0 <= table.stage < len(STAGES) and 0 <= table.slot < SLOTS):
            raise LayoutError(f"table {table.name}: stage {table.stage}, slot {table.slot} is not there")
        self.by_name[table.name] = self.by_id[table.role, table.id] = table
        self._next.clear()
        return table

    def tables(self, role: str) -> list[Table]:
        """A role's tables in the order of their ids."""
        return [table for (r, _), table in sorted(self.by_id.items()) if r == role]

    def next(self, table: Table) -> Table | None:
        """The next table of the stage that comes in turn, else the first one of the next stage that has any."""
        if table.name not in self._next:
            later = (t for t in self.tables(table.role) if t.stage > table.stage or (t.in_turn and t.id > table.id))
            self._next[table.name] = next(later, None)
        return self._next[table.name]

    def reachable(self, table: Table) -> set[int]:
        """The ids of the tables that a table's flows may lead to: those it names, and the next one."""
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
    in_turn: bool = False,
    meaning: str = "",
    counts: str = "",
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
        Table(
            *(name, owner, on, stage, slot, _spelt(reads), _spelt(writes), tuple(leads), miss, reactive, in_turn),
            *(meaning, counts),
        )
    )


def _spelt(fields: Iterable[Field | str]) -> frozenset[str]:
    return frozenset(field.name if isinstance(field, Field) else field for field in fields)


def goto(name: str) -> f.Goto:
    """Go to a table by name."""
    return _goto(LAYOUT.by_name[name].id)


def resubmit(name: str) -> f.Resubmit:
    """Look up in a table by name and carry on."""
    return _resubmit(LAYOUT.by_name[name].id)


def resubmit_onward(table: Table) -> list[f.Action]:
    """Look up in the table that comes after one and carry on (nothing, after the last)."""
    later = LAYOUT.next(table)
    return [_resubmit(later.id)] if later else []


def onward(table: Table) -> list[f.Action]:
    """Go on to the table that comes after one: of its stage in turn, or of the next one (nothing, after the last)."""
    later = LAYOUT.next(table)
    return [_goto(later.id)] if later else []


_goto = lru_cache(maxsize=None)(f.Goto)
_resubmit = lru_cache(maxsize=None)(f.Resubmit)
"""By table id: there are 256 at most."""


@lru_cache(maxsize=1 << 12)
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
