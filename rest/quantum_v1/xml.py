"""Values to XML and back, as API v1 has them: an object's elements are its keys, some of them attributes.

No document type is read, so there are no entities and nothing is fetched.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree.ElementTree import Element, tostring
from xml.parsers import expat

from rest.received import DEEPEST

COUNTERS = tuple(f"{way}_{what}" for way in ("rx", "tx") for what in ("bytes", "packets", "errors"))
OBJECT = (
    *("id", "name", "state", "status", "op-status", "code", "rel", "href", "alias", "namespace", "updated"),
    *COUNTERS,
)
"""Keys of an object that are XML attributes, where their values are text or numbers."""
ITEMS = {"networks": "network", "ports": "port", "extensions": "extension", "links": "link"}
"""What an item of a list is called."""
UNSAYABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 can't hold (2.2)."""


def written(value: dict[str, Any], namespace: str) -> str:
    """The document of an object with one key, its root."""
    ((name, inside),) = value.items()
    root = _element(name, inside)
    root.set("xmlns", namespace)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{tostring(root, encoding='unicode')}"


def _element(name: str, value: Any) -> Element:
    made = Element(name)
    if isinstance(value, list):
        made.extend(_element(ITEMS[name], item) for item in value)
    elif isinstance(value, dict):
        for key, held in value.items():
            if key in OBJECT:
                made.set(key, _text(held))
            else:
                made.append(_element(key, held))
    else:
        made.text = _text(value)
    return made


def _text(value: Any) -> str:
    return UNSAYABLE.sub("\ufffd", str(value))


def parsed(text: bytes) -> dict[str, Any]:
    """The value of a document, under its root's name: texts, and objects of attributes and elements.  Namespaces don't
    matter.  Raises ValueError when it is no XML, has a document type, or is nested deeper than DEEPEST."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartDoctypeDeclHandler = reader.doctype
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    try:
        parser.Parse(text, True)
    except (expat.ExpatError, LookupError) as error:  # LookupError: an encoding that nobody knows
        raise ValueError(f"no XML: {error}") from None
    return reader.found


class _Reader:
    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self._open: list[tuple[dict[str, Any], list[str]]] = [(self.found, [])]

    @staticmethod
    def doctype(*declared: Any) -> None:
        raise ValueError("a document type is not read")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self._open) > DEEPEST:
            raise ValueError("it is nested too deep")
        self._open.append(({_bare(key): value for key, value in attributes.items()}, []))

    def characters(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, name: str) -> None:
        inside, texts = self._open.pop()
        self._open[-1][0][_bare(name)] = inside or "".join(texts).strip()


def _bare(name: str) -> str:
    """A name without its namespace."""
    return name.rpartition(" ")[2]
