"""How ports stood that change groups."""

from __future__ import annotations

from controller.io.migrations.steps import FLAG, KEY, NUMBER, TEXT, create, drop

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    create(
        "superseded",
        {"port_id": KEY},
        {"protected": FLAG, "security_groups": TEXT, "prefixes": TEXT, "turn": NUMBER},
    )


def downgrade() -> None:
    drop("superseded")
