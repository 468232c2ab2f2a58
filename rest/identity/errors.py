"""Errors as Keystone writes them: `{"error": {"code": 404, "title": "Not Found", "message": ...}}`."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from controller.core.plan import Refusal


class IdentityError(Exception):
    """A request that can't be answered, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def document(self) -> dict[str, Any]:
        return {"error": {"code": self.status, "title": HTTPStatus(self.status).phrase, "message": self.message}}


def from_refusal(refusal: Refusal) -> IdentityError:
    return IdentityError(refusal.status, refusal.message)


def bad_request(message: str) -> IdentityError:
    return IdentityError(400, message)


def invalid(field: str, rule: str) -> IdentityError:
    return IdentityError(400, f"Invalid input for field '{field}': {rule}")


def unauthorized() -> IdentityError:
    """One text for everything that is wrong with who asks, so that it tells nothing."""
    return IdentityError(401, "The request you have made requires authentication.")


def forbidden(action: str) -> IdentityError:
    return IdentityError(403, f"You are not authorized to perform the requested action: identity:{action}.")


def not_found(kind: str, key: str) -> IdentityError:
    return IdentityError(404, f"Could not find {kind}: {key}.")


def no_such_path() -> IdentityError:
    return IdentityError(404, "The resource could not be found.")


def unavailable() -> IdentityError:
    return IdentityError(503, "The database is not available; nothing was changed, try again later.")


def bug() -> IdentityError:
    return IdentityError(500, "An unexpected error prevented the server from fulfilling your request.")
