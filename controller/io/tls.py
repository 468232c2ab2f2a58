"""TLS under a listener: its connections are handed out when their handshake is done.

Whoever accepts gets a connection that is ready, and never waits for a peer: each handshake has a green thread of its
own, and a time.  TLS 1.2 (RFC 5246) or newer.
"""

from __future__ import annotations

import errno
import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import eventlet
from eventlet.green import ssl
from eventlet.queue import LightQueue

LOG = logging.getLogger("patchbay.tls")

PATIENCE = 10.0
"""Seconds that a peer has for its handshake."""
ACCEPTED = 16
"""Connections accepted before others get on."""

REASONS = {
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "HTTP_REQUEST": "it does not speak TLS",
    "UNSUPPORTED_PROTOCOL": "it speaks neither TLS 1.2 nor newer",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust our certificate",
}
"""What OpenSSL calls it, in words."""


class Unusable(Exception):
    """Files that TLS can't work with; the text names option, file and reason, in one line."""


def context(certificate: str, key: str, ca: str = "") -> ssl.SSLContext:
    """What a listener needs for TLS; the arguments are paths of PEM files.

    With a `ca`, peers must show a certificate that it, or one that it vouches for, has signed.  Raises Unusable.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    # A reader never has to wait until it can write, nor a writer until it can read: each has a green thread of its own.
    made.options |= ssl.OP_NO_RENEGOTIATION
    _certificates("tls_certificate", certificate)
    _readable("tls_key", key)
    try:
        made.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise Unusable(f"tls_key: {key}: {_bad_key(error, certificate)}") from None
    if ca:
        if not _certificates("tls_ca", ca).get_ca_certs():
            raise Unusable(f"tls_ca: {ca}: the certificate in it is not that of a CA")
        made.load_verify_locations(ca)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def _readable(option: str, path: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise Unusable(f"{option}: {path}: {error.strerror}") from None


def _certificates(option: str, path: str) -> ssl.SSLContext:
    """The certificates of a file, as what is trusted."""
    _readable(option, path)
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        trusted.load_verify_locations(path)
    except ssl.SSLError:
        raise Unusable(f"{option}: {path}: it holds no certificate in PEM form") from None
    return trusted


def _no_password() -> str:
    raise ValueError("it is encrypted, and nobody is there to give the password")


def _bad_key(error: Exception, certificate: str) -> str:
    if not isinstance(error, ssl.SSLError):
        return str(error)
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"it is not the key of {certificate}"
    if error.reason in ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
        return f"the certificate is too weak: {_words(error.reason)}"
    return "it holds no private key in PEM form"


@contextmanager
def _as_of_a_plain_socket() -> Iterator[None]:
    """A peer that breaks TLS has broken the connection: so those who know nothing of TLS understand it."""
    try:
        yield
    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
        raise
    except ssl.SSLError as error:
        raise ConnectionResetError(errno.ECONNRESET, _why(error)) from None


class Connection(ssl.SSLSocket):
    """A connection whose handshake is done."""

    def read(self, len: int = 1024, buffer: Any = None) -> Any:
        with _as_of_a_plain_socket():
            return super().read(len, buffer)

    def send(self, data: Any, flags: int = 0) -> int:
        with _as_of_a_plain_socket():
            return super().send(data, flags)

    def shutdown(self, how: int) -> None:
        """As for a plain socket: a green thread that reads finds the end of the stream.

        ssl.SSLSocket gives up its TLS first: a reader fails then, and a writer would go on in clear text.
        """
        super(ssl.SSLSocket.__base__, self).shutdown(how)


class Listener:
    """Takes the place of a listening socket.  `name` is what it is for, in the log."""

    def __init__(self, listener: Any, context: ssl.SSLContext, name: str) -> None:
        self.family = listener.family
        self._listener = listener
        self._context = context
        self._name = name
        self._ready: LightQueue = LightQueue()
        self._begun = self._closed = False

    def accept(self) -> tuple[Any, Any]:
        """The next connection whose handshake is done, and the peer's address.  Raises OSError when it is closed."""
        if not self._begun:
            self._begun = True
            eventlet.spawn(self._take)
        ready = None if self._closed else self._ready.get()
        if ready is None:
            raise OSError(errno.ENOTCONN, "the listener is closed")
        return ready

    def getsockname(self) -> Any:
        return self._listener.getsockname()

    def shutdown(self, how: int) -> None:
        """What is said of a plain listener before it is closed; nothing is to be done."""

    def close(self) -> None:
        self._closed = True
        self._listener.close()
        self._ready.put(None)

    def _take(self) -> None:
        for number in itertools.count(1):
            if not number % ACCEPTED:
                eventlet.sleep(0)
            try:
                sock, address = self._listener.accept()
            except OSError as error:
                if self._closed:
                    return
                LOG.error("%s: a connection can't be accepted: %s", self._name, error)
                eventlet.sleep(0.5)  # out of file descriptors, most likely
                continue
            eventlet.spawn(self._shake_hands, sock, address)

    def _shake_hands(self, sock: Any, address: Any) -> None:
        try:
            with eventlet.Timeout(PATIENCE, TimeoutError(errno.ETIMEDOUT, f"no TLS handshake in {PATIENCE:.0f} s")):
                sock = self._context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
                sock.do_handshake()
        except OSError as error:
            with suppress(OSError):
                sock.close()
            if not self._closed:
                LOG.warning("%s connection of ssl:%s refused: %s", self._name, _endpoint(address), _why(error))
            return
        if self._closed:
            sock.close()
        else:
            sock.__class__ = Connection  # as eventlet does it, in place of a constructor that can't be chosen
            self._ready.put((sock, address))


def _endpoint(address: Any) -> str:
    host = str(address[0]).removeprefix("::ffff:").partition("%")[0]
    return f"[{host}]:{address[1]}" if ":" in host else f"{host}:{address[1]}"


def _why(error: OSError) -> str:
    """Why a handshake failed, in words."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError, ConnectionError)):  # by the version of OpenSSL
        return "it closed the connection"
    if isinstance(error, ssl.SSLError):
        return REASONS.get(error.reason or "") or _words(error.reason or str(error))
    return error.strerror or str(error)


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
