"""Errors as Neutron writes them: `{"NeutronError": {"type": ..., "message": ..., "detail": ""}}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from controller.core.plan import Refusal


class ApiError(Exception):
    """A request that can't be answered.  `type` is the exception name that clients match on."""

    content_type = "application/json"

    def __init__(self, status: int, type: str, message: str, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__(message)
        self.status = status
        self.type = type
        self.message = message
        self.headers = headers

    def document(self) -> dict[str, object]:
        """The body of the answer."""
        return {"NeutronError": {"type": self.type, "message": self.message, "detail": ""}}

    def text(self) -> str:
        """The document as it is sent, in `content_type`."""
        return json.dumps(self.document())


def from_refusal(refusal: Refusal) -> ApiError:
    return ApiError(refusal.status, refusal.type, refusal.message)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "HTTPBadRequest", message)


def no_such_path() -> ApiError:
    return ApiError(404, "HTTPNotFound", "The resource could not be found.")


def not_allowed(allowed: tuple[str, ...]) -> ApiError:
    text = "The method specified is not allowed for this resource."
    return ApiError(405, "HTTPMethodNotAllowed", text, {"Allow": ", ".join(allowed)})


def unreadable(status: int, message: str) -> ApiError:
    """A body that can't be read: 400, 408 or 413."""
    types = {408: "HTTPRequestTimeout", 413: "HTTPRequestEntityTooLarge"}
    return ApiError(status, types.get(status, "HTTPBadRequest"), message)


def unavailable(reason: str, retry_after: int) -> ApiError:
    return ApiError(503, "ServiceUnavailable", reason, {"Retry-After": str(retry_after)})


def bug() -> ApiError:
    """What is wrong is in the log, and nobody else's business."""
    text = "Request Failed: internal server error while processing your request."
    return ApiError(500, "HTTPInternalServerError", text)
