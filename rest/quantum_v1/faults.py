"""Errors as API v1 has them: v1.0 in codes and documents of its own, v1.1 nearly as v2.0."""

from __future__ import annotations

from rest.errors import ApiError
from rest.quantum_v1.form import Form

V10 = {
    "NetworkNotFound": (420, "networkNotFound"),
    "NetworkInUse": (421, "networkInUse"),
    "PortNotFound": (430, "portNotFound"),
    "RequestedStateInvalid": (431, "requestedStateInvalid"),
    "PortInUse": (432, "portInUse"),
    "AlreadyAttached": (440, "alreadyAttached"),
}
"""Status code and name in v1.0, by the type of the error."""
NAMES = {
    400: "malformedRequest",
    401: "unauthorized",
    403: "forbidden",
    404: "itemNotFound",
    503: "serviceUnavailable",
}
"""Names in v1.0 of all others, by their status code."""
OTHERS = "quantumServiceFault"


class Fault(ApiError):
    """An error that is sent in a form of v1."""

    def __init__(self, error: ApiError, form: Form) -> None:
        status, name = error.status, NAMES.get(error.status, OTHERS)
        if form.version == "v1.0":
            status, name = V10.get(error.type, (status, name))
        super().__init__(status, error.type.replace(" ", ""), error.message, error.headers)
        self.content_type = form.content_type
        self._name = name
        self._form = form

    def document(self) -> dict[str, object]:
        """`{"networkNotFound": {"code", "message", "detail"}}`; in v1.1 `{"QuantumError": {"type", ...}}`."""
        told = {"message": self.message, "detail": ""}
        if self._form.version == "v1.0":
            return {self._name: {"code": self.status, **told}}
        return {"QuantumError": {"type": self.type, **told}}

    def text(self) -> str:
        return self._form.text(self.document())


def state_invalid(state: object) -> ApiError:
    """A port's state that is neither ACTIVE nor DOWN."""
    return ApiError(400, "RequestedStateInvalid", f"The state of a port is ACTIVE or DOWN, not {state!r}.")
