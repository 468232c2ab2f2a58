"""The first schema: the core rows and the journal."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "0001"
down_revision = None

KEY = sa.String(255).with_variant(mysql.VARCHAR(255, collation="utf8mb4_bin"), "mysql", "mariadb")
TEXT = sa.Text().with_variant(mysql.LONGTEXT(collation="utf8mb4_bin"), "mysql", "mariadb")
NUMBER = sa.BigInteger()
REVISION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
FLAG = sa.Boolean()

STAMPS = {"created_at": TEXT, "updated_at": TEXT, "revision_number": NUMBER}
LABELS = {"project_id": TEXT, "name": TEXT, "description": TEXT}


def upgrade() -> None:
    _create(
        "network", {"id": KEY}, LABELS, {"admin_state_up": FLAG, "shared": FLAG, "mtu": NUMBER, "key": NUMBER}, STAMPS
    )
    _create(
        "segment",
        {"id": KEY},
        {"network_id": TEXT, "network_type": TEXT, "physical_network": TEXT, "segmentation_id": NUMBER},
        nullable=("physical_network", "segmentation_id"),
    )
    _create(
        "subnet",
        {"id": KEY},
        {"network_id": TEXT},
        LABELS,
        {"ip_version": NUMBER, "cidr": TEXT, "gateway_ip": TEXT, "allocation_pools": TEXT, "dns_nameservers": TEXT},
        {"host_routes": TEXT, "enable_dhcp": FLAG, "ipv6_ra_mode": TEXT, "ipv6_address_mode": TEXT},
        STAMPS,
        nullable=("gateway_ip", "ipv6_ra_mode", "ipv6_address_mode"),
    )
    _create(
        "port",
        {"id": KEY},
        {"network_id": TEXT},
        LABELS,
        {"mac_address": TEXT, "fixed_ips": TEXT, "device_id": TEXT, "device_owner": TEXT, "admin_state_up": FLAG},
        {"host_id": TEXT, "vnic_type": TEXT, "profile": TEXT, "interface_name": TEXT, "key": NUMBER},
        STAMPS,
    )
    _create(
        "host",
        {"name": KEY},
        {"local_ip": TEXT, "bridge_mappings": TEXT, "datapath_type": TEXT, "integration_bridge": TEXT},
        {"bridges": TEXT, "managed": FLAG},
    )
    _create("binding", {"port_id": KEY}, {"network_id": TEXT, "host": TEXT, "active": FLAG})
    _create("local_vlan", {"host": KEY, "network_id": KEY}, {"vid": NUMBER})
    _create("fault", {"kind": KEY, "id": KEY}, {"reason": TEXT})
    _create("sequence", {"name": KEY}, {"next": NUMBER})
    _create("journal", {"revision": REVISION}, {"time": KEY, "who": TEXT, "request_id": TEXT, "changes": TEXT})


def downgrade() -> None:
    tables = ("network", "segment", "subnet", "port", "host", "binding", "local_vlan", "fault", "sequence", "journal")
    for name in tables:
        op.drop_table(name)


def _create(name: str, key: dict[str, Any], *parts: dict[str, Any], nullable: tuple[str, ...] = ()) -> None:
    keys = (sa.Column(column, kind, primary_key=True, autoincrement=False) for column, kind in key.items())
    rest = (sa.Column(c, kind, nullable=c in nullable) for part in parts for c, kind in part.items())
    op.create_table(name, *keys, *rest)
