"""What the whole API keeps: accounts, sharing, quotas, tags, security groups, pools, bindings, zones, agents."""

from __future__ import annotations

import uuid
from typing import Any

import sqlalchemy as sa
from alembic import op

from controller.io.migrations.steps import FLAG, KEY, NUMBER, TEXT, add_column, create, drop, drop_column

revision = "0002"
down_revision = "0001"

Columns = dict[str, Any]

STAMPS = {"created_at": TEXT, "updated_at": TEXT, "revision_number": NUMBER}
LABELS = {"project_id": TEXT, "name": TEXT, "description": TEXT}
RULE = {
    "direction": TEXT,
    "ethertype": TEXT,
    "protocol": TEXT,
    "port_range_min": NUMBER,
    "port_range_max": NUMBER,
    "remote_ip_prefix": TEXT,
    "remote_group_id": TEXT,
    "remote_address_group_id": TEXT,
    "project_id": TEXT,
    "description": TEXT,
    "revision_number": NUMBER,
}
ANY_PACKET = (
    "protocol",
    "port_range_min",
    "port_range_max",
    "remote_ip_prefix",
    "remote_group_id",
    "remote_address_group_id",
)
"""What a rule may leave open."""

TABLES: dict[str, tuple[Columns, Columns, tuple[str, ...]]] = {
    # Accounts
    "project": ({"id": KEY}, {"name": TEXT, "description": TEXT, "enabled": FLAG}, ()),
    "user": (
        {"id": KEY},
        {"name": TEXT, "password_hash": TEXT, "default_project_id": TEXT, "enabled": FLAG, "email": TEXT}
        | {"description": TEXT},
        (),
    ),
    "role_assignment": ({"user_id": KEY, "project_id": KEY, "role": KEY}, {}, ()),
    "token_key": ({"number": NUMBER}, {"secret": TEXT, "created": NUMBER}, ()),
    "revocation": ({"audit_id": KEY}, {"expires": NUMBER}, ()),
    # What is shared, counted, or there from the start
    "rbac_policy": (
        {"id": KEY},
        {"project_id": TEXT, "object_type": TEXT, "object_id": TEXT, "action": TEXT, "target_tenant": TEXT},
        (),
    ),
    "quota": ({"project_id": KEY, "resource": KEY}, {"limit": NUMBER}, ()),
    "once": ({"name": KEY}, {}, ()),
    # Security
    "security_group": ({"id": KEY}, {**LABELS, **STAMPS, "tags": TEXT, "stateful": FLAG, "key": NUMBER}, ()),
    "security_group_rule": (
        {"id": KEY},
        {**RULE, "security_group_id": TEXT, "created_at": TEXT, "updated_at": TEXT},
        (*ANY_PACKET, "description"),
    ),
    "default_security_group_rule": (
        {"id": KEY},
        {**RULE, "used_in_default_sg": FLAG, "used_in_non_default_sg": FLAG},
        ANY_PACKET,
    ),
    "address_group": ({"id": KEY}, {**LABELS, **STAMPS, "addresses": TEXT, "key": NUMBER}, ()),
    "membership": ({"port_id": KEY}, {"security_groups": TEXT}, ()),
    "network_security": ({"network_id": KEY}, {"port_security_enabled": FLAG}, ()),
    "port_security": ({"port_id": KEY}, {"port_security_enabled": FLAG}, ()),
    "address_pairs": ({"port_id": KEY}, {"allowed_address_pairs": TEXT}, ()),
    # Addresses and names
    "address_scope": ({"id": KEY}, {"project_id": TEXT, "name": TEXT, "ip_version": NUMBER, **STAMPS}, ()),
    "subnet_pool": (
        {"id": KEY},
        {**LABELS, **STAMPS, "tags": TEXT, "prefixes": TEXT, "ip_version": NUMBER, "default_prefixlen": NUMBER}
        | {"min_prefixlen": NUMBER, "max_prefixlen": NUMBER, "default_quota": NUMBER, "is_default": FLAG}
        | {"address_scope_id": TEXT},
        ("default_quota", "address_scope_id"),
    ),
    "pool_part": ({"subnet_id": KEY}, {"subnetpool_id": TEXT}, ("subnetpool_id",)),
    "network_segment_range": (
        {"id": KEY},
        {**LABELS, **STAMPS, "tags": TEXT, "default": FLAG, "shared": FLAG, "network_type": TEXT}
        | {"physical_network": TEXT, "minimum": NUMBER, "maximum": NUMBER},
        ("physical_network",),
    ),
    "dhcp_options": ({"port_id": KEY}, {"extra_dhcp_opts": TEXT}, ()),
    "network_dns": ({"network_id": KEY}, {"dns_domain": TEXT}, ()),
    "port_dns": ({"port_id": KEY}, {"dns_name": TEXT, "dns_domain": TEXT}, ()),
    # Hosts and VIFs
    "attachment": ({"port_id": KEY}, {"vif_id": TEXT, "mac_address": TEXT}, ()),
    "agent": (
        {"id": KEY},
        {"host": TEXT, "alive": FLAG, "admin_state_up": FLAG, "description": TEXT, "created_at": TEXT}
        | {"started_at": TEXT, "heartbeat_timestamp": TEXT},
        (),
    ),
    "port_binding": (
        {"port_id": KEY, "host": KEY},
        {"vnic_type": TEXT, "profile": TEXT, "status": TEXT} | {"former": FLAG},
        (),
    ),
    "zone_hints": ({"network_id": KEY}, {"availability_zone_hints": TEXT}, ()),
    "data_plane": ({"port_id": KEY}, {"data_plane_status": TEXT}, ("data_plane_status",)),
}
"""Key columns, other columns, and those of them that may be null, by table."""

ADDED = (
    ("binding", "arriving", TEXT, ""),
    ("binding", "moved", FLAG, False),
    ("binding", "wired", FLAG, False),
    ("host", "zone", TEXT, ""),
    ("network", "tags", TEXT, "[]"),
    ("port", "ip_allocation", TEXT, "immediate"),
    ("port", "tags", TEXT, "[]"),
    ("segment", "created_at", TEXT, ""),
    ("segment", "description", TEXT, ""),
    ("segment", "name", TEXT, None),
    ("segment", "position", NUMBER, 0),
    ("segment", "revision_number", NUMBER, 0),
    ("segment", "updated_at", TEXT, ""),
    ("subnet", "segment_id", TEXT, None),
    ("subnet", "service_types", TEXT, "[]"),
    ("subnet", "tags", TEXT, "[]"),
)

NETWORK = sa.table(
    "network",
    *(sa.column("id", KEY), sa.column("project_id", TEXT), sa.column("shared", FLAG), sa.column("created_at", TEXT)),
)
SEGMENT = sa.table("segment", *(sa.column(name, TEXT) for name in ("network_id", "created_at", "updated_at")))
MADE = sa.func.coalesce(
    sa.select(NETWORK.c.created_at).where(NETWORK.c.id == SEGMENT.c.network_id).scalar_subquery(), ""
)
"""When a segment was made: with its network."""
POLICY = sa.table(
    "rbac_policy",
    *(sa.column(name, kind) for name, kind in {**TABLES["rbac_policy"][0], **TABLES["rbac_policy"][1]}.items()),
)
PORT = sa.table("port", sa.column("id", KEY))
PROTECTION = sa.table("port_security", sa.column("port_id", KEY), sa.column("port_security_enabled", FLAG))
WITH_ALL = {"object_type": "network", "action": "access_as_shared", "target_tenant": "*"}


def upgrade() -> None:
    """A network that was `shared` has a policy that says so.

    Ports that are there send and get what they like, as before there were security groups: they are not protected.
    """
    for name, (key, rest, nullable) in TABLES.items():
        create(name, key, rest, nullable=nullable)
    for table, name, kind, value in ADDED:
        add_column(table, name, kind, value, nullable=value is None)
    op.execute(sa.update(SEGMENT).values(created_at=MADE, updated_at=MADE).where(SEGMENT.c.created_at == ""))
    shared = op.get_bind().execute(sa.select(NETWORK.c.id, NETWORK.c.project_id).where(NETWORK.c.shared)).all()
    policies = [{"id": str(uuid.uuid4()), "project_id": owner, "object_id": key, **WITH_ALL} for key, owner in shared]
    if policies:
        op.get_bind().execute(sa.insert(POLICY), policies)
    drop_column("network", "shared")
    unprotected = sa.select(PORT.c.id, sa.false()).where(PORT.c.id.not_in(sa.select(PROTECTION.c.port_id)))
    op.execute(sa.insert(PROTECTION).from_select(["port_id", "port_security_enabled"], unprotected))


def downgrade() -> None:
    add_column("network", "shared", FLAG, False)
    everybodys = sa.select(POLICY.c.object_id).where(*(POLICY.c[name] == value for name, value in WITH_ALL.items()))
    op.execute(sa.update(NETWORK).where(NETWORK.c.id.in_(everybodys)).values(shared=True))
    for table, name, _, _ in ADDED:
        drop_column(table, name)
    drop(*TABLES)
