"""The first schema: the core rows and the journal."""

from __future__ import annotations

import sqlalchemy as sa

from controller.io.migrations.steps import FLAG, KEY, NUMBER, TEXT, create, drop

revision = "0001"
down_revision = None

REVISION = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

STAMPS = {"created_at": TEXT, "updated_at": TEXT, "revision_number": NUMBER}
LABELS = {"project_id": TEXT, "name": TEXT, "description": TEXT}


def upgrade() -> None:
    create(
        "network", {"id": KEY}, LABELS, {"admin_state_up": FLAG, "shared": FLAG, "mtu": NUMBER, "key": NUMBER}, STAMPS
    )
    create(
        "segment",
        {"id": KEY},
        {"network_id": TEXT, "network_type": TEXT, "physical_network": TEXT, "segmentation_id": NUMBER},
        nullable=("physical_network", "segmentation_id"),
    )
    create(
        "subnet",
        {"id": KEY},
        {"network_id": TEXT},
        LABELS,
        {"ip_version": NUMBER, "cidr": TEXT, "gateway_ip": TEXT, "allocation_pools": TEXT, "dns_nameservers": TEXT},
        {"host_routes": TEXT, "enable_dhcp": FLAG, "ipv6_ra_mode": TEXT, "ipv6_address_mode": TEXT},
        STAMPS,
        nullable=("gateway_ip", "ipv6_ra_mode", "ipv6_address_mode"),
    )
    create(
        "port",
        {"id": KEY},
        {"network_id": TEXT},
        LABELS,
        {"mac_address": TEXT, "fixed_ips": TEXT, "device_id": TEXT, "device_owner": TEXT, "admin_state_up": FLAG},
        {"host_id": TEXT, "vnic_type": TEXT, "profile": TEXT, "interface_name": TEXT, "key": NUMBER},
        STAMPS,
    )
    create(
        "host",
        {"name": KEY},
        {"local_ip": TEXT, "bridge_mappings": TEXT, "datapath_type": TEXT, "integration_bridge": TEXT},
        {"bridges": TEXT, "managed": FLAG},
    )
    create("binding", {"port_id": KEY}, {"network_id": TEXT, "host": TEXT, "active": FLAG})
    create("local_vlan", {"host": KEY, "network_id": KEY}, {"vid": NUMBER})
    create("fault", {"kind": KEY, "id": KEY}, {"reason": TEXT})
    create("sequence", {"name": KEY}, {"next": NUMBER})
    create("journal", {"revision": REVISION}, {"time": KEY, "who": TEXT, "request_id": TEXT, "changes": TEXT})


def downgrade() -> None:
    drop("network", "segment", "subnet", "port", "host", "binding", "local_vlan", "fault", "sequence", "journal")
