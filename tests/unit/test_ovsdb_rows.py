"""The fast tables of the replica answer as the library's own do, and a burst of ports asks no row for attributes."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import ovs.stream
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ovs.db.idl import Row, Transaction
from ovsdbapp.backend.ovs_idl import connection, idlutils

from controller.io.ovsdb.link import Bell, HostIdl, one_connection
from controller.io.ovsdb.view import Interfaces
from controller.io.ovsdb.wire import HostRpc

TEXT: dict[str, Any] = {"type": "string"}
TEXTS: dict[str, Any] = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}


def some(key: object, most: object = "unlimited") -> dict[str, Any]:
    return {"type": {"key": key, "min": 0, "max": most}}


def rows_of(table: str) -> dict[str, Any]:
    return some({"type": "uuid", "refTable": table})


COLUMNS: dict[str, dict[str, Any]] = {
    "Bridge": {"name": TEXT, "ports": rows_of("Port"), "other_config": TEXTS},
    "Port": {"name": TEXT, "interfaces": rows_of("Interface"), "tag": some("integer", 1), "external_ids": TEXTS},
    "Interface": {
        "name": TEXT,
        "type": TEXT,
        "external_ids": TEXTS,
        "options": TEXTS,
        "error": some("string", 1),
        "mtu": some("integer", 1),
    },
}
TABLES = {table: {"columns": columns, "isRoot": True} for table, columns in COLUMNS.items()}
SCHEMA = {"name": "Open_vSwitch", "version": "8.0.0", "tables": TABLES}


class Peer:
    """A host's end of a connection, and a replica at ours: `of` makes it from an RPC connection and a bell."""

    def __init__(self, of: Any) -> None:
        ours, self._theirs = socket.socketpair()
        ours.setblocking(False)
        self._theirs.settimeout(5)
        self._bell = Bell()
        self._rpc = HostRpc(ovs.stream.Stream(ours, "unix:peer", 0))
        self.idl = of(self._rpc, self._bell)
        # The library asks for the schema of _Server first, and monitors our database when there is none.
        self.turn()
        self._answer(error="no such database")
        self._answer(result=[False, str(UUID(int=0)), {}])
        assert self.idl.state == self.idl.IDL_S_MONITORING

    def update(self, tables: dict[str, Any]) -> None:
        params = [str(self.idl.uuid), str(UUID(int=0)), tables]
        self._send({"id": None, "method": "update3", "params": params})

    def turn(self) -> None:
        self._rpc.begin_turn()
        self.idl.run()

    def close(self) -> None:
        self._rpc.close()
        self._bell.close()
        self._theirs.close()

    def _answer(self, result: Any = None, error: Any = None) -> None:
        request = json.loads(self._theirs.recv(65536))
        self._send({"id": request["id"], "result": result, "error": error})

    def _send(self, message: dict[str, Any]) -> None:
        self._theirs.sendall(json.dumps(message).encode())
        self.turn()


def fast(rpc: HostRpc, bell: Bell) -> HostIdl:
    return HostIdl(rpc, SCHEMA, bell, 60)


def plain(rpc: HostRpc, _: Bell) -> connection.OvsdbIdl:
    """The library's own replica, with its own index."""
    helper = idlutils.create_schema_helper(SCHEMA)
    helper.register_all()
    idl = connection.OvsdbIdl(rpc.name, helper, leader_only=False)
    for table in ("Bridge", "Port"):
        idl.tables[table].rows.index_create("name").add_column("name")
    idl._session = one_connection(rpc, 60_000)
    return idl


@contextmanager
def peers(*makers: Any) -> Iterator[list[Peer]]:
    there: list[Peer] = []
    try:
        for maker in makers:
            there.append(Peer(maker))
        yield there
    finally:
        for peer in there:
            peer.close()


def uuid(table: str, number: int) -> UUID:
    return UUID(int=number + (list(COLUMNS).index(table) << 32))


def reference(table: str, number: int) -> list[str]:
    return ["uuid", str(uuid(table, number))]


def a_vif(number: int) -> dict[str, dict[str, Any]]:
    """The rows of a VIF's port, as an insert of two tables."""
    ids = ["map", [["iface-id", f"port-{number}"], ["attached-mac", f"fa:16:3e:00:00:{number:02x}"]]]
    return {
        "Port": {
            str(uuid("Port", number)): {
                "insert": {"name": f"tap{number}", "interfaces": reference("Interface", number)}
            }
        },
        "Interface": {
            str(uuid("Interface", number)): {"insert": {"name": f"tap{number}", "type": "tap", "external_ids": ids}}
        },
    }


def burst(numbers: range, bridge: str = "insert") -> dict[str, Any]:
    """An update that plugs VIFs into the bridge."""
    there = {"ports": ["set", [reference("Port", number) for number in numbers]]}
    name = {"name": "br-int"} if bridge == "insert" else {}
    tables: dict[str, Any] = {"Bridge": {str(uuid("Bridge", 0)): {bridge: {**name, **there}}}}
    for number in numbers:
        for table, rows in a_vif(number).items():
            tables.setdefault(table, {}).update(rows)
    return tables


def content(idl: Any) -> dict[str, Any]:
    """All rows, and who is found under each name."""
    rows = {
        table: {key: {column: str(row._data[column]) for column in COLUMNS[table]} for key, row in of.rows.items()}
        for table, of in idl.tables.items()
    }
    named = {
        (table, name): {row.uuid for row in idlutils.rows_by_value(idl, table, "name", name)}
        for table in ("Bridge", "Port")
        for name in NAMES
    }
    return {"rows": rows, "named": named, "count": {table: len(of.rows) for table, of in idl.tables.items()}}


NAMES = ["", "a", "b"]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["Bridge", "Port"]),
        st.integers(min_value=0, max_value=3),
        st.sampled_from(["insert", "modify", "delete"]),
        st.sampled_from(NAMES),
    ),
    max_size=30,
)


@settings(deadline=None, max_examples=60)  # a loaded machine is no fault
@given(steps=STEPS)
def test_rows_and_names_are_those_of_the_library(steps: list[tuple[str, int, str, str]]) -> None:
    """Also for rows that come twice or are not there: the library warns, or leaves out what is left of the update."""
    with peers(fast, plain) as (ours, theirs):
        for table, number, operation, name in steps:
            row = {} if operation == "delete" else {"name": name}
            for peer in (ours, theirs):
                peer.update({table: {str(uuid(table, number)): {operation: row}}})
            assert content(ours.idl) == content(theirs.idl)


def test_a_row_is_found_by_its_uuid() -> None:
    with peers(fast) as (peer,):
        peer.update(burst(range(2)))
        rows = peer.idl.tables["Port"].rows
        there, missing = uuid("Port", 1), uuid("Port", 7)
        assert rows[there] is rows.get(there) is rows.at(there.int)
        assert there in rows
        assert (missing in rows, rows.get(missing), rows.at(missing.int)) == (False, None, None)
        with pytest.raises(KeyError):
            rows[missing]
        assert set(rows) == set(rows.keys()) == {uuid("Port", 0), there}
        assert {row.name for row in rows.values()} == {"tap0", "tap1"}


def test_a_name_is_found_within_the_transaction_that_gives_it() -> None:
    with peers(fast) as (peer,):
        peer.update(burst(range(1)))

        def find(name: str) -> Any:
            return idlutils.row_by_value(peer.idl, "Port", "name", name, None)

        transaction = Transaction(peer.idl)
        row = transaction.insert(peer.idl.tables["Port"])
        assert find("new") is None
        row.name = "new"
        assert find("new") is row
        row.name = "newer"
        assert (find("new"), find("newer")) == (None, row)
        old = find("tap0")
        old.delete()
        assert find("tap0") is None
        nameless = transaction.insert(peer.idl.tables["Port"])
        assert nameless.uuid in peer.idl.tables["Port"].rows
        nameless.delete()
        transaction.abort()
        assert (find("newer"), find("tap0")) == (None, old)


def test_a_burst_of_ports_asks_no_row_for_its_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row's attributes look for an open transaction and check each value anew."""
    asked: list[str] = []
    original = Row.__getattr__

    def counted(row: Row, name: str) -> Any:
        asked.append(name)
        return original(row, name)

    with peers(fast) as (peer,):
        interfaces = Interfaces(peer.idl)
        peer.update(burst(range(2)))
        interfaces.update(peer.idl.take_touched())
        monkeypatch.setattr(Row, "__getattr__", counted)
        peer.update(burst(range(2, 52), "modify"))
        changed, removed = interfaces.update(peer.idl.take_touched())
        assert asked == []
        assert sorted(row.iface_id for row in changed) == sorted(f"port-{number}" for number in range(2, 52))
        assert removed == ()


def test_an_update_that_shows_nothing_new_changes_nothing() -> None:
    """A key in external_ids that nobody here reads, and an MTU that was told already."""
    with peers(fast) as (peer,):
        interfaces = Interfaces(peer.idl)
        peer.update(burst(range(2)))
        interfaces.update(peer.idl.take_touched())
        row = str(uuid("Interface", 1))
        peer.update({"Interface": {row: {"modify": {"external_ids": ["map", [["vm-id", "x"]]]}}}})
        assert interfaces.update(peer.idl.take_touched()) == ((), ())
        peer.update({"Interface": {row: {"modify": {"mtu": 1400}}}})
        changed, _ = interfaces.update(peer.idl.take_touched())
        assert [(row.name, row.mtu) for row in changed] == [("tap1", 1400)]
        assert [row.mtu for row in interfaces.rows] == [0, 1400]
