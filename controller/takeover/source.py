"""A database of somebody else: which kind it is, and its tables as dictionaries.  Nothing is ever written to it."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, MetaData, Table, create_engine, func, inspect, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, SQLAlchemyError

from controller.io.store import engines
from controller.io.store.schema import known_tables

NEUTRON, QUANTUM, QUANTUM_V1 = "Neutron (ML2)", "Quantum (Open vSwitch plugin)", "Quantum v1"
MARKS = ((NEUTRON, "networksegments"), (NEUTRON, "ml2_network_segments"), (QUANTUM, "ovs_network_bindings"))
"""A table that only that kind has."""
RENAMED = {"tenant_id": "project_id", "target_tenant": "target_project"}
"""What columns were called before, and are called here."""

WORKING = {
    *("alembic_version", "alembic_version_neutron", "agents", "networkdhcpagentbindings", "segmenthostmappings"),
    *("quotausages", "reservations", "resourcedeltas", "provisioningblocks", "ml2_port_binding_levels"),
    *("ml2_flat_allocations", "ml2_vxlan_endpoints", "ml2_gre_endpoints", "ml2_geneve_endpoints", "dvr_host_macs"),
    *("default_security_group", "network_subnet_lock", "ipavailabilityranges", "consistencyhashes"),
    *("routerports", "routerroutes", "router_extra_attributes", "routerl3agentbindings", "floatingipdnses"),
    *("meteringlabelrules", "subports", "qos_bandwidth_limit_rules", "qos_dscp_marking_rules", "serviceprofiles"),
    *("qos_port_policy_bindings", "qos_network_policy_bindings", "qospolicyrbacs", "portuplinkstatuspropagation"),
    *("ovn_revision_numbers", "ovn_hash_ring", "providerresourceassociations"),
    *("ipamsubnets", "ipamallocations", "ipamallocationpools", "ovs_tunnel_endpoints", "ovs_node_info"),
}
"""Tables that say again what others do, or go with Neutron's processes or with what is left out and counted."""

Row = dict[str, Any]


class Unreadable(Exception):
    """The database can't be read, or is none that we know.  One line of text."""


class Source:
    """The database at a SQLAlchemy URL, seen as it is at one moment.  `kind` is one of the above.

    Raises Unreadable, here and from every method.
    """

    def __init__(self, url: str) -> None:
        try:
            parsed = engines.parse(url)
            self.name = parsed.render_as_string(hide_password=True)
            self._engine = create_engine(_only_read(parsed))
            self._connection = self._connect()
            # Patchbay's own may be in the same database.
            self._tables = set(inspect(self._connection).get_table_names()) - set(known_tables().tables)
            self._looked_at: set[str] = set()
        except (ArgumentError, NoSuchModuleError, ValueError) as error:
            raise Unreadable(f"{url!r} is not the URL of a database that can be read: {error}") from error
        except (SQLAlchemyError, OSError) as error:
            raise Unreadable(f"database {self.name}: {engines.reason(error)}") from error
        try:
            self.kind = self._kind()
        except Unreadable:
            self.close()
            raise

    def _connect(self) -> Connection:
        """One transaction for all that is read, so that it fits together."""
        connection = self._engine.connect()
        if not engines.is_sqlite(self._engine.url):
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        connection.begin()
        return connection

    def _kind(self) -> str:
        for kind, table in MARKS:
            if table in self._tables:
                return kind
        if "networks" in self._tables and "uuid" in self._table("networks").columns:
            return QUANTUM_V1
        raise Unreadable(f"database {self.name}: it is neither Neutron's (ML2) nor Quantum's (Open vSwitch plugin)")

    def has(self, table: str) -> bool:
        return table in self._tables

    def rows(self, table: str) -> list[Row]:
        """The rows of a table by their columns' names; none where there is no such table."""
        if table not in self._tables:
            return []
        self._looked_at.add(table)
        try:
            found = self._connection.execute(select(self._table(table))).mappings().all()
        except SQLAlchemyError as error:
            raise Unreadable(f"database {self.name}, table {table}: {engines.reason(error)}") from error
        return [{RENAMED.get(name, name): value for name, value in row.items()} for row in found]

    def grouped(self, table: str, by: str) -> dict[Any, list[Row]]:
        """The rows of a table by the value of a column."""
        found: dict[Any, list[Row]] = defaultdict(list)
        for row in self.rows(table):
            found[row[by]].append(row)
        return found

    def count(self, table: str) -> int:
        """How many rows a table has; 0 where there is none."""
        if table not in self._tables:
            return 0
        self._looked_at.add(table)
        return int(self._connection.execute(select(func.count()).select_from(self._table(table))).scalar_one())

    def passed_over(self) -> dict[str, int]:
        """The tables that nobody has looked at, and how many rows they have, where they have any and those matter."""
        found = {table: self.count(table) for table in sorted(self._tables - self._looked_at - WORKING)}
        return {table: rows for table, rows in found.items() if rows}

    def _table(self, name: str) -> Table:
        try:
            return Table(name, MetaData(), autoload_with=self._connection, resolve_fks=False)
        except SQLAlchemyError as error:
            raise Unreadable(f"database {self.name}, table {name}: {engines.reason(error)}") from error

    def close(self) -> None:
        with suppress(SQLAlchemyError, OSError):
            self._connection.close()
        self._engine.dispose()


def _only_read(url: URL) -> URL:
    """SQLite would make a file that is not there."""
    file = engines.sqlite_file(url)
    if file is None:
        return url
    if not file.is_file():
        raise ValueError("there is no such file")
    return url.set(database=f"file:{file}", query={"mode": "ro", "uri": "true"})
