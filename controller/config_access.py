"""Who may come in: the options of authentication, identity and policy, and the frozen value they become."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from controller import config_types as types
from controller.config_types import Address

KEYSTONE = "keystone_authtoken"
"""The section that keystonemiddleware reads itself; its options are not ours to know."""
STRATEGIES = ("none", "builtin", "keystone")
POLICY = "policy.yaml"
"""An operator's rules, where they are looked for beside the INI file when nothing is said."""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """`network_endpoint` and `identity_endpoint` are the URLs in the catalogue, "" for what the client used.
    `token_lifetime` is in seconds.  `policy_file` and `file` (the INI file) are paths, None for none."""

    strategy: str = "none"
    listen: Address = Address("127.0.0.1", 5000)
    network_endpoint: str = ""
    identity_endpoint: str = ""
    region: str = "RegionOne"
    token_lifetime: int = 3600
    policy_file: str | None = None
    file: str | None = field(default=None, compare=False)


def url(value: str) -> str:
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{value!r} is not a URL that begins with http:// or https:// and names a host")
    return value.rstrip("/")


Declared = tuple[str, str, Any, str]
"""Name, default, the function that reads it, help."""

API: tuple[Declared, ...] = (
    (
        "auth_strategy",
        "none",
        types.one_of(*STRATEGIES),
        "Who asks? none: nobody is asked, everybody is an administrator. builtin: our own identity service, see "
        "[identity]. keystone: a Keystone elsewhere, see [keystone_authtoken].",
    ),
    (
        "endpoint",
        "",
        url,
        "URL of this API in the catalogue of the built-in identity, without a version. Empty: the host by which the "
        "client reached identity, and the port of [api] listen.",
    ),
)
IDENTITY: tuple[Declared, ...] = (
    ("listen", "127.0.0.1:5000", types.address, "HOST:PORT of the built-in identity (Keystone v3)."),
    ("endpoint", "", url, "Its URL in the catalogue, without a version. Empty: where the client reached it."),
    ("region", "RegionOne", types.text, "The region that the catalogue names."),
    ("token_hours", "1", types.number(1, 8760, "hours"), "Hours that a token is good for."),
)
OSLO_POLICY: tuple[Declared, ...] = (
    (
        "policy_file",
        "",
        str,
        f"YAML file of rules that go before the defaults, relative to this file. Empty: {POLICY} beside it, if there.",
    ),
)


def read(path: str | None, values: Mapping[str, Mapping[str, Any]]) -> AccessSettings:
    """The settings from the values of all sections, of the INI file at `path` (None: there is none)."""
    api, identity = values["api"], values["identity"]
    return AccessSettings(
        strategy=api["auth_strategy"],
        listen=identity["listen"],
        network_endpoint=api["endpoint"],
        identity_endpoint=identity["endpoint"],
        region=identity["region"],
        token_lifetime=identity["token_hours"] * 3600,
        policy_file=_policy_file(path, values["oslo_policy"]["policy_file"]),
        file=path,
    )


def _policy_file(path: str | None, given: str) -> str | None:
    directory = Path() if path is None else Path(path).parent
    if given:
        return str(directory / given)
    beside = directory / POLICY
    return str(beside) if path is not None and beside.is_file() else None
