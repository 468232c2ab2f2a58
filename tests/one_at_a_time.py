"""What exists once on a machine is used by one test at a time, whatever runs beside it: other workers, other runs."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def alone(directory: str) -> Iterator[None]:
    """Wait until no other test holds the lock of an existing directory, and hold it: nothing is left behind."""
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)
