"""Operations of core.effects as an OVSDB transaction: write only what differs, touch only what is named.

Sets and maps are changed by mutation (add or remove this element), never rewritten, so that somebody who changes the
same column at the same moment loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from ovs.db.idl import Row
from ovs.db.idl import Transaction as RowTransaction
from ovsdbapp.backend.ovs_idl import command, idlutils
from ovsdbapp.backend.ovs_idl.transaction import Transaction
from ovsdbapp.exceptions import OvsdbAppException

from controller.core.effects import (
    EnsureBridge,
    EnsurePatch,
    EnsureTunnel,
    OvsdbOperation,
    RemovePort,
    SetTag,
)
from controller.io.ovsdb.link import HostIdl
from controller.io.ovsdb.view import MARK, is_ours

AUTO = ":AUTO:"
"""In a controller target (tcp:AUTO:6653, ssl:AUTO:6653): the address at which the host reached us."""


class Refused(Exception):
    """An operation can't be carried out; the text says which rule it breaks."""


class Database(Protocol):
    """What ovsdbapp's transactions need to know of a connection; `timeout` is in seconds."""

    idl: HostIdl
    timeout: float


def commit(database: Database, operations: Iterable[OvsdbOperation], here: str) -> str:
    """Carry out all operations in one transaction, or none; wait for the answer.  The result is "" or the error.

    `here` is our address as the host knows it.  Errors: ConnectionClosed.
    """
    transaction = Transaction(database, database, check_error=True, log_errors=False)
    tags: dict[str, dict[str, int | None]] = {}
    for operation in operations:
        if isinstance(operation, SetTag):
            tags.setdefault(operation.bridge, {})[operation.port] = operation.tag
        else:
            transaction.add(Carry(database, operation, here))
    for bridge, wanted in tags.items():
        transaction.add(CarryTags(database, bridge, wanted))
    try:
        transaction.do_commit()
    except (Refused, OvsdbAppException, RuntimeError) as error:
        return str(error) or type(error).__name__
    return ""


class Carry(command.BaseCommand):
    """One operation as an ovsdbapp command."""

    def __init__(self, database: Database, operation: OvsdbOperation, here: str) -> None:
        super().__init__(database)
        self._operation, self._here = operation, here

    def run_idl(self, txn: RowTransaction) -> None:
        match self._operation:
            case EnsureBridge():
                ensure_bridge(txn, self._operation, self._here)
            case EnsurePatch(bridge, port, peer_bridge, peer_port):
                ensure_patch_end(txn, bridge, port, peer_port)
                ensure_patch_end(txn, peer_bridge, peer_port, port)
            case EnsureTunnel():
                ensure_tunnel(txn, self._operation)
            case RemovePort(bridge, port):
                remove_port(txn, bridge, port)


class CarryTags(command.BaseCommand):
    """All tags of a bridge: its ports are looked through once, however many there are."""

    def __init__(self, database: Database, bridge: str, tags: dict[str, int | None]) -> None:
        super().__init__(database)
        self._bridge, self._tags = bridge, tags

    def run_idl(self, txn: RowTransaction) -> None:
        set_tags(txn, self._bridge, self._tags)


def ensure_bridge(txn: RowTransaction, wanted: EnsureBridge, here: str) -> None:
    bridge = find(txn, "Bridge", wanted.name) or new_bridge(txn, wanted.name, wanted.datapath_type)
    if wanted.fail_mode is not None:
        put(bridge, "fail_mode", [wanted.fail_mode])
    protocols = value(bridge, "protocols")
    if protocols:  # empty: the bridge speaks every version
        for protocol in wanted.protocols:
            add(bridge, "protocols", protocol)
    if wanted.disable_in_band:
        put_keys(bridge, "other_config", {"disable-in-band": "true"})
    if wanted.controller:
        target = wanted.controller.replace(AUTO, f":{here}:", 1)
        ensure_controller(txn, bridge, target, wanted.controller_type)


def new_bridge(txn: RowTransaction, name: str, datapath_type: str) -> Row:
    """A bridge with its local port, as `ovs-vsctl add-br` makes it."""
    if find(txn, "Port", name) is not None:
        raise Refused(f"bridge {name} can't be made: a port of that name exists")
    bridge = txn.insert(txn.idl.tables["Bridge"])
    put(bridge, "name", name)
    put(bridge, "datapath_type", datapath_type)
    add(bridge, "ports", new_port(txn, name, "internal", {}, ours=False))
    for root in txn.idl.tables["Open_vSwitch"].rows.values():
        add(root, "bridges", bridge)
    return bridge


def ensure_controller(txn: RowTransaction, bridge: Row, target: str, type_: str) -> None:
    """One Controller row with our mark, unless somebody else put the same target there; others' rows stay."""
    rows = value(bridge, "controller")
    ours = sorted(filter(is_ours, rows), key=lambda row: row.target != target)
    foreign = any(row.target == target and not is_ours(row) for row in rows)
    for stale in ours if foreign else ours[1:]:
        bridge.delvalue("controller", stale)
    if foreign:
        return
    row = ours[0] if ours else txn.insert(txn.idl.tables["Controller"])
    # Changed in place: a bridge that loses its last controller, if only for a moment, loses its flows.
    put(row, "target", target)
    put(row, "type", [type_] if type_ else [])
    if not ours:
        put(row, "external_ids", {MARK: "true"})
        add(bridge, "controller", row)


def ensure_patch_end(txn: RowTransaction, bridge: str, port: str, peer: str) -> None:
    interface = claim(txn, bridge, port, "patch", {"peer": peer}, adopt=("patch",))
    put(interface, "type", "patch")
    put_keys(interface, "options", {"peer": peer})


def ensure_tunnel(txn: RowTransaction, wanted: EnsureTunnel) -> None:
    # OVS has a type of its own for GRE over IPv6: the kernel's gre device is IPv4 only (userspace takes either type).
    type_ = "ip6gre" if wanted.type == "gre" and ":" in wanted.local_ip else wanted.type
    options = {"remote_ip": "flow", "key": "flow", "local_ip": wanted.local_ip}
    interface = claim(txn, wanted.bridge, wanted.port, type_, options, adopt=())
    put(interface, "type", type_)
    put_keys(interface, "options", options)


def remove_port(txn: RowTransaction, bridge: str, name: str) -> None:
    """A port that isn't there is removed already.  Errors: Refused when it is not ours."""
    holder, port = find(txn, "Bridge", bridge), find(txn, "Port", name)
    if holder is None or port is None or port not in value(holder, "ports"):
        return
    if not is_ours(port):
        raise Refused(f"port {name} of {bridge} can't be removed: it is not ours")
    holder.delvalue("ports", port)


def set_tags(txn: RowTransaction, bridge: str, tags: dict[str, int | None]) -> None:
    """A port that has gone, as VIFs do, shows no tag: that is no error."""
    holder = find(txn, "Bridge", bridge)
    for port in value(holder, "ports") if holder is not None else ():
        if port.name in tags:
            tag = tags[port.name]
            put(port, "tag", [] if tag is None else [tag])


def claim(
    txn: RowTransaction, bridge: str, name: str, type_: str, options: dict[str, str], adopt: tuple[str, ...]
) -> Row:
    """Find port `name`, move it to `bridge` or make it there; the result is its interface.

    Errors: Refused when the bridge is missing, or when somebody else's port is in the way: one that is neither of a
    type in `adopt` nor just as wanted.
    """
    holder, port = find(txn, "Bridge", bridge), find(txn, "Port", name)
    if holder is None:
        raise Refused(f"port {name} can't be made: there is no bridge {bridge}")
    if port is None:
        port = new_port(txn, name, type_, options, ours=True)
        add(holder, "ports", port)
        return value(port, "interfaces")[0]
    interfaces = value(port, "interfaces")
    here = port in value(holder, "ports")
    if not is_ours(port) and not (here and len(interfaces) == 1 and fits(interfaces[0], type_, options, adopt)):
        raise Refused(f"port {name} can't be made on {bridge}: a port of that name exists that is not ours")
    if not here:
        for other in txn.idl.tables["Bridge"].rows.values():
            if port in value(other, "ports"):
                other.delvalue("ports", port)
        add(holder, "ports", port)
    return interfaces[0]


def fits(interface: Row, type_: str, options: Mapping[str, str], adopt: tuple[str, ...]) -> bool:
    same = interface.type == type_ and options.items() <= interface.options.items()
    return same or interface.type in adopt


def new_port(txn: RowTransaction, name: str, type_: str, options: dict[str, str], *, ours: bool) -> Row:
    interface = txn.insert(txn.idl.tables["Interface"])
    put(interface, "name", name)
    put(interface, "type", type_)
    put(interface, "options", options)
    port = txn.insert(txn.idl.tables["Port"])
    put(port, "name", name)
    put(port, "interfaces", [interface])
    put(port, "external_ids", {MARK: "true"} if ours else {})
    return port


def find(txn: RowTransaction, table: str, name: str) -> Row | None:
    return idlutils.row_by_value(txn.idl, table, "name", name, None)


def value(row: Row, column: str) -> Any:
    """A column's value within the transaction; a new row's unwritten column is empty."""
    return getattr(row, column, None) or []


def put(row: Row, column: str, wanted: Any) -> None:
    """Write a column that differs.  Errors: Refused; the library itself would drop a bad value and go on."""
    if getattr(row, column, None) == wanted:
        return
    setattr(row, column, wanted)
    if getattr(row, column, None) != wanted:
        raise Refused(f"{wanted!r} is not a value for column {column} of table {row._table.name}")


def put_keys(row: Row, column: str, wanted: Mapping[str, str]) -> None:
    """Set keys of a map column that differ; its other keys stay."""
    present = getattr(row, column, None) or {}
    for key, text in wanted.items():
        if present.get(key) != text:
            row.setkey(column, key, text)


def add(row: Row, column: str, element: Any) -> None:
    """Add an element to a set column.  Errors: Refused, as for `put`."""
    if element in value(row, column):
        return
    row.addvalue(column, element)
    if element not in value(row, column):
        raise Refused(f"{element!r} is not a value for column {column} of table {row._table.name}")
