"""What only the controller can answer, asked of it over HTTP: how switches are, which is in no database."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from wsgiref.util import is_hop_by_hop

from webob import Request, Response

from controller.config_types import Address
from rest import errors
from rest.wsgi import RETRY_AFTER, Application, refused

PATHS = ("/patchbay/", "/v2.0/convergence", "/v1.0/extensions/ovs/", "/v1.1/extensions/ovs/")
"""How the paths begin that are the controller's."""
CONNECT = 2.0
"""Seconds to reach the controller."""
ANSWER = 600.0
"""Seconds until its answer begins at most; it may have been asked to wait until switches have acknowledged."""


class Forward:
    """A WSGI application: `application`, but for PATHS, which the controller at `address` answers."""

    def __init__(self, application: Application, address: Address, certificate: str | None = None) -> None:
        """`certificate` is the file with the one certificate that the controller shows, where its REST speaks TLS: it
        is ours, too, so the name in it need not be the address that we ask."""
        self._application = application
        self._address = address
        self._trust = None if certificate is None else _trusting(certificate)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if not str(environ.get("PATH_INFO", "")).startswith(PATHS):
            return self._application(environ, start_response)
        try:
            response = self._ask(Request(environ))
        except (OSError, HTTPException) as error:
            reason = f"no controller answers at {self._address}: {error}"
            response = refused(environ, errors.unavailable(reason, RETRY_AFTER))
        answered: Iterable[bytes] = response(environ, start_response)
        return answered

    def _ask(self, request: Request) -> Response:
        connection = self._connection()
        try:
            connection.connect()
            connection.sock.settimeout(ANSWER)
            connection.request(request.method, request.path_qs, request.body, _headers(request))
            return _response(connection.getresponse())
        finally:
            connection.close()

    def _connection(self) -> HTTPConnection:
        if self._trust is None:
            return HTTPConnection(self._address.host, self._address.port, timeout=CONNECT)
        return HTTPSConnection(self._address.host, self._address.port, timeout=CONNECT, context=self._trust)


def _trusting(certificate: str) -> ssl.SSLContext:
    made = ssl.create_default_context(cafile=certificate)
    made.check_hostname = False
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it vouches for itself, whoever has signed it
    return made


def _headers(request: Request) -> dict[str, str]:
    """The request's own, the host that the client asked for among them: links in answers are made with it."""
    return {
        name: value
        for name, value in request.headers.items()
        if not is_hop_by_hop(name) and name.lower() not in ("content-length", "expect")
    }


def _response(answer: HTTPResponse) -> Response:
    headers = [(name, value) for name, value in answer.getheaders() if not is_hop_by_hop(name)]
    return Response(status=f"{answer.status} {answer.reason}", headerlist=headers, body=answer.read())
