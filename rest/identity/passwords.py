"""Passwords: kept as Argon2id hashes (RFC 9106, second recommended set: 64 MiB, three passes, four lanes)."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

LONGEST = 4096
"""Characters; Keystone's limit."""

Run = Callable[[Callable[[], Any]], Any]


class Passwords:
    """Makes and checks hashes.  `run` is what calls the work: it may do so elsewhere (in a thread), for that takes
    some 50 ms and all of a processor."""

    def __init__(self, hasher: PasswordHasher | None = None, run: Run = lambda work: work()) -> None:
        self._hasher = hasher or PasswordHasher()
        self._run = run
        self._nobodys = self._hasher.hash(os.urandom(16).hex())

    def hash(self, password: str) -> str:
        """A hash that says itself how it was made.  Raises ValueError with the rule that the password breaks."""
        if not password:
            raise ValueError("it can't be empty")
        if len(password) > LONGEST:
            raise ValueError(f"it has more than {LONGEST} characters")
        made: str = self._run(lambda: self._hasher.hash(password))
        return made

    def fits(self, hash: str, password: str) -> bool:
        """Whether the password is the one of the hash.  Where there is no hash (an unknown user) just as much is done,
        so that how long it takes tells nobody who exists."""
        fits: bool = self._run(lambda: self._verify(hash or self._nobodys, password))
        return fits and bool(hash)

    def _verify(self, hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(hash, password[: LONGEST + 1])
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False
