"""The history of the schema, for Alembic; the store runs what is missing when it opens a database.

A new field of a row class needs a revision, in both directions (tests compare rows and revisions, and go up and down
on data).  A file `versions/0002_colours.py`:

    from controller.io.migrations.steps import TEXT, add_column, drop_column

    revision = "0002"
    down_revision = "0001"

    def upgrade() -> None:
        add_column("network", "colour", TEXT, "red")

    def downgrade() -> None:
        drop_column("network", "colour")

A wholly new table needs none: the store creates what is not there.  A downgrade drops it, for it takes tables that no
revision up to its target makes as unknown there.  So before a release its new tables get a revision, too
(`create("colour", {"id": KEY}, {"name": TEXT})`): then a later release can be taken back to that one without losing
them.  Tables of other people's packages are theirs; a downgrade leaves them.
"""
