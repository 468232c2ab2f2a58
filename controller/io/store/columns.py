"""From a field's annotation to its SQL column, its check, and the way back to the frozen value.

A `str`, `int` or `bool` (or `X | None`) is a column of its own; a tuple or NamedTuple is JSON text.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from sqlalchemy import BigInteger, Boolean, Integer, String, Text
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

KEY_LENGTH = 255
KEY = String(KEY_LENGTH).with_variant(mysql.VARCHAR(KEY_LENGTH, collation="utf8mb4_bin"), "mysql", "mariadb")
"""Text in a primary key: MySQL can't index longer text, and would take `a` and `A` for one key."""
TEXT = Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), "mysql", "mariadb")
"""Text of any length; the collation brings its character set, where a server's default may hold Latin letters only."""
NUMBER = BigInteger()
REVISION = BigInteger().with_variant(Integer(), "sqlite")
"""On SQLite only an INTEGER primary key is the row id itself and needs no second index."""

Convert = Callable[[Any], Any]


class Unstorable(ValueError):
    """A value that not every database can hold (Unicode surrogates, NUL, integers over 64 bits, keys over
    255 or ending with a space)."""


class Codec(NamedTuple):
    """How a field's values are stored.  `to_sql` raises Unstorable, or TypeError when the row itself is wrong;
    `from_sql` is None where the driver gives the field's value as it is; `from_json` reads a journal entry."""

    type: TypeEngine[Any]
    nullable: bool
    to_sql: Convert
    from_sql: Convert | None
    from_json: Convert


def codec(annotation: Any, *, key: bool = False) -> Codec:
    """The codec of a field with that annotation; `key`: it is part of the primary key.  TypeError: not supported."""
    plain, nullable = _without_none(annotation)
    if plain in _PLAIN and not (key and plain is str):
        sql_type, check = _PLAIN[plain]
        return Codec(sql_type, nullable, _nullable(check) if nullable else check, None, _same)
    if plain is str:
        return Codec(KEY, False, _key_text, None, _same)
    freeze = freezer(plain)
    if nullable or key:
        raise TypeError(f"{annotation}: a tuple field can't be None or a key")
    return Codec(TEXT, False, compact_json, lambda text: freeze(json.loads(text)), freeze)


def freezer(annotation: Any) -> Convert:
    """What turns JSON values back into the frozen values of an annotation (lists into tuples and NamedTuples)."""
    plain, nullable = _without_none(annotation)
    if plain in (str, int, bool):
        return _same
    if nullable:
        raise TypeError(f"{annotation}: a tuple field can't be None")
    if isinstance(plain, type) and issubclass(plain, tuple) and hasattr(plain, "_fields"):
        parts = [freezer(hint) for hint in get_type_hints(plain).values()]
        return lambda values: plain(*(part(value) for part, value in zip(parts, values, strict=True)))
    arguments = get_args(plain)
    if get_origin(plain) is not tuple or not arguments:
        raise TypeError(f"{annotation}: a stored field is str, int, bool, a tuple or a NamedTuple")
    if arguments[-1] is Ellipsis:
        each = freezer(arguments[0])
        return lambda values: tuple([each(value) for value in values])
    fixed = [freezer(argument) for argument in arguments]
    return lambda values: tuple([part(value) for part, value in zip(fixed, values, strict=True)])


def compact_json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _without_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) not in (UnionType, Union):
        return annotation, False
    rest = [argument for argument in get_args(annotation) if argument is not NoneType]
    if len(rest) != 1:
        raise TypeError(f"{annotation}: a stored field has one type")
    return rest[0], True


def _same(value: Any) -> Any:
    return value


def _nullable(check: Convert) -> Convert:
    return lambda value: None if value is None else check(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    if "\0" in value:
        raise Unstorable("text can't contain the NUL character")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise Unstorable("text can't contain a Unicode surrogate")
    return value


def _key_text(value: Any) -> str:
    if len(_text(value)) > KEY_LENGTH:
        raise Unstorable(f"a key has at most {KEY_LENGTH} characters")
    if value.endswith(" "):  # MariaDB would take `a` and `a ` for one key
        raise Unstorable("a key can't end with a space")
    return str(value)


def _number(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not an integer")
    if not -(2**63) <= value < 2**63:
        raise Unstorable("an integer has at most 64 bits, sign included")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r} is not a boolean")
    return value


_PLAIN: dict[Any, tuple[TypeEngine[Any], Convert]] = {
    str: (TEXT, _text),
    int: (NUMBER, _number),
    bool: (Boolean(), _flag),
}
