"""The history of the schema, for Alembic; the store runs what is missing when it opens a database.

A changed row class needs a revision here (a test compares the two): copy the newest file in `versions`, give it the
next number and that file's number as `down_revision`, and write the change in `upgrade` (on SQLite through
`op.batch_alter_table`).  A new column needs a `server_default`, and the row's field the same default, which is what
older journal entries are read with.  A wholly new table needs none: the store creates what is not there.
"""
