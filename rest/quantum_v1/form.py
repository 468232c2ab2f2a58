"""JSON or XML: how a request's body is read and its answer written."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from webob import Request

from rest import received
from rest.quantum_v1 import xml

JSON, XML = "application/json", "application/xml"
NAMESPACE = "http://openstack.org/quantum/api/"
"""Before the version's name: the XML namespace of its answers."""


class Form(NamedTuple):
    """`content_type` is that of the answer, JSON or XML; `version` is v1.0 or v1.1."""

    content_type: str
    version: str

    def text(self, value: dict[str, Any]) -> str:
        if self.content_type == XML:
            return xml.written(value, NAMESPACE + self.version)
        return json.dumps(value)


def of(request: Request, version: str, last: str) -> tuple[Form, str]:
    """The form of the answer, and the last part of the path without its suffix: `.json` and `.xml` decide, else what
    the request's own body is in, else what the client accepts, as in Quantum; JSON where it has no wish."""
    for suffix, content_type in ((".json", JSON), (".xml", XML)):
        if last.endswith(suffix):
            return Form(content_type, version), last.removesuffix(suffix)
    if request.content_type in (JSON, XML):
        return Form(request.content_type, version), last
    offers = request.accept.acceptable_offers([JSON, XML])
    return Form(offers[0][0] if offers else JSON, version), last


def parsed(request: Request, body: bytes, form: Form) -> Any:
    """The value in a body: in what it says it is, else in the form of the answer.  Raises ValueError."""
    said = request.content_type or form.content_type
    return xml.parsed(body) if said.endswith("xml") else received.parsed(body)
