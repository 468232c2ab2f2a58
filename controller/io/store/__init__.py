"""The store: every configured row and the journal of their changes, in any SQL database that SQLAlchemy speaks to."""

from controller.io.store.database import StoreError, Unavailable
from controller.io.store.journal import Entry
from controller.io.store.schema import Schema
from controller.io.store.store import Behind, Outcome, Store

__all__ = ["Behind", "Entry", "Outcome", "Schema", "Store", "StoreError", "Unavailable"]
