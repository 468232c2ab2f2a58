"""What Nova is still to be told is stored."""

from __future__ import annotations

from controller.io.migrations.steps import NUMBER, TEXT, create, drop

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    create("server_event", {"number": NUMBER}, {"name": TEXT, "server_uuid": TEXT, "tag": TEXT, "status": TEXT})


def downgrade() -> None:
    drop("server_event")
