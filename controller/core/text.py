"""Flows as text, in ovs-ofctl's syntax, both ways.

What `format_flow` writes, `ovs-ofctl -O OpenFlow14 add-flow` takes as it is; what `ovs-ofctl dump-flows` prints of our
flows, `parse_flow` reads.  For people, tables can go by name; such text is read back with the reverse mapping.
Syntax: ovs-ofctl(8), ovs-fields(7), ovs-actions(7).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from controller.core import flow as f
from controller.core import spelling as s

TableName = Callable[[int], str]
TableNumber = Callable[[str], int]
Wanted = int | tuple[int, int]
"""What a match says of a field: its exact value, or value and mask."""

DEFAULT_PRIORITY = 32768
"""What a flow without the word `priority` has (ovs-ofctl leaves it out of what it prints)."""


class TextError(ValueError):
    """The text is not a flow; the message names the word that is wrong."""


_IGNORED = {"cookie", "duration", "n_packets", "n_bytes", "idle_age", "hard_age", "send_flow_rem", "reset_counts"}

# ---------------------------------------------------------------------------------------------------------------------
# To text


def format_flow(flow: f.Flow, names: TableName | None = None) -> str:
    """One line that ovs-ofctl reads; with `names`, tables are written by name and ovs-ofctl needs that mapping too."""
    words = [f"table={_table_text(flow.table, names)}"]
    if flow.idle_timeout:
        words.append(f" idle_timeout={flow.idle_timeout}")
    words.append(f" priority={flow.priority}")
    matched = format_match(flow.match)
    return ",".join([*words, matched] if matched else words) + " actions=" + format_actions(flow.actions, names)


def format_match(match: f.Match) -> str:
    """The words of a match, the protocol's keyword first, as ovs-ofctl prints them; '' matches every packet."""
    exact = {name: value for name, value, mask in match if mask is None}
    type_, proto = _kind(exact)
    word, said = s.KEYWORD_OF.get((type_, proto)), {"eth_type", "ip_proto"}
    if word is None:
        word, said = s.KEYWORD_OF.get((type_, None)), {"eth_type"}
    if word is None:
        rest = [part for part in match if part[0] == "eth_type"] + [part for part in match if part[0] != "eth_type"]
        return ",".join(_match_word(type_, proto, *part) for part in rest)
    return ",".join([word, *(_match_word(type_, proto, *part) for part in match if part[0] not in said)])


def _kind(exact: Mapping[str, Wanted]) -> tuple[Any, Any]:
    """What decides which header a short word like tp_src is of."""
    return exact.get("eth_type", -1), exact.get("ip_proto")


def _match_word(type_: int, proto: int | None, name: str, value: int, mask: int | None) -> str:
    if name == "vlan_vid":
        if mask is None and value & f.VLAN_PRESENT:
            return f"dl_vlan={value & ~f.VLAN_PRESENT}"
        return f"vlan_tci=0x{value:04x}/0x{0x1FFF if mask is None else mask:04x}"
    word = s.SHORT_OF.get((type_, proto, name), s.SPELLING[name].match)
    if mask is None:
        return f"{word}={s.value_text(name, value)}"
    if f.FIELDS[name].style == "flags":
        return f"{word}={s.signed_flags_text(value, mask) or f'{value:#x}/{mask:#x}'}"
    return f"{word}={s.value_text(name, value)}/{s.mask_text(name, mask)}"


def format_actions(actions: f.Actions, names: TableName | None = None) -> str:
    """An action list as ovs-ofctl writes it: `drop` when it is empty."""
    return ",".join(format_action(action, names) for action in actions) or "drop"


def format_action(action: f.Action, names: TableName | None = None) -> str:
    """One action or instruction."""
    match action:
        case f.Output(port):
            return _output_text(port)
        case f.OutputReg(name, offset, bits):
            return f"output:{_part_text(name, offset, bits)}"
        case f.Controller(max_len):
            return f"CONTROLLER:{max_len}"
        case f.Load(name, offset, bits, value):
            return f"load:0x{value:x}->{_part_text(name, offset, bits)}"
        case f.SetField(name, value):
            if name == "vlan_vid" and value & f.VLAN_PRESENT:
                return f"mod_vlan_vid:{value & ~f.VLAN_PRESENT}"
            return f"set_field:{s.value_text(name, value)}->{s.SPELLING[name].target}"
        case f.Move(source, target):
            return f"move:{s.SPELLING[source].register}[]->{s.SPELLING[target].register}[]"
        case f.PushVlan():
            return "push_vlan:0x8100"
        case f.PopVlan():
            return "pop_vlan"
        case f.Resubmit(table):
            return f"resubmit(,{_table_text(table, names)})"
        case f.Metered(meter):
            return f"meter:{meter}"
        case f.Goto(table):
            return f"goto_table:{_table_text(table, names)}"
        case f.Ct():
            return _ct_text(action, names)
        case f.CtClear():
            return "ct_clear"
        case f.Conjunction(id, clause, n_clauses):
            return f"conjunction({id},{clause}/{n_clauses})"


def _ct_text(ct: f.Ct, names: TableName | None) -> str:
    zone = _part_text(*ct.zone) if isinstance(ct.zone, f.Bits) else str(ct.zone or "")
    said = {
        "commit": ct.commit,
        "force": ct.force,
        f"table={_table_text(ct.table or 0, names)}": ct.table is not None,
        f"zone={zone}": zone,
        f"exec({format_actions(ct.sets)})": ct.sets,
    }
    return f"ct({','.join(word for word, meant in said.items() if meant)})"


def _table_text(table: int, names: TableName | None) -> str:
    return names(table) if names else str(table)


def _output_text(port: int) -> str:
    if port == f.CONTROLLER:
        return "output:CONTROLLER"
    return s.PORT_NAME.get(port) or f"output:{port}"


def _part_text(name: str, offset: int, bits: int) -> str:
    last = offset + bits - 1
    inside = "" if (offset, bits) == (0, s.width(name)) else str(offset) if bits == 1 else f"{offset}..{last}"
    return f"{s.SPELLING[name].register}[{inside}]"


# ---------------------------------------------------------------------------------------------------------------------
# From text


def parse_flow(text: str, tables: TableNumber | None = None) -> f.Flow:
    """Read a flow as `format_flow` or `ovs-ofctl dump-flows` writes it (counters and cookie are skipped).

    `tables` gives the number of a table that goes by name (LookupError: there is none).  Raises TextError.
    """
    head, found, tail = text.partition("actions=")
    if not found:
        raise TextError(f"{text.strip()!r} has no actions=")
    numbers = {"table": 0, "priority": DEFAULT_PRIORITY, "idle_timeout": 0}
    matched: dict[str, Wanted] = {}
    for word in _words(head):
        name, _, value = word.partition("=")
        with _naming(word):
            if name == "table":
                numbers[name] = _table(value, tables)
            elif name in numbers:
                numbers[name] = s.number(value, 16)
            elif name not in _IGNORED:
                _add(matched, word)
    actions = parse_actions(tail, tables)
    return f.Flow(numbers["table"], numbers["priority"], f.match(matched), actions, numbers["idle_timeout"])


def parse_match(text: str) -> f.Match:
    """Read the words of a match.  Raises TextError."""
    matched: dict[str, Wanted] = {}
    for word in _words(text):
        with _naming(word):
            _add(matched, word)
    return f.match(matched)


def parse_actions(text: str, tables: TableNumber | None = None) -> f.Actions:
    """Read an action list; `drop` is the empty one.  Raises TextError."""
    words = _words(text)
    if not words:
        raise TextError("actions= is followed by nothing; no actions are written as drop")
    if words == ["drop"]:
        return ()
    made = []
    for word in words:
        with _naming(word):
            made.append(_action(word, tables))
    return tuple(made)


def _words(text: str) -> list[str]:
    return re.findall(r"[^\s,()]+(?:\((?:[^()]|\([^()]*\))*\)?)?|[()]", text)


@contextmanager
def _naming(word: str) -> Iterator[None]:
    """Say which word it was that a ValueError is about."""
    try:
        yield
    except ValueError as error:
        raise TextError(f"{word!r}: {error}") from error


def _add(matched: dict[str, Wanted], word: str) -> None:
    name, _, value = word.partition("=")
    name = s.FIELD_SHORT.get((*_kind(matched), name), name)
    made: Mapping[str, Wanted] = s.KEYWORDS[word] if word in s.KEYWORDS else _condition(name, value)
    for field, wanted in made.items():
        if field in matched:
            raise ValueError(f"{field} is said a second time")
        f.match({field: wanted})
        matched[field] = wanted


def _condition(name: str, value: str) -> dict[str, Wanted]:
    if name == "dl_vlan":
        vid = s.number(value, 16)
        if vid > 0xFFF and vid != 0xFFFF:
            raise ValueError("a VLAN is 0 to 4095, or 0xffff for none")
        return {"vlan_vid": 0 if vid == 0xFFFF else f.VLAN_PRESENT | vid}
    exact, slash, mask = value.partition("/")
    if name == "vlan_tci" and not slash:
        raise ValueError("only vlan_tci=VALUE/MASK is read, and no priority bits in it")
    field = "vlan_vid" if name == "vlan_tci" else _field(name)
    if value[:1] in ("+", "-") and f.FIELDS[field].style == "flags":
        return {field: s.signed_flags(value)}
    number = s.value_of(field, exact)
    return {field: (number, s.mask_of(field, mask)) if slash else number}


def _field(name: str) -> str:
    if name in ("tp_src", "tp_dst"):
        raise ValueError(f"{name} needs tcp, udp or sctp before it")
    if name not in s.FIELD_OF:
        raise ValueError(f"no field is called {name}")
    return s.FIELD_OF[name]


def _table(text: str, tables: TableNumber | None) -> int:
    if tables and not text.isdecimal():
        try:
            return tables(text)
        except LookupError as error:
            raise ValueError(f"no table is called {text}") from error
    return s.number(text, 8)


def _part(text: str) -> tuple[str, int, int]:
    """A field's name, first bit and number of bits, of text like NXM_NX_REG4[0..15]."""
    found = re.fullmatch(r"(\w+)\[(?:(\d+)(?:\.\.(\d+))?)?\]", text)
    if not found or found[1] not in s.REGISTER_OF:
        raise ValueError(f"{text!r} is not a field like NXM_NX_REG0[0..15]")
    name = s.REGISTER_OF[found[1]]
    if found[2] is None:
        return name, 0, s.width(name)
    first, last = int(found[2]), int(found[3] or found[2])
    if not first <= last < f.FIELDS[name].bits:
        raise ValueError(f"{found[1]} has no bits {first}..{last}")
    return name, first, last - first + 1


def _action(word: str, tables: TableNumber | None) -> f.Action:
    if word.upper() in ("IN_PORT", "NORMAL", "LOCAL"):
        return f.Output(s.PORTS[word.upper()])
    if word == "pop_vlan":
        return f.PopVlan()
    if word == "push_vlan:0x8100":
        return f.PushVlan()
    if word == "ct_clear":
        return f.CtClear()
    if found := re.fullmatch(r"resubmit\(,([^,()]+)\)", word):
        return f.Resubmit(_table(found[1], tables))
    if found := re.fullmatch(r"ct(?:\((.*)\))?", word):
        return _ct(_words(found[1] or ""), tables)
    if found := re.fullmatch(r"conjunction\((\w+),(\w+)/(\w+)\)", word):
        return f.Conjunction(s.number(found[1], 32), s.number(found[2], 8), s.number(found[3], 8))
    name, _, rest = word.partition(":")
    if name == "goto_table":
        return f.Goto(_table(rest, tables))
    if name not in _ACTIONS:
        raise ValueError("no action that is known here")
    return _ACTIONS[name](rest)


def _ct(words: list[str], tables: TableNumber | None) -> f.Ct:
    given: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if found := re.fullmatch(r"exec\((.*)\)", word):
            given["sets"] = tuple(_set(word) for word in _words(found[1]))
        elif word in ("commit", "force"):
            given[word] = True
        elif name == "table":
            given["table"] = _table(value, tables)
        elif name == "zone":
            given["zone"] = f.Bits(*_part(value)) if "[" in value else s.number(value, 16)
        else:
            raise ValueError(f"{word!r} is nothing that ct does here")
    return f.Ct(**given)


def _set(word: str) -> f.SetField | f.Load | f.Move:
    name, _, rest = word.partition(":")
    made = _ACTIONS[name](rest) if name in ("set_field", "load", "move") else None
    if not isinstance(made, f.SetField | f.Load | f.Move):
        raise ValueError(f"{word!r} is nothing that exec does here")
    return made


def _output(rest: str) -> f.Action:
    return f.OutputReg(*_part(rest)) if "[" in rest else f.Output(s.value_of("in_port", rest))


def _load(rest: str) -> f.Action:
    value, _, target = rest.partition("->")
    name, offset, bits = _part(target)
    return f.Load(name, offset, bits, s.number(value, bits))


def _set_field(rest: str) -> f.Action:
    value, _, target = rest.partition("->")
    name = _field(target)
    return f.SetField(name, s.value_of(name, value))


def _move(rest: str) -> f.Action:
    source, _, target = rest.partition("->")
    ends = (_part(source), _part(target))
    if any((offset, bits) != (0, s.width(name)) for name, offset, bits in ends):
        raise ValueError("only whole fields are moved")
    return f.Move(ends[0][0], ends[1][0])


_ACTIONS: dict[str, Callable[[str], f.Action]] = {
    "output": _output,
    "load": _load,
    "set_field": _set_field,
    "move": _move,
    "CONTROLLER": lambda rest: f.Controller(s.number(rest, 16)),
    "mod_vlan_vid": lambda rest: f.SetField("vlan_vid", f.VLAN_PRESENT | s.number(rest, 12)),
    "meter": lambda rest: f.Metered(s.number(rest, 32)),
}
