"""Who speaks TLS: the options of the three listeners, and the frozen value they become."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Tls(NamedTuple):
    """The PEM files of a listener that speaks TLS; without a `ca` its peers need no certificate."""

    certificate: str
    key: str
    ca: str = ""


Declared = tuple[str, str, Any, str]
"""Name, default, the function that reads it, help."""

KEY: Declared = ("tls_key", "", str, "PEM file of its private key, without a password.")
API: tuple[Declared, ...] = (
    ("tls_certificate", "", str, "PEM file of our certificate, and of those between it and the CA: https."),
    KEY,
)


def of_peers(who: str) -> tuple[Declared, ...]:
    """The options of a listener that wants a certificate of each peer (`who`)."""
    return (
        ("tls_certificate", "", str, f"PEM file of our certificate: {who} connect by ssl:, and not by tcp:."),
        KEY,
        ("tls_ca", "", str, f"PEM file of the CA that signs the certificates of {who}; others are refused."),
    )


def read(section: Mapping[str, Any]) -> Tls | None:
    """The files of a section, None when there are none.  Raises ValueError when only some are given."""
    files = {name: value for name, value in section.items() if name.startswith("tls_")}
    given = [name for name, value in files.items() if value]
    for name in files if given else ():
        if name not in given:
            raise ValueError(f"{name}: it must be set when {given[0]} is")
    return Tls(*files.values()) if given else None
