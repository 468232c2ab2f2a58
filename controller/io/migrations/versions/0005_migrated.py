"""Which guests have come to their hosts by a migration."""

from __future__ import annotations

from controller.io.migrations.steps import FLAG, add_column, drop_column

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    add_column("binding", "migrated", FLAG, False)


def downgrade() -> None:
    drop_column("binding", "migrated")
