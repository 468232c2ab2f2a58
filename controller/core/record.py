"""Events as lines of JSON, both ways: a recorded run of the controller can be stepped through again.

One line per event, an empty line after each step.  The first lines are the rows the machine started with.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TextIO

from controller.core import events, model
from controller.core.net import Change
from controller.core.row import KINDS, is_private
from controller.core.settings import HostSettings, Settings

_NAMED = {
    cls.__name__: cls
    for module in (events, model)
    for cls in vars(module).values()
    if isinstance(cls, type) and (is_dataclass(cls) or hasattr(cls, "_fields"))
}
_NAMED |= {"Change": Change, "Settings": Settings, "HostSettings": HostSettings}


class RecordError(ValueError):
    """A line that is no recorded event; the message names the line."""


def write_event(file: TextIO, event: Any) -> None:
    """Append an event (or a starting row) to a recording.  Private rows (accounts) are left out."""
    if is_private(type(event)):
        return
    if isinstance(event, events.Changed):
        event = replace(event, changes=tuple(change for change in event.changes if not is_private(change.row_type)))
    file.write(json.dumps(_plain(event), separators=(",", ":")) + "\n")


def read_steps(lines: Iterable[str]) -> Iterator[list[Any]]:
    """The recorded steps: lists of events.  Raises RecordError."""
    burst: list[Any] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                burst.append(_named(json.loads(line)))
            except (ValueError, KeyError, TypeError) as error:
                raise RecordError(f"line {number} is no recorded event: {error}") from None
        elif burst:
            yield burst
            burst = []
    if burst:
        yield burst


def _named(plain: Any) -> Any:
    if not isinstance(plain, dict):
        raise ValueError("it is no object with a class")
    return _value(plain)


def _plain(value: Any) -> Any:
    """JSON of a value: a named value is {"": its class, field: value, ...}; a tuple is a list."""
    if isinstance(value, bytes):
        return {"": "bytes", "hex": value.hex()}
    if is_dataclass(value) and not isinstance(value, type):
        return {"": type(value).__name__} | {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if hasattr(value, "_fields"):
        return {"": type(value).__name__} | {name: _plain(getattr(value, name)) for name in value._fields}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _inside_rows(name: str) -> type:
    """A value that an app's rows hold: it is declared beside them.  Raises KeyError."""
    for kind in KINDS.values():
        found = getattr(sys.modules[kind.__module__], name, None)
        if isinstance(found, type) and hasattr(found, "_fields"):
            return found
    raise KeyError(name)


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    name = plain[""]
    if name == "bytes":
        return bytes.fromhex(plain["hex"])
    cls = _NAMED.get(name) or KINDS.get(name) or _inside_rows(name)
    return cls(**{key: _value(item) for key, item in plain.items() if key})
