"""`patchbay database`: the schema of a database, up, down, and which one it is."""

from __future__ import annotations

import argparse
import sys

from controller.config import ConfigError, load
from controller.core import app
from controller.io.store import Schema, StoreError


def change(options: argparse.Namespace) -> int:
    """Carry out upgrade, downgrade or revision, and print the schema's revision; returns 0, or 2 when it can't be."""
    if (options.verb == "downgrade") != (options.revision is not None):
        print("patchbay: downgrade, and nothing else, takes the REVISION to go back to", file=sys.stderr)
        return 2
    app.load()  # their rows have tables, too
    try:
        schema = Schema(load(options.config, {"database": options.database}).database)
        try:
            if options.verb == "upgrade":
                schema.upgrade()
            elif options.verb == "downgrade":
                schema.downgrade(options.revision)
            print(schema.revision() or "no schema")
        finally:
            schema.close()
    except (ConfigError, StoreError) as error:
        print(f"patchbay: {error}", file=sys.stderr)
        return 2
    return 0
