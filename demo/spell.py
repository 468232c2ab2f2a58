"""Say it with names: ports instead of OpenFlow port numbers, our fields instead of registers, tables by name."""

from __future__ import annotations

import re
from collections.abc import Mapping

from controller.core.pipeline import FIELDS, LAYOUT

_PORT = re.compile(r"\b(in_port=|output:|output port is )(\d+)\b")
_LOAD = re.compile(r"load:(0x[0-9a-f]+|\d+)->NXM_NX_(REG\d)\[(?:(\d+)(?:\.\.(\d+))?)?\]")
_OUTPUT = re.compile(r"output:NXM_NX_(REG\d)\[(?:(\d+)(?:\.\.(\d+))?)?\]")
_MATCH = re.compile(r"\b(reg\d)=(0x[0-9a-f]+|\d+)(?:/(0x[0-9a-f]+))?")
_TABLE = re.compile(r"\b(goto_table:|resubmit\(,)(\d+)")


def named(text: str, role: str, ports: Mapping[int, str]) -> str:
    """A match or an action of a bridge with a role (INT, ETH), whose ports are {number: name}."""
    text = _PORT.sub(lambda found: found[1] + ports.get(int(found[2]), found[2]), text)
    text = _LOAD.sub(lambda found: f"{_field(found[2], found[3], found[4])}={int(found[1], 0)}", text)
    text = _OUTPUT.sub(lambda found: f"output:{_field(found[1], found[2], found[3])}", text)
    text = _MATCH.sub(_fields, text)
    return _TABLE.sub(lambda found: found[1] + LAYOUT.name(role, int(found[2])), text)


def _field(register: str, first: str | None, last: str | None) -> str:
    """The field that is these bits of a register; no bits given: all 32."""
    offset = int(first or 0)
    bits = 32 if first is None else int(last or first) - offset + 1
    for name, field in FIELDS.items():
        if (field.wire, field.offset, field.bits) == (register.lower(), offset, bits):
            return name
    return f"{register.lower()}[{offset}..{offset + bits - 1}]"


def _fields(found: re.Match[str]) -> str:
    """A match on a register as matches on the fields that its mask covers whole."""
    value, mask = int(found[2], 0), int(found[3] or "0xffffffff", 0)
    words, rest = [], mask
    for name, field in FIELDS.items():
        covered = ((1 << field.bits) - 1) << field.offset
        if field.wire == found[1] and mask & covered == covered and rest & covered == covered:
            words.append(f"{name}={(value & covered) >> field.offset}")
            rest &= ~covered
    return found[0] if rest else ",".join(words)
