"""Tokens: encrypted and signed statements of who was let in, for which project and until when.

A token holds no roles: those are read from the rows each time, so that a change of them counts at once.
"""

from __future__ import annotations

import base64
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.fernet import Fernet, MultiFernet
from cryptography.fernet import InvalidToken as Forged

from controller.core.accounts import Revocation, TokenKey, User
from controller.core.net import Net

LONGEST = 4096
"""Characters of what is looked at as a token; ours have about 300."""


class InvalidToken(Exception):
    """It is no token of ours, has expired or was revoked, or its user is gone or disabled."""


@dataclass(frozen=True, slots=True)
class Token:
    """`project_id` is "" for an unscoped token.  `issued` and `expires` are in seconds since 1970.  `audit_ids` are
    the token's own and, when it was got with another token, that one's first: revoking any of them ends it."""

    user_id: str
    project_id: str
    issued: int
    expires: int
    audit_ids: tuple[str, ...]
    methods: tuple[str, ...]


class Tokens:
    """Issues and reads tokens by the keys in the Net.  `lifetime` is in seconds, `clock` in seconds since 1970."""

    def __init__(self, net: Net, lifetime: int, clock: Callable[[], float] = time.time) -> None:
        self.lifetime = lifetime
        self._net = net
        self._clock = clock
        self._numbers: tuple[int, ...] = ()
        self._fernet: MultiFernet | None = None

    def issue(self, user_id: str, project_id: str, method: str, after: Token | None = None) -> tuple[str, Token]:
        """A new token and its text.  One that is got with another token (`after`) ends when that one does."""
        now = int(self._clock())
        audit_id = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        if after is None:
            token = Token(user_id, project_id, now, now + self.lifetime, (audit_id,), (method,))
        else:
            methods = tuple(sorted({*after.methods, method}))
            token = Token(user_id, project_id, now, after.expires, (audit_id, after.audit_ids[-1]), methods)
        said = [token.user_id, token.project_id, token.issued, token.expires, token.audit_ids, token.methods]
        return self._keys().encrypt(json.dumps(said, separators=(",", ":")).encode()).decode(), token

    def read(self, text: str) -> Token:
        """The token that a text is.  Raises InvalidToken."""
        if not text or len(text) > LONGEST:
            raise InvalidToken
        try:
            said = json.loads(self._keys().decrypt(text.encode()))
        except (Forged, ValueError):
            raise InvalidToken from None
        user_id, project_id, issued, expires, audit_ids, methods = said
        token = Token(user_id, project_id, issued, expires, tuple(audit_ids), tuple(methods))
        user = self._net.get(User, user_id)
        ended = token.expires <= self._clock() or any(self._net.get(Revocation, one) for one in token.audit_ids)
        if ended or user is None or not user.enabled:
            raise InvalidToken
        return token

    def _keys(self) -> MultiFernet:
        """All keys, the newest first."""
        numbers = tuple(sorted((key.number for key in self._net.all(TokenKey)), reverse=True))
        if self._fernet is None or numbers != self._numbers:
            if not numbers:
                raise InvalidToken
            secrets = [key.secret for number in numbers if (key := self._net.get(TokenKey, number)) is not None]
            self._fernet, self._numbers = MultiFernet([Fernet(secret) for secret in secrets]), numbers
        return self._fernet


def new_key() -> str:
    """A fresh secret of a TokenKey."""
    return Fernet.generate_key().decode()
