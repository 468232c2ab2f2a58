"""What REST costs in SQL: a read one statement, a write one more than its transaction, however much there is."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from webob import Request

from controller.core.settings import Settings
from controller.io.store import Store, Unavailable
from rest.wsgi import application


class Client:
    """The REST application over a store; what the last request cost."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cost = 0
        self._application = application(store, Settings(), unavailable=Unavailable)

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        before = self.store.statements
        request = Request.blank(f"/v2.0/{path}", method=method, body=json.dumps(body).encode() if body else b"")
        reply = request.get_response(self._application)
        self.cost = self.store.statements - before
        assert reply.status_int < 300, reply.body
        return reply.json if reply.body else None


@pytest.mark.parametrize("size", [1, 300])
def test_a_read_is_one_statement_and_a_write_is_five(url: str, opened: Callable[[str], Store], size: int) -> None:
    client = Client(opened(url))
    client("POST", "networks", networks=[{"name": str(n)} for n in range(size)])
    made = client("GET", "networks")["networks"][0]["id"]
    assert client.cost == 1
    client("GET", f"networks/{made}")
    assert client.cost == 1
    client("PUT", f"networks/{made}", network={"name": "x"})
    assert client.cost == 5  # the head; and in the transaction the lock, the head, the journal, the row
    client("POST", "networks", networks=[{"provider:network_type": "local"}] * size)
    assert client.cost <= 7  # network, segment and the sequence of keys
    client("DELETE", f"networks/{made}")
    assert client.cost <= 6  # network and segment


def test_a_read_after_others_wrote_reads_their_entries(url: str, opened: Callable[[str], Store]) -> None:
    ours, theirs = Client(opened(url)), Client(opened(url))
    ours("GET", "networks")
    theirs("POST", "networks", networks=[{}] * 50)
    assert len(ours("GET", "networks")["networks"]) == 50
    assert ours.cost <= 4
    ours("GET", "networks")
    assert ours.cost == 1


def test_a_database_that_is_ours_alone_is_never_asked(opened: Callable[[str], Store]) -> None:
    client = Client(opened("sqlite://"))
    made = client("POST", "networks", network={})["network"]["id"]
    client("GET", f"networks/{made}")
    assert client.cost == 0
